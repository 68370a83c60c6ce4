//! The files of IPVS in /proc/net, made by the daemon and opened as files in memory.

use std::ffi::{CStr, c_char, c_int};

use libc::FILE;

use crate::daemon::{Answer, Owned, exchange};
use crate::errno;
use crate::message::{Kind, Request};
use crate::real;

/// Where they are, by the paths that programs use.
const DIRECTORIES: [&[u8]; 2] = [b"/proc/net/", b"/proc/self/net/"];
/// How their names begin.
const NAMES: &[u8] = b"ip_vs";

/// The name of one of IPVS' files at `path`, if it is one.
///
/// # Safety
/// `path` is null or a C string.
unsafe fn name<'a>(path: *const c_char) -> Option<&'a [u8]> {
    if path.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let path = unsafe { CStr::from_ptr(path) }.to_bytes();
    name_in(path)
}

fn name_in(path: &[u8]) -> Option<&[u8]> {
    let name = DIRECTORIES.iter().find_map(|directory| path.strip_prefix(*directory))?;
    let is_one = name.starts_with(NAMES) && name.len() < 64 && !name.contains(&b'/');
    is_one.then_some(name)
}

/// Opens the file called `name`; -1 with errno if there is none.
fn open_file(name: &[u8], flags: c_int) -> c_int {
    let close_on_exec = if flags & libc::O_CLOEXEC == 0 { 0 } else { libc::MFD_CLOEXEC };
    // SAFETY: the name is a C string.
    let fd = unsafe { libc::memfd_create(c"ip_vs".as_ptr(), close_on_exec) };
    if fd < 0 {
        return -1;
    }
    let file = Owned(fd);
    let answer = exchange(&Request::new(Kind::File, &[name]), |piece| write(&file, piece));
    match answer {
        Answer::Ended { errno: 0, .. } => {}
        Answer::Ended { errno, .. } => {
            errno::set(errno);
            return -1;
        }
        // There is no such file in a kernel without IPVS.
        Answer::None => {
            errno::set(libc::ENOENT);
            return -1;
        }
    }
    // SAFETY: has no preconditions.
    if unsafe { libc::lseek(file.0, 0, libc::SEEK_SET) } != 0 {
        return -1;
    }
    file.release()
}

/// Writes all of `text`.
fn write(file: &Owned, mut text: &[u8]) -> bool {
    while !text.is_empty() {
        // SAFETY: `text` may be read for its length.
        let written = unsafe { libc::write(file.0, text.as_ptr().cast(), text.len()) };
        match usize::try_from(written) {
            Ok(written) if written > 0 => text = text.get(written..).unwrap_or_default(),
            _ => return false,
        }
    }
    true
}

/// The file at `path` as a stream, which reads no matter what `mode` says; null with errno.
fn open_stream(name: &[u8], mode: *const c_char) -> *mut FILE {
    let fd = open_file(name, if is_close_on_exec(mode) { libc::O_CLOEXEC } else { 0 });
    if fd < 0 {
        return std::ptr::null_mut();
    }
    let file = Owned(fd);
    // SAFETY: the descriptor is open, and the mode a C string.
    let stream = unsafe { libc::fdopen(file.0, c"r".as_ptr()) };
    if !stream.is_null() {
        file.release();
    }
    stream
}

fn is_close_on_exec(mode: *const c_char) -> bool {
    // SAFETY: a mode is a C string, unless it is null.
    !mode.is_null() && unsafe { CStr::from_ptr(mode) }.to_bytes().contains(&b'e')
}

/// Functions that open files by a path, which all look for IPVS' names first.
macro_rules! opening {
    ($(
        $name:ident($($arg:ident: $type:ty),*) -> $result:ty,
            $ours:ident($path:ident, $how:ident);
    )*) => {$(
        #[doc = concat!("The C library's `", stringify!($name), "`; IPVS' files are RVS' instead.")]
        ///
        /// # Safety
        /// As for that function.
        #[cfg_attr(not(test), unsafe(no_mangle))]
        pub(crate) unsafe extern "C" fn $name($($arg: $type),*) -> $result {
            // SAFETY: the caller's promise: a path is a C string.
            match unsafe { name($path) } {
                Some(name) => $ours(name, $how),
                // SAFETY: the caller's promise.
                None => unsafe { real::$name($($arg),*) },
            }
        }
    )*};
}

opening! {
    fopen(path: *const c_char, mode: *const c_char) -> *mut FILE, open_stream(path, mode);
    fopen64(path: *const c_char, mode: *const c_char) -> *mut FILE, open_stream(path, mode);
    open(path: *const c_char, flags: c_int, mode: c_int) -> c_int, open_file(path, flags);
    open64(path: *const c_char, flags: c_int, mode: c_int) -> c_int, open_file(path, flags);
    openat(directory: c_int, path: *const c_char, flags: c_int, mode: c_int) -> c_int,
        open_file(path, flags);
    openat64(directory: c_int, path: *const c_char, flags: c_int, mode: c_int) -> c_int,
        open_file(path, flags);
    __open_2(path: *const c_char, flags: c_int) -> c_int, open_file(path, flags);
    __open64_2(path: *const c_char, flags: c_int) -> c_int, open_file(path, flags);
    __openat_2(directory: c_int, path: *const c_char, flags: c_int) -> c_int,
        open_file(path, flags);
    __openat64_2(directory: c_int, path: *const c_char, flags: c_int) -> c_int,
        open_file(path, flags);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_ipvs_are_taken() {
        assert_eq!(name_in(b"/proc/net/ip_vs"), Some(&b"ip_vs"[..]));
        assert_eq!(name_in(b"/proc/self/net/ip_vs_conn"), Some(&b"ip_vs_conn"[..]));
        for other in ["/proc/net/dev", "/proc/net/ip_v", "/proc/net/ip_vs/x", "ip_vs", "", "/proc"]
        {
            assert_eq!(name_in(other.as_bytes()), None, "{other}");
        }
    }
}
