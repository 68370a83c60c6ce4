//! Sending and receiving: where a program's netlink socket becomes a connection to the daemon.
//!
//! What is sent is looked at for the question that begins it; what is received over a connection
//! gets the sender's name that it would have had over netlink.

use std::ffi::{c_int, c_void};

use libc::{iovec, msghdr, sockaddr, socklen_t, ssize_t};

use crate::errno;
use crate::message::{HEAD_LEN, asks_for_ipvs, asks_for_nothing};
use crate::place;
use crate::real;

/// How sending fails when the daemon has gone since.
const GONE: [c_int; 4] = [libc::EPIPE, libc::ECONNRESET, libc::ECONNREFUSED, libc::ENOTCONN];

/// A message of these pieces, to nobody in particular.
fn message_of(pieces: *mut iovec, count: usize) -> msghdr {
    // SAFETY: zeros are a msghdr: null pointers and no lengths.
    let mut message: msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = pieces;
    message.msg_iovlen = count as _;
    message
}

/// How a message begins, and how long it is.
///
/// # Safety
/// The message's pieces may be read.
unsafe fn beginning(message: &msghdr) -> ([u8; HEAD_LEN], usize) {
    let (mut head, mut whole) = ([0; HEAD_LEN], 0_usize);
    if message.msg_iov.is_null() {
        return (head, 0);
    }
    // SAFETY: the caller's promise.
    let pieces = unsafe { std::slice::from_raw_parts(message.msg_iov, message.msg_iovlen) };
    for piece in pieces {
        if whole < HEAD_LEN && !piece.iov_base.is_null() {
            let len = piece.iov_len.min(HEAD_LEN - whole);
            // SAFETY: the caller's promise.
            let bytes = unsafe { std::slice::from_raw_parts(piece.iov_base.cast::<u8>(), len) };
            head[whole..whole + len].copy_from_slice(bytes);
        }
        whole = whole.saturating_add(piece.iov_len);
    }
    (head, whole)
}

/// Sends a message that is for the daemon, or the question that leads to it; `None` if it is the
/// C library's.
///
/// # Safety
/// As for `sendmsg`.
unsafe fn send_to_daemon(fd: c_int, message: &msghdr, flags: c_int) -> Option<ssize_t> {
    // SAFETY: the caller's promise.
    let (head, whole) = unsafe { beginning(message) };
    if place::port_of(fd).is_some() {
        // SAFETY: the caller's promise.
        return Some(unsafe { deliver(fd, message, flags) });
    }
    let seen = head.get(..whole.min(HEAD_LEN)).unwrap_or_default();
    if !asks_for_ipvs(seen) || !place::is_generic_netlink(fd) {
        return None;
    }
    if errno::kept(|| place::take(fd)) {
        // SAFETY: the caller's promise.
        return Some(unsafe { deliver(fd, message, flags) });
    }
    let mut question = asks_for_nothing(&head);
    let base = question.as_mut_ptr().cast();
    let mut piece = iovec { iov_base: base, iov_len: question.len() };
    let mut other = message_of(&raw mut piece, 1);
    (other.msg_name, other.msg_namelen) = (message.msg_name, message.msg_namelen);
    // SAFETY: the piece lives until the call returns, and the name is the caller's.
    let sent = unsafe { real::sendmsg(fd, &raw const other, flags) };
    Some(if sent < 0 { sent } else { whole.cast_signed() })
}

/// Sends a message over a connection, and over a new one if the daemon was started anew.
///
/// # Safety
/// As for `sendmsg`.
unsafe fn deliver(fd: c_int, message: &msghdr, flags: c_int) -> ssize_t {
    // A connection has nothing to do with the names that netlink sockets have.
    let plain = message_of(message.msg_iov, message.msg_iovlen);
    let flags = flags | libc::MSG_NOSIGNAL;
    // SAFETY: the pieces are the caller's.
    let sent = unsafe { real::sendmsg(fd, &raw const plain, flags) };
    let is_gone = sent < 0 && GONE.contains(&errno::get());
    if !is_gone || !errno::kept(|| place::take(fd)) {
        return sent;
    }
    // SAFETY: the pieces are the caller's.
    unsafe { real::sendmsg(fd, &raw const plain, flags) }
}

/// The C library's `sendmsg`; what is for IPVS goes to RVS instead.
///
/// # Safety
/// As for that function.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn sendmsg(
    fd: c_int,
    message: *const msghdr,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the caller's promise, and a null pointer is looked for.
    let given = unsafe { message.as_ref() };
    // SAFETY: the caller's promise.
    let sent = given.and_then(|given| unsafe { send_to_daemon(fd, given, flags) });
    // SAFETY: the caller's promise.
    sent.unwrap_or_else(|| unsafe { real::sendmsg(fd, message, flags) })
}

/// The C library's `sendto`; what is for IPVS goes to RVS instead.
///
/// # Safety
/// As for that function.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn sendto(
    fd: c_int,
    data: *const c_void,
    len: usize,
    flags: c_int,
    to: *const sockaddr,
    to_len: socklen_t,
) -> ssize_t {
    let mut piece = iovec { iov_base: data.cast_mut(), iov_len: len };
    let mut message = message_of(&raw mut piece, 1);
    (message.msg_name, message.msg_namelen) = (to.cast_mut().cast(), to_len);
    // SAFETY: the caller's promise.
    let sent = unsafe { send_to_daemon(fd, &message, flags) };
    // SAFETY: the caller's promise.
    sent.unwrap_or_else(|| unsafe { real::sendto(fd, data, len, flags, to, to_len) })
}

