//! Connections to the daemon.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::offset_of;

use libc::{sa_family_t, sockaddr_un, socklen_t, timeval};

use crate::errno;
use crate::message::{PACKET_LEN_MAX, Packet, Request};
use crate::real;

/// Where the control socket is, unless the environment says so.
const SOCKET: &CStr = c"/run/rvs/rvs.sock";
/// The variable that does.
const VARIABLE: &CStr = c"RVS_SOCKET";
/// The socket for IPVS stands beside the control socket.
const SUFFIX: &[u8] = b".ipvs";
/// How long the daemon may take for an answer before the program gets an error.
static PATIENCE: timeval = timeval { tv_sec: 10, tv_usec: 0 };

/// A file descriptor of this library, closed when it is dropped.
#[derive(Debug)]
pub(crate) struct Owned(pub(crate) c_int);

impl Owned {
    /// Hands the descriptor out, open.
    pub(crate) fn release(self) -> c_int {
        let fd = self.0;
        std::mem::forget(self);
        fd
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        errno::kept(|| {
            // SAFETY: the descriptor is open and nobody else's.
            unsafe { libc::close(self.0) }
        });
    }
}

/// A connection to the daemon, or `None` with errno if there is none.
pub(crate) fn connect() -> Option<Owned> {
    let (address, len) = address()?;
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: has no preconditions.
    let fd = unsafe { libc::socket(libc::AF_UNIX, kind, 0) };
    if fd < 0 {
        return None;
    }
    let connection = Owned(fd);
    for option in [libc::SO_SNDTIMEO, libc::SO_RCVTIMEO] {
        let len = size_of::<timeval>() as socklen_t;
        let value = (&raw const PATIENCE).cast();
        // SAFETY: `value` points to a timeval, `len` bytes long.
        unsafe { real::setsockopt(fd, libc::SOL_SOCKET, option, value, len) };
    }
    // SAFETY: the address is initialized for `len` bytes.
    let result = unsafe { libc::connect(fd, (&raw const address).cast(), len) };
    (result == 0).then_some(connection)
}

/// The address of the daemon's socket; `None` if its path is too long for one.
fn address() -> Option<(sockaddr_un, socklen_t)> {
    // SAFETY: the name is a C string. What is returned stays as long as nobody changes the
    // environment, which programs with threads must not do anyway.
    let set = unsafe { libc::getenv(VARIABLE.as_ptr()) };
    let path = if set.is_null() {
        SOCKET
    } else {
        // SAFETY: the value of a variable is a C string.
        unsafe { CStr::from_ptr(set) }
    };
    let path = path.to_bytes();
    let family = libc::AF_UNIX as sa_family_t;
    let mut address = sockaddr_un { sun_family: family, sun_path: [0; 108] };
    // The last byte stays zero.
    if path.is_empty() || path.len() + SUFFIX.len() >= address.sun_path.len() {
        errno::set(libc::ENAMETOOLONG);
        return None;
    }
    for (place, &byte) in address.sun_path.iter_mut().zip(path.iter().chain(SUFFIX)) {
        *place = c_char::from_ne_bytes([byte]);
    }
    let len = offset_of!(sockaddr_un, sun_path) + path.len() + SUFFIX.len() + 1;
    Some((address, len as socklen_t))
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// The daemon answered: errno, or 0 and a length.
    Ended { errno: c_int, len: u32 },
    /// There is no daemon, or it broke off.
    None,
}

/// Sends a request and hands the pieces of the answer to `take`, until it wants no more.
pub(crate) fn exchange(request: &Request, mut take: impl FnMut(&[u8]) -> bool) -> Answer {
    let Some(connection) = connect() else { return Answer::None };
    let bytes = request.bytes();
    // SAFETY: `bytes` may be read for its length.
    let sent =
        unsafe { real::send(connection.0, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) };
    if sent < 0 {
        return Answer::None;
    }
    let mut packet = [0; PACKET_LEN_MAX];
    loop {
        let place: *mut c_void = packet.as_mut_ptr().cast();
        // SAFETY: `packet` may be written for its length.
        let received = unsafe { real::recv(connection.0, place, PACKET_LEN_MAX, 0) };
        if received < 0 && errno::get() == libc::EINTR {
            continue;
        }
        let received = usize::try_from(received).unwrap_or_default();
        match packet.get(..received).and_then(Packet::parse) {
            Some(Packet::Piece(piece)) if take(piece) => {}
            Some(Packet::End { errno, len }) => return Answer::Ended { errno, len },
            Some(Packet::Piece(_)) | None => return Answer::None,
        }
    }
}
