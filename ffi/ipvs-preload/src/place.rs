//! Putting a connection to the daemon in the place of a netlink socket, and knowing it again.
//!
//! The connection has a name of its own, in the abstract namespace: it tells every process that
//! has the descriptor, however it came by it, that it is one, and which netlink port it had.

use std::ffi::{c_char, c_int, c_void};
use std::mem::offset_of;
use std::sync::atomic::{AtomicBool, Ordering};

use libc::{sa_family_t, sockaddr, sockaddr_nl, sockaddr_un, socklen_t, timeval};

use crate::daemon::{self, Owned};
use crate::errno;
use crate::real;

/// How names begin; the netlink port and bytes of chance follow.
const PREFIX: &[u8] = b"\0librvs_ipvs/";
const PORT_AT: usize = PREFIX.len();
const CHANCE_AT: usize = PORT_AT + size_of::<u32>();
const NAME_LEN: usize = CHANCE_AT + size_of::<u64>();

/// Whether this process has put anything in a place, or may have got it by `fork`. Spares programs
/// that have nothing to do with IPVS the question.
static ANY: AtomicBool = AtomicBool::new(false);

/// Whether `fd` is a socket for generic netlink.
pub(crate) fn is_generic_netlink(fd: c_int) -> bool {
    let is = |option, value| number(fd, option) == Some(value);
    errno::kept(|| is(libc::SO_DOMAIN, libc::AF_NETLINK))
        && errno::kept(|| is(libc::SO_PROTOCOL, libc::NETLINK_GENERIC))
}

/// Whether `fd` is an IPv4 socket; `None` with errno if it is no socket.
pub(crate) fn is_ipv4(fd: c_int) -> Option<bool> {
    Some(number(fd, libc::SO_DOMAIN)? == libc::AF_INET)
}

/// The value of a socket option that is a number.
fn number(fd: c_int, option: c_int) -> Option<c_int> {
    let mut value: c_int = 0;
    let mut len = size_of::<c_int>() as socklen_t;
    let place: *mut c_void = (&raw mut value).cast();
    // SAFETY: `place` and `len` are variables of the sizes that the option has.
    let result = unsafe { real::getsockopt(fd, libc::SOL_SOCKET, option, place, &raw mut len) };
    (result == 0).then_some(value)
}

/// The netlink port of the socket in whose place `fd` is a connection; `None` for all others.
pub(crate) fn port_of(fd: c_int) -> Option<u32> {
    if !ANY.load(Ordering::Relaxed) {
        return None;
    }
    let mut name = sockaddr_un { sun_family: 0, sun_path: [0; 108] };
    let mut len = size_of::<sockaddr_un>() as socklen_t;
    let result = errno::kept(|| {
        let place: *mut sockaddr = (&raw mut name).cast();
        // SAFETY: `name` has room for `len` bytes.
        unsafe { real::getsockname(fd, place, &raw mut len) }
    });
    let name_len = (len as usize).checked_sub(offset_of!(sockaddr_un, sun_path));
    if result != 0 || name.sun_family != libc::AF_UNIX as sa_family_t || name_len != Some(NAME_LEN)
    {
        return None;
    }
    let path = name.sun_path.map(|byte| byte.to_ne_bytes()[0]);
    let port = path.get(PORT_AT..)?.first_chunk()?;
    path.starts_with(PREFIX).then(|| u32::from_ne_bytes(*port))
}