/// The C library's `send`; what is for IPVS goes to RVS instead.
///
/// # Safety
/// As for that function.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn send(
    fd: c_int,
    data: *const c_void,
    len: usize,
    flags: c_int,
) -> ssize_t {
    let mut piece = iovec { iov_base: data.cast_mut(), iov_len: len };
    let message = message_of(&raw mut piece, 1);
    // SAFETY: the caller's promise.
    let sent = unsafe { send_to_daemon(fd, &message, flags) };
    // SAFETY: the caller's promise.
    sent.unwrap_or_else(|| unsafe { real::send(fd, data, len, flags) })
}

/// What the program gets for what `receive` gave. Netlink knows no end of a connection, and an
/// answer that did not come in time must not be taken for that to the next question.
fn received(fd: c_int, flags: c_int, result: ssize_t) -> ssize_t {
    if result > 0 {
        return result;
    }
    if place::port_of(fd).is_none() {
        return result;
    }
    if result == 0 {
        errno::set(libc::ECONNRESET);
        return -1;
    }
    if errno::get() == libc::EAGAIN && flags & libc::MSG_DONTWAIT == 0 && !is_nonblocking(fd) {
        errno::kept(|| {
            // SAFETY: has no preconditions. The next question goes over a new connection.
            unsafe { libc::shutdown(fd, libc::SHUT_RDWR) }
        });
    }
    result
}

fn is_nonblocking(fd: c_int) -> bool {
    errno::kept(|| {
        // SAFETY: has no preconditions.
        let status = unsafe { libc::fcntl(fd, libc::F_GETFL) };
        status & libc::O_NONBLOCK != 0
    })
}

/// The C library's `recvmsg`; what comes from RVS has the kernel's name.
///
/// # Safety
/// As for that function.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
    // SAFETY: the caller's promise, and a null pointer is looked for.
    let room = unsafe { message.as_ref() }.map_or(0, |message| message.msg_namelen);
    // SAFETY: the caller's promise.
    let result = unsafe { real::recvmsg(fd, message, flags) };
    let result = received(fd, flags, result);
    // SAFETY: the caller's promise, and a null pointer is looked for.
    if let Some(message) = unsafe { message.as_mut() }
        && result > 0
        && !message.msg_name.is_null()
        && place::port_of(fd).is_some()
    {
        // SAFETY: the name has the room that the caller said.
        message.msg_namelen = unsafe { place::write_name(0, message.msg_name, room) };
    }
    result
}

/// Receives with `receive`, which is one of the C library's with a place for the sender's name.
///
/// # Safety
/// `from` and `from_len` are as for `recvfrom`.
unsafe fn receive_from(
    (fd, flags): (c_int, c_int),
    (from, from_len): (*mut sockaddr, *mut socklen_t),
    receive: impl FnOnce() -> ssize_t,
) -> ssize_t {
    // SAFETY: the caller's promise, and a null pointer is looked for.
    let room = unsafe { from_len.as_ref() }.copied().unwrap_or_default();
    let result = received(fd, flags, receive());
    // SAFETY: the caller's promise, and a null pointer is looked for.
    if let Some(from_len) = unsafe { from_len.as_mut() }
        && result > 0
        && !from.is_null()
        && place::port_of(fd).is_some()
    {
        // SAFETY: the name has the room that the caller said.
        *from_len = unsafe { place::write_name(0, from.cast(), room) };
    }
    result
}

/// The C library's `recvfrom`; what comes from RVS has the kernel's name.
///
/// # Safety
/// As for that function.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn recvfrom(
    fd: c_int,
    data: *mut c_void,
    len: usize,
    flags: c_int,
    from: *mut sockaddr,
    from_len: *mut socklen_t,
) -> ssize_t {
    // SAFETY: the caller's promise.
    let receive = || unsafe { real::recvfrom(fd, data, len, flags, from, from_len) };
    // SAFETY: the caller's promise.
    unsafe { receive_from((fd, flags), (from, from_len), receive) }
}

/// The C library's `__recvfrom_chk`; what comes from RVS has the kernel's name.
///
/// # Safety
/// As for that function.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn __recvfrom_chk(
    fd: c_int,
    data: *mut c_void,
    len: usize,
    room: usize,
    flags: c_int,
    from: *mut sockaddr,
    from_len: *mut socklen_t,
) -> ssize_t {
    // SAFETY: the caller's promise.
    let receive = || unsafe { real::__recvfrom_chk(fd, data, len, room, flags, from, from_len) };
    // SAFETY: the caller's promise.
    unsafe { receive_from((fd, flags), (from, from_len), receive) }
}

/// The C library's `recv`; a daemon that ends is an error.
///
/// # Safety
/// As for that function.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn recv(
    fd: c_int,
    data: *mut c_void,
    len: usize,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the caller's promise.
    received(fd, flags, unsafe { real::recv(fd, data, len, flags) })
}

/// The C library's `__recv_chk`; a daemon that ends is an error.
///
/// # Safety
/// As for that function.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn __recv_chk(
    fd: c_int,
    data: *mut c_void,
    len: usize,
    room: usize,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the caller's promise.
    received(fd, flags, unsafe { real::__recv_chk(fd, data, len, room, flags) })
}

/// The C library's `getsockname`; a connection has the name of the netlink socket it stands for.
///
/// # Safety
/// As for that function.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn getsockname(
    fd: c_int,
    name: *mut sockaddr,
    len: *mut socklen_t,
) -> c_int {
    // SAFETY: the caller's promise, and a null pointer is looked for.
    match (place::port_of(fd), unsafe { len.as_mut() }) {
        (Some(port), Some(len)) => {
            // SAFETY: the name has the room that the caller said.
            *len = unsafe { place::write_name(port, name.cast(), *len) };
            0
        }
        // SAFETY: the caller's promise.
        _ => unsafe { real::getsockname(fd, name, len) },
    }
}
