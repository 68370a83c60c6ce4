//! The control socket: one daemon each, decided before any device is touched.
//!
//! Beside the socket is a lock file, `<socket>.lock`, which a daemon holds locked while it lives.
//! The kernel lets go of the lock when the process ends, however it ends, so a socket without a
//! locked lock file is a dead daemon's and is replaced. The lock file itself stays; it holds the
//! process number of the last daemon.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
    PermissionsExt as _,
};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use conf::{Account, Control};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, chown, getegid};

use crate::error::CtrlError;
use crate::serve;

/// Mode of the socket's directory, if it has to be made.
const DIRECTORY_MODE: u32 = 0o755;
/// Mode of the lock file.
const LOCK_MODE: u32 = 0o600;
/// Permissions that the socket does not get while it is made: it is its owner's alone then.
const NOT_FOR_OTHERS: Mode = Mode::from_bits_truncate(0o177);

/// A claimed control socket. The lock is let go when it is dropped.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    path: PathBuf,
    listener: UnixListener,
    _lock: File,
}

impl ControlSocket {
    /// Claims the socket of `control` for this process and listens on it. Clients that connect
    /// from now on wait until they are served.
    pub(crate) fn claim(control: &Control) -> Result<Self, CtrlError> {
        let path = control.socket.as_path();
        let rights = Rights::of(control)?;
        if let Some(directory) = path.parent() {
            let made = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory);
            made.map_err(CtrlError::socket(path, directory))?;
        }
        let lock = lock(path)?;
        remove_stale(path)?;
        let before = umask(NOT_FOR_OTHERS);
        let bound = UnixListener::bind(path);
        umask(before);
        let listener = bound.map_err(CtrlError::socket(path, path))?;
        // From here on the file is removed again when something fails.
        let claimed = Self { path: path.to_path_buf(), listener, _lock: lock };
        rights.give_to(path)?;
        Ok(claimed)
    }

    /// A listener for a runtime to serve.
    pub(crate) fn listener(&self) -> io::Result<UnixListener> {
        let listener = self.listener.try_clone()?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the file away, so that nobody connects any more.
    pub(crate) fn remove(&self) {
        // It may have been removed by hand; there is nothing left to do then.
        let _ = fs::remove_file(&self.path);
    }
}

/// Who may connect to the control socket: its group, and its mode.
#[derive(Debug)]
pub(crate) struct Rights {
    gid: Gid,
    /// The group as the configuration has it.
    group: Option<Account>,
    mode: u32,
}

impl Rights {
    /// Those that `control` says.
    pub(crate) fn of(control: &Control) -> Result<Self, CtrlError> {
        let Control { group, mode, .. } = control;
        let gid = group.as_ref().map(|group| serve::group(group, "control.group")).transpose()?;
        Ok(Self { gid: gid.unwrap_or_else(getegid), group: group.clone(), mode: *mode })
    }

    /// Gives them to the socket at `path`. Where that fails, it has those of before.
    pub(crate) fn give_to(&self, path: &Path) -> Result<(), CtrlError> {
        let fail = || CtrlError::socket(path, path);
        let before = fs::metadata(path).map_err(fail())?;
        if before.gid() != self.gid.as_raw() {
            // Opened to others when it has the group that is meant.
            fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(fail())?;
            if let Err(error) = chown(path, None, Some(self.gid)) {
                let _ = fs::set_permissions(path, before.permissions());
                let group =
                    self.group.as_ref().map_or_else(|| self.gid.to_string(), Account::to_string);
                let (socket, source) = (path.to_path_buf(), error.into());
                return Err(CtrlError::SocketGroup { socket, group, source });
            }
        }
        fs::set_permissions(path, Permissions::from_mode(self.mode)).map_err(fail())
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Locks the file beside the socket.
fn lock(socket: &Path) -> Result<File, CtrlError> {
    let mut path = socket.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let fail = |error| CtrlError::socket(socket, &path)(error);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(LOCK_MODE);
    let mut file = options.open(&path).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            let pid = Some(pid.trim().to_owned()).filter(|pid| !pid.is_empty());
            return Err(CtrlError::AlreadyRunning { socket: socket.to_path_buf(), pid });
        }
        Err(TryLockError::Error(error)) => return Err(fail(error)),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(fail)?;
    Ok(file)
}

/// Removes the socket of a dead daemon. A socket that somebody listens on is not ours to remove.
fn remove_stale(socket: &Path) -> Result<(), CtrlError> {
    let kind = match fs::symlink_metadata(socket) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(CtrlError::socket(socket, socket)(error)),
    };
    if !kind.is_socket() {
        return Err(CtrlError::NotASocket { socket: socket.to_path_buf() });
    }
    match UnixStream::connect(socket) {
        Ok(_) => Err(CtrlError::AlreadyRunning { socket: socket.to_path_buf(), pid: None }),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(socket).map_err(CtrlError::socket(socket, socket))
        }
        Err(error) => Err(CtrlError::socket(socket, socket)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(path: &Path) -> Result<ControlSocket, CtrlError> {
        ControlSocket::claim(&Control { socket: path.to_path_buf(), ..Control::default() })
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_socket_is_claimed_once_and_free_again_after_that() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("made/on/the/way/rvs.sock");
        let first = claim(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        UnixStream::connect(&path).unwrap();

        let error = claim(&path).unwrap_err().to_string();
        let pid = format!("process {}", std::process::id());
        assert!(error.contains(&path.display().to_string()) && error.contains(&pid), "{error}");
        UnixStream::connect(&path).unwrap();

        drop(first);
        assert!(!path.exists());
        drop(claim(&path).unwrap());
    }

    #[test]
    fn a_dead_socket_is_replaced_and_a_live_one_or_another_file_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rvs.sock");
        let somebody = UnixListener::bind(&path).unwrap();
        let error = claim(&path).unwrap_err();
        assert!(matches!(error, CtrlError::AlreadyRunning { .. }), "{error}");
        drop(somebody);
        assert!(path.exists());
        drop(claim(&path).unwrap());

        fs::write(&path, "letters").unwrap();
        let error = claim(&path).unwrap_err();
        assert!(matches!(error, CtrlError::NotASocket { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "letters");
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let error = claim(&file.join("rvs.sock")).unwrap_err().to_string();
        assert!(error.contains(&file.display().to_string()), "{error}");
        assert!(error.contains("control: {socket: ...}"), "{error}");
    }

    #[test]
    fn the_socket_has_the_mode_and_the_group_of_the_configuration() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("rvs.sock");
        let of =
            |group| Control { socket: socket.clone(), mode: 0o660, group, ..Control::default() };
        let own = nix::unistd::getegid().as_raw();
        let claimed = ControlSocket::claim(&of(Some(Account::Id(own)))).unwrap();
        assert_eq!((mode(&socket), fs::metadata(&socket).unwrap().gid()), (0o660, own));
        drop(claimed);
        if nix::unistd::geteuid().is_root() {
            let _claimed = ControlSocket::claim(&of(Some(Account::Id(12_345)))).unwrap();
            assert_eq!(fs::metadata(&socket).unwrap().gid(), 12_345);
        }
        let nobody = Account::Name("no-such-group".to_owned());
        let error = ControlSocket::claim(&of(Some(nobody))).unwrap_err().to_string();
        assert!(error.contains("no-such-group") && error.contains("control.group"), "{error}");
    }
}
