//! The socket options of IPVS, answered by the daemon.

use std::ffi::{c_int, c_void};
use std::ops::RangeInclusive;

use libc::socklen_t;

use crate::daemon::{Answer, exchange};
use crate::errno;
use crate::message::{Kind, Request, VALUE_LEN_MAX};
use crate::place;
use crate::real;

/// Numbers of options that are read (linux/ip_vs.h), from IP_VS_SO_GET_VERSION on.
const READ: RangeInclusive<c_int> = 1152..=1159;
/// Numbers of options that are set, from IP_VS_SO_SET_NONE to IP_VS_SO_SET_ZERO.
const SET: RangeInclusive<c_int> = 1152..=1167;

/// The C library's `getsockopt`; options of IPVS are RVS' instead.
///
/// # Safety
/// As for that function.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn getsockopt(
    fd: c_int,
    level: c_int,
    option: c_int,
    value: *mut c_void,
    len: *mut socklen_t,
) -> c_int {
    let of_ipvs = level == libc::IPPROTO_IP && READ.contains(&option);
    match of_ipvs.then(|| place::is_ipv4(fd)) {
        // SAFETY: the caller's promise.
        None | Some(Some(false)) => unsafe { real::getsockopt(fd, level, option, value, len) },
        Some(None) => -1,
        Some(Some(true)) => {
            if value.is_null() || len.is_null() {
                errno::set(libc::EFAULT);
                return -1;
            }
            // SAFETY: the caller's promise, and neither is null.
            unsafe { read(option, value.cast(), len) }
        }
    }
}

/// Reads an option: the value may have up to `len` bytes, and says what is asked for.
///
/// # Safety
/// `len` points to a length, and `value` to as many bytes, which may be written.
unsafe fn read(option: c_int, value: *mut u8, len: *mut socklen_t) -> c_int {
    // SAFETY: the caller's promise.
    let room = unsafe { *len } as usize;
    // SAFETY: the caller's promise; bytes that C has not initialized are still bytes.
    let asked = unsafe { std::slice::from_raw_parts(value, room.min(VALUE_LEN_MAX)) };
    let room_word = u32::try_from(room).unwrap_or(u32::MAX).to_ne_bytes();
    let request = Request::new(Kind::GetOption, &[&option.to_ne_bytes(), &room_word, asked]);
    let mut filled = 0;
    let answer = exchange(&request, |piece| {
        let fits = piece.len() <= room - filled;
        if fits {
            // SAFETY: the piece fits between what is filled and the end of the room.
            let end = unsafe { value.add(filled) };
            // SAFETY: as before; the piece is elsewhere.
            unsafe { std::ptr::copy_nonoverlapping(piece.as_ptr(), end, piece.len()) };
            filled += piece.len();
        }
        fits
    });
    if let Answer::Ended { errno: 0, len: whole } = answer {
        // SAFETY: the caller's promise.
        unsafe { *len = whole };
    }
    result(answer)
}

/// The C library's `setsockopt`; options of IPVS are RVS' instead, and those of netlink mean
/// nothing to a connection.
///
/// # Safety
/// As for that function.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn setsockopt(
    fd: c_int,
    level: c_int,
    option: c_int,
    value: *const c_void,
    len: socklen_t,
) -> c_int {
    if level == libc::SOL_NETLINK && place::port_of(fd).is_some() {
        return 0;
    }
    let of_ipvs = level == libc::IPPROTO_IP && SET.contains(&option);
    match of_ipvs.then(|| place::is_ipv4(fd)) {
        // SAFETY: the caller's promise.
        None | Some(Some(false)) => unsafe { real::setsockopt(fd, level, option, value, len) },
        Some(None) => -1,
        Some(Some(true)) => {
            if value.is_null() && len != 0 {
                errno::set(libc::EFAULT);
                return -1;
            }
            // SAFETY: the caller's promise, and the value is not null if it has a length.
            unsafe { set(option, value.cast(), len) }
        }
    }
}

/// Sets an option.
///
/// # Safety
/// `value` points to `len` bytes, or is null if there are none.
unsafe fn set(option: c_int, value: *const u8, len: socklen_t) -> c_int {
    let bytes = if value.is_null() {
        &[]
    } else {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts(value, (len as usize).min(VALUE_LEN_MAX)) }
    };
    let parts = [&option.to_ne_bytes(), &len.to_ne_bytes(), bytes];
    result(exchange(&Request::new(Kind::SetOption, &parts), |_| false))
}

/// What the function returns. Without a daemon, what a kernel without IPVS says.
fn result(answer: Answer) -> c_int {
    let errno = match answer {
        Answer::Ended { errno: 0, .. } => return 0,
        Answer::Ended { errno, .. } => errno,
        Answer::None => libc::ENOPROTOOPT,
    };
    errno::set(errno);
    -1
}
