//! The socket on which `librvs_ipvs.so` reaches the daemon: `<control.socket>.ipvs`.
//!
//! Everybody may connect, since programs without rights are to hear what the kernel would tell
//! them, EPERM; the kernel says which user a client runs as.

use std::convert::Infallible;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use tokio::net::UnixListener;
use tokio::sync::Semaphore;

use super::Front;
use super::client::Client;
use crate::api::Role;
use crate::error::CtrlError;
use crate::serve::rest;
use crate::state::State;

/// What the socket's name has more than the control socket's.
const SUFFIX: &str = ".ipvs";
/// Everybody may connect.
const MODE: u32 = 0o666;
/// Clients that are served at a time: of users who are known to be admins, and others.
const ADMINS_MAX: usize = 256;
const OTHERS_MAX: usize = 16;

/// The socket, which goes when this is dropped.
#[derive(Debug)]
pub(crate) struct IpvsSocket {
    path: PathBuf,
    listener: StdListener,
}

impl IpvsSocket {
    /// Listens beside the control socket at `control`, which this process has claimed; what an
    /// earlier daemon left there is replaced.
    pub(crate) fn listen(control: &Path) -> Result<Self, CtrlError> {
        let mut path = control.as_os_str().to_owned();
        path.push(SUFFIX);
        let path = PathBuf::from(path);
        match fs::symlink_metadata(&path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(CtrlError::NotASocket { socket: path });
            }
            Ok(_) => fs::remove_file(&path).map_err(CtrlError::socket(&path, &path))?,
            Err(_) => {}
        }
        let listener = open(&path).map_err(CtrlError::socket(&path, &path))?;
        Ok(Self { path, listener })
    }

    /// Serves whoever connects.
    pub(crate) async fn serve(&self, state: &Arc<State>) -> Result<Infallible, CtrlError> {
        let listener = self.listener.try_clone().and_then(UnixListener::from_std);
        let listener = listener.map_err(CtrlError::Serve)?;
        let front = Arc::new(Front { state: Arc::clone(state), daemons: Default::default() });
        let for_admins = Arc::new(Semaphore::new(ADMINS_MAX));
        let for_others = Arc::new(Semaphore::new(OTHERS_MAX));
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    rest("IPVS socket", &error).await;
                    continue;
                }
            };
            // Nobody's credentials are known if the client is gone already.
            let Ok(user) = stream.peer_cred() else { continue };
            let admins = state.access.admins();
            let places = if admins.has_user(user.uid()) { &for_admins } else { &for_others };
            let Ok(place) = Arc::clone(places).try_acquire_owned() else {
                tracing::warn!("IPVS: too many clients; one of user {} is turned away", user.uid());
                continue;
            };
            let front = Arc::clone(&front);
            tokio::spawn(async move {
                let role = admins.role_of(user.uid(), user.gid()).await;
                Client::new(stream, front, role == Role::Admin).serve().await;
                drop(place);
            });
        }
    }
}

impl Drop for IpvsSocket {
    fn drop(&mut self) {
        // It may have been removed by hand; there is nothing left to do then.
        let _ = fs::remove_file(&self.path);
    }
}

/// A listener for packets. The library has none of its own for them, but its listener for streams
/// does not look at what it has.
fn open(path: &Path) -> io::Result<StdListener> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd: OwnedFd = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
    bind(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    listen(&fd, Backlog::MAXCONN)?;
    Ok(StdListener::from(fd))
}
