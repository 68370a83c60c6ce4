//! Single packets and connections from the client's machine: ping, TCP connect, UDP exchange.

use std::io::{self, Read as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::{LabError, Namespace};

/// How long an answer may take. Nothing on this network takes a hundredth of it.
const LIMIT: Duration = Duration::from_secs(3);

/// Sends an ICMP echo request to `address` with `payload`, and returns the payload of the reply.
///
/// # Errors
/// [`LabError::Socket`] when no reply arrives in time.
pub fn ping(from: &Namespace, address: Ipv4Addr, payload: &[u8]) -> Result<Vec<u8>, LabError> {
    let answer = from.enter(|| exchange_echo(address, payload))?;
    answer.map_err(LabError::socket(format!("ping {address}")))
}

/// Tries a TCP connection to `address`; returns what came of it and how long it took.
///
/// # Errors
/// [`LabError::Enter`] only: a refused connection is an answer.
pub fn connect(
    from: &Namespace,
    address: SocketAddrV4,
) -> Result<(io::Result<TcpStream>, Duration), LabError> {
    from.enter(|| {
        let start = Instant::now();
        (TcpStream::connect_timeout(&address.into(), LIMIT), start.elapsed())
    })
}

/// A UDP socket of the client that talks to `address` only, so that ICMP errors about it are seen.
///
/// # Errors
/// [`LabError::Socket`] when the system refuses it.
pub fn udp_socket(from: &Namespace, address: SocketAddrV4) -> Result<UdpSocket, LabError> {
    let socket = from.enter(|| -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect(address)?;
        socket.set_read_timeout(Some(LIMIT))?;
        Ok(socket)
    })?;
    socket.map_err(LabError::socket(format!("UDP socket to {address}")))
}

/// Sends `payload` and returns what comes back.
///
/// # Errors
/// What the socket says: nothing in time, or the ICMP error that came back.
pub fn exchange(socket: &UdpSocket, payload: &[u8]) -> io::Result<Vec<u8>> {
    let mut answer = vec![0; 1 << 16];
    socket.send(payload)?;
    let length = socket.recv(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}

fn exchange_echo(address: Ipv4Addr, payload: &[u8]) -> io::Result<Vec<u8>> {
    let mut socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
    socket.connect(&SocketAddrV4::new(address, 0).into())?;
    let request = echo_request(payload);
    socket.send(&request)?;
    let start = Instant::now();
    let mut packet = [0; 1 << 16];
    loop {
        let left = LIMIT.saturating_sub(start.elapsed());
        // A timeout of zero would mean to wait for ever.
        socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let length = socket.read(&mut packet)?;
        if let Some(payload) = echo_reply(&packet[..length], &request) {
            return Ok(payload.to_vec());
        }
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

/// Type 8, code 0, checksum, identifier, sequence number, payload (RFC 792).
fn echo_request(payload: &[u8]) -> Vec<u8> {
    let identifier = std::process::id().to_be_bytes();
    let head = [8, 0, 0, 0, identifier[2], identifier[3], 0, 1];
    let mut request = [&head, payload].concat();
    let checksum = internet_checksum(&request);
    request[2..4].copy_from_slice(&checksum.to_be_bytes());
    request
}

/// The payload of the reply to `request` in the IPv4 packet, if it is that and its checksum is
/// right.
fn echo_reply<'packet>(packet: &'packet [u8], request: &[u8]) -> Option<&'packet [u8]> {
    let header_len = usize::from(packet.first()? & 0x0f) * 4;
    let reply = packet.get(header_len..)?;
    let is_ours = reply.len() >= 8 && reply[..2] == [0, 0] && reply[4..8] == request[4..8];
    (is_ours && internet_checksum(reply) == 0).then(|| &reply[8..])
}

/// One's complement of the one's complement sum of 16-bit words (RFC 1071).
fn internet_checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or_default()));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_rfc_1071() {
        // The example of RFC 1071 section 3, whose sum is 0xddf2.
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(internet_checksum(&bytes), !0xddf2);
        assert_eq!(internet_checksum(&[0x01]), !0x0100);
    }

    #[test]
    fn only_the_reply_to_the_request_counts() {
        let request = echo_request(b"hello");
        let mut reply = request.clone();
        reply[0] = 0;
        reply[2..4].fill(0);
        let checksum = internet_checksum(&reply);
        reply[2..4].copy_from_slice(&checksum.to_be_bytes());
        let mut header = vec![0x45];
        header.resize(20, 0);
        let packet = [header.clone(), reply.clone()].concat();
        assert_eq!(echo_reply(&packet, &request), Some(&b"hello"[..]));
        assert_eq!(echo_reply(&[header.clone(), request.clone()].concat(), &request), None);
        reply[9] ^= 1;
        assert_eq!(echo_reply(&[header, reply].concat(), &request), None);
        assert_eq!(echo_reply(&packet[..24], &request), None);
    }
}