/// Connects to the daemon and puts the connection in the place of `fd`, whose flags stay; `false`
/// with errno if there is no daemon.
pub(crate) fn take(fd: c_int) -> bool {
    let port = port_of(fd).or_else(|| netlink_port(fd)).unwrap_or_default();
    let Some(connection) = daemon::connect() else { return false };
    if !name(&connection, port) {
        return false;
    }
    keep_patience(fd, &connection);
    // SAFETY: has no preconditions.
    let status = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    // SAFETY: has no preconditions.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    if status < 0 || flags < 0 {
        return false;
    }
    // SAFETY: the descriptor is this library's, and O_NONBLOCK may be set on a socket.
    unsafe { libc::fcntl(connection.0, libc::F_SETFL, status & libc::O_NONBLOCK) };
    let flags = if flags & libc::FD_CLOEXEC == 0 { 0 } else { libc::O_CLOEXEC };
    ANY.store(true, Ordering::Relaxed);
    // SAFETY: both are open; the program goes on with `fd`, which it knows as a socket.
    unsafe { libc::dup3(connection.0, fd, flags) >= 0 }
}

/// Gives a connection its name.
fn name(connection: &Owned, port: u32) -> bool {
    let mut chance = [0; size_of::<u64>()];
    // SAFETY: `chance` may be written for its length. Without chance the name may be taken.
    unsafe { libc::getrandom(chance.as_mut_ptr().cast(), chance.len(), 0) };
    let mut name = sockaddr_un { sun_family: libc::AF_UNIX as sa_family_t, sun_path: [0; 108] };
    let bytes = PREFIX.iter().copied().chain(port.to_ne_bytes()).chain(chance);
    for (place, byte) in name.sun_path.iter_mut().zip(bytes) {
        *place = c_char::from_ne_bytes([byte]);
    }
    let len = (offset_of!(sockaddr_un, sun_path) + NAME_LEN) as socklen_t;
    // SAFETY: the name is initialized for `len` bytes.
    unsafe { libc::bind(connection.0, (&raw const name).cast(), len) == 0 }
}

/// The port of a netlink socket.
fn netlink_port(fd: c_int) -> Option<u32> {
    let mut name = netlink_name(0);
    let mut len = size_of::<sockaddr_nl>() as socklen_t;
    // SAFETY: `name` has room for `len` bytes.
    let result = unsafe { real::getsockname(fd, (&raw mut name).cast(), &raw mut len) };
    (result == 0).then_some(name.nl_pid)
}

/// A program that has said how long it waits for answers does not wait longer.
fn keep_patience(fd: c_int, connection: &Owned) {
    for option in [libc::SO_SNDTIMEO, libc::SO_RCVTIMEO] {
        let mut patience = timeval { tv_sec: 0, tv_usec: 0 };
        let mut len = size_of::<timeval>() as socklen_t;
        let place: *mut c_void = (&raw mut patience).cast();
        // SAFETY: `place` and `len` are variables of the sizes that the option has.
        unsafe { real::getsockopt(fd, libc::SOL_SOCKET, option, place, &raw mut len) };
        if patience.tv_sec != 0 || patience.tv_usec != 0 {
            // SAFETY: `place` points to a timeval, `len` bytes long.
            unsafe { real::setsockopt(connection.0, libc::SOL_SOCKET, option, place, len) };
        }
    }
}

/// The name of a netlink socket.
fn netlink_name(port: u32) -> sockaddr_nl {
    // SAFETY: zeros are a sockaddr_nl; it has a private field, and so cannot be written out.
    let mut name: sockaddr_nl = unsafe { std::mem::zeroed() };
    name.nl_family = libc::AF_NETLINK as sa_family_t;
    name.nl_pid = port;
    name
}

/// Writes the name of the netlink socket with `port` where the program wants it: `room` bytes at
/// `place`. Returns how long it is.
///
/// # Safety
/// `place` may be null, or else be written for `room` bytes.
pub(crate) unsafe fn write_name(port: u32, place: *mut c_void, room: socklen_t) -> socklen_t {
    let name = netlink_name(port);
    let len = size_of::<sockaddr_nl>().min(room as usize);
    if !place.is_null() {
        let from: *const u8 = (&raw const name).cast();
        // SAFETY: `len` is within the name, and within the caller's room.
        unsafe { std::ptr::copy_nonoverlapping(from, place.cast(), len) };
    }
    size_of::<sockaddr_nl>() as socklen_t
}
