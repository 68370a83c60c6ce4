//! A TCP port that may be opened, moved and closed while the daemon runs.
//!
//! It is opened before a configuration comes into force, so that one whose address cannot be had is
//! refused as a whole, and served from then on.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use tokio::sync::watch;

/// An open port. Clients that connect wait until they are served.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    address: SocketAddr,
    listener: Arc<TcpListener>,
}

impl Opened {
    /// A listener for a runtime to serve.
    pub(super) fn listener(&self) -> io::Result<tokio::net::TcpListener> {
        self.listener.try_clone().and_then(tokio::net::TcpListener::from_std)
    }
}

/// Where clients come in, if anywhere.
#[derive(Debug, Default)]
pub(crate) struct Door(watch::Sender<Option<Opened>>);

impl Door {
    /// What is to be used for `wanted`: the port that is open, or one that is opened now.
    pub(crate) fn open(&self, wanted: Option<SocketAddr>) -> io::Result<Option<Opened>> {
        let Some(address) = wanted else { return Ok(None) };
        let now = self.0.borrow().clone();
        if let Some(opened) = now.filter(|opened| opened.address == address) {
            return Ok(Some(opened));
        }
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Some(Opened { address, listener: Arc::new(listener) }))
    }

    /// Uses what was opened, and closes what is not used any more. Where clients come in now, if
    /// that is another place than before.
    pub(crate) fn put_into_use(&self, opened: Option<Opened>) -> Option<Option<SocketAddr>> {
        let address = |opened: &Option<Opened>| opened.as_ref().map(|opened| opened.address);
        let after = address(&opened);
        let is_other = self.0.send_if_modified(|now| {
            let is_other = address(now) != after;
            if is_other {
                *now = opened;
            }
            is_other
        });
        is_other.then_some(after)
    }

    /// Tells when another port is used.
    pub(super) fn watched(&self) -> watch::Receiver<Option<Opened>> {
        self.0.subscribe()
    }
}
