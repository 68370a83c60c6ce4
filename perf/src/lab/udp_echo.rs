//! UDP echo on a real server: what arrives goes back, and who sent it is remembered.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{LabError, Namespace};

/// An echo server in one namespace; stops when dropped.
#[derive(Debug)]
pub struct UdpEcho {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<(), LabError>>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    peers: Mutex<BTreeSet<SocketAddrV4>>,
}

impl UdpEcho {
    /// Starts an echo server on `address`, which must be one that clients' packets arrive with, or
    /// replies would leave with another source.
    ///
    /// # Errors
    /// [`LabError::Socket`] when the address cannot be bound.
    pub fn start(namespace: &Namespace, address: SocketAddrV4) -> Result<Self, LabError> {
        let socket = namespace.enter(|| UdpSocket::bind(address))?;
        let socket = socket.map_err(LabError::socket(format!("UDP echo on {address}")))?;
        let timeout = socket.set_read_timeout(Some(Duration::from_millis(50)));
        timeout.map_err(LabError::socket("UDP echo"))?;
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = namespace.spawn("udp-echo", move || {
            echo(&socket, &theirs).map_err(LabError::socket("UDP echo"))
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Everyone who has sent something.
    #[must_use]
    pub fn peers(&self) -> BTreeSet<SocketAddrV4> {
        self.shared.peers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The addresses of everyone who has sent something.
    #[must_use]
    pub fn peer_addresses(&self) -> BTreeSet<Ipv4Addr> {
        self.peers().iter().map(|peer| *peer.ip()).collect()
    }
}

impl Drop for UdpEcho {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its socket may have failed because the namespace is going; the lab goes either way.
            let _ = thread.join();
        }
    }
}

fn echo(socket: &UdpSocket, shared: &Shared) -> io::Result<()> {
    let mut datagram = [0; 1 << 16];
    while !shared.stop.load(Ordering::Relaxed) {
        match socket.recv_from(&mut datagram) {
            Ok((length, std::net::SocketAddr::V4(peer))) => {
                shared.peers.lock().unwrap_or_else(PoisonError::into_inner).insert(peer);
                socket.send_to(&datagram[..length], peer)?;
            }
            // An ICMP error about an earlier reply is reported here; the next datagram is not
            // concerned.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) if super::tunnel::is_timeout(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
