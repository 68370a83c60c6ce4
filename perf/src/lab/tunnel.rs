//! IPIP decapsulation on a real server in TUN mode.
//!
//! An LVS user has the kernel's `ipip` device do it. Where the kernel has none, a thread stands in:
//! it receives IP protocol 4 on a raw socket and hands the inner packet to the kernel through
//! another raw socket. The inner packet is addressed to the VIP, which is on the loopback device,
//! so the kernel delivers it to the web server as if it had come from a tunnel device.

use std::io::{self, Read as _};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::{LabError, Namespace};

/// IP protocol number of IPv4 in IPv4.
const IPIP: i32 = 4;
/// IP protocol number under which the kernel sends a packet with the header we give.
const RAW: i32 = 255;
/// How much may wait in the socket while the thread is not scheduled. The kernel gives at most
/// `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Unpacks IPIP in one namespace until dropped.
#[derive(Debug)]
pub struct Decapsulation {
    stand_in: Option<StandIn>,
}

#[derive(Debug)]
struct StandIn {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), LabError>>>,
}

impl Decapsulation {
    /// Starts unpacking what arrives for `rip` in `namespace`.
    ///
    /// # Errors
    /// [`LabError`] when neither the kernel's device nor our own can be had.
    pub fn start(namespace: &Namespace, rip: Ipv4Addr) -> Result<Self, LabError> {
        // The device inherits this: packets come out of it with the client's address as source,
        // while the route to the client leads elsewhere.
        namespace.set("ipv4/conf/all/rp_filter", 0)?;
        namespace.set("ipv4/conf/default/rp_filter", 0)?;
        let device = format!("link add ipip0 type ipip local {rip}\nlink set ipip0 up");
        if namespace.ip(&device).is_ok() {
            return Ok(Self { stand_in: None });
        }
        let sockets = namespace.enter(open_sockets)?;
        let (outer, inner) = sockets.map_err(LabError::socket("raw sockets for IPIP"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = namespace.spawn("ipip-decap", move || {
            decapsulate(outer, &inner, &stopped).map_err(LabError::socket("IPIP decapsulation"))
        })?;
        Ok(Self { stand_in: Some(StandIn { stop, thread: Some(thread) }) })
    }

    /// Who does it.
    #[must_use]
    pub fn describe(&self) -> &'static str {
        match self.stand_in {
            None => "the kernel's ipip device",
            Some(_) => "our stand-in (this kernel has no ipip device)",
        }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its socket may have failed because the namespace is going; the lab goes either way.
            let _ = thread.join();
        }
    }
}

/// One socket for what arrives, one for what is handed on.
fn open_sockets() -> io::Result<(Socket, Socket)> {
    let outer = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(IPIP)))?;
    outer.set_recv_buffer_size(RECEIVE_BUFFER)?;
    outer.set_read_timeout(Some(Duration::from_millis(50)))?;
    let inner = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(RAW)))?;
    inner.set_header_included_v4(true)?;
    Ok((outer, inner))
}

fn decapsulate(mut outer: Socket, inner: &Socket, stop: &AtomicBool) -> io::Result<()> {
    let mut packet = [0; 1 << 16];
    while !stop.load(Ordering::Relaxed) {
        let length = match outer.read(&mut packet) {
            Ok(length) => length,
            Err(error) if is_timeout(&error) => continue,
            Err(error) => return Err(error),
        };
        let Some((content, destination)) = unpack(&packet[..length]) else { continue };
        // The kernel refuses a malformed inner packet, as its own tunnel device would drop it.
        let _ = inner.send_to(content, &SocketAddrV4::new(destination, 0).into());
    }
    Ok(())
}

/// The inner packet of an IPv4 packet, and the inner destination; `None` if it holds none.
fn unpack(packet: &[u8]) -> Option<(&[u8], Ipv4Addr)> {
    let header_len = usize::from(packet.first()? & 0x0f) * 4;
    let content = packet.get(header_len..)?;
    let destination: [u8; 4] = content.get(16..20)?.try_into().ok()?;
    let is_ipv4 = header_len >= 20 && content[0] >> 4 == 4;
    is_ipv4.then(|| (content, Ipv4Addr::from(destination)))
}

pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(destination: [u8; 4]) -> Vec<u8> {
        let mut header = vec![0x45; 1];
        header.resize(16, 0);
        header.extend(destination);
        header
    }

    #[test]
    fn the_inner_packet_and_its_destination_come_out() {
        let inner = [header([192, 0, 2, 10]), b"payload".to_vec()].concat();
        let outer = [header([10, 0, 0, 11]), inner.clone()].concat();
        assert_eq!(unpack(&outer), Some((&inner[..], Ipv4Addr::new(192, 0, 2, 10))));
    }

    #[test]
    fn options_of_the_outer_header_are_skipped() {
        let inner = header([192, 0, 2, 10]);
        let mut outer = header([10, 0, 0, 11]);
        outer[0] = 0x46;
        outer.extend([1, 1, 1, 1]);
        outer.extend(&inner);
        assert_eq!(unpack(&outer), Some((&inner[..], Ipv4Addr::new(192, 0, 2, 10))));
    }

    #[test]
    fn what_holds_no_ipv4_packet_gives_none() {
        let full = [header([10, 0, 0, 11]), header([192, 0, 2, 10])].concat();
        for length in 0..full.len() {
            assert_eq!(unpack(&full[..length]), None, "cut to {length} bytes");
        }
        let mut not_ipv4 = full.clone();
        not_ipv4[20] = 0x65;
        assert_eq!(unpack(&not_ipv4), None);
        let mut no_header = full;
        no_header[0] = 0x40;
        assert_eq!(unpack(&no_header), None);
    }
}
