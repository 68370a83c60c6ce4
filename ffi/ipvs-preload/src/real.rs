//! The C library's own functions, behind those of this library with the same names.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use libc::{FILE, msghdr, sockaddr, socklen_t, ssize_t};

/// The function called `name` of the libraries behind this one.
fn find(known: &AtomicPtr<c_void>, name: &CStr) -> *mut c_void {
    let mut address = known.load(Ordering::Relaxed);
    if address.is_null() {
        // SAFETY: `name` is a C string, and RTLD_NEXT may be used in a shared library.
        address = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
        if address.is_null() {
            // The program was linked against a function that its C library has not.
            // SAFETY: has no preconditions.
            unsafe { libc::abort() };
        }
        // Threads that come here at once find the same.
        known.store(address, Ordering::Relaxed);
    }
    address
}

/// Functions that call their namesakes, found when they are first called.
macro_rules! real {
    ($($name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {$(
        #[doc = concat!("The C library's `", stringify!($name), "`.")]
        ///
        /// # Safety
        /// As for that function.
        pub(crate) unsafe fn $name($($arg: $type),*) -> $result {
            static KNOWN: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
            const NAME: &CStr =
                match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                    Ok(name) => name,
                    Err(_) => c"",
                };
            type Function = unsafe extern "C" fn($($type),*) -> $result;
            let address = find(&KNOWN, NAME);
            // SAFETY: `address` is that of the function, which has this type in every C library.
            let function = unsafe { std::mem::transmute::<*mut c_void, Function>(address) };
            // SAFETY: the caller's promise.
            unsafe { function($($arg),*) }
        }
    )*};
}

// Those with a `mode` take any number of arguments, the third of which is passed as if it were
// named: lib.rs says where that is so.
real! {
    send(fd: c_int, data: *const c_void, len: usize, flags: c_int) -> ssize_t;
    sendto(fd: c_int, data: *const c_void, len: usize, flags: c_int, to: *const sockaddr,
        to_len: socklen_t) -> ssize_t;
    sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t;
    recv(fd: c_int, data: *mut c_void, len: usize, flags: c_int) -> ssize_t;
    __recv_chk(fd: c_int, data: *mut c_void, len: usize, room: usize, flags: c_int) -> ssize_t;
    recvfrom(fd: c_int, data: *mut c_void, len: usize, flags: c_int, from: *mut sockaddr,
        from_len: *mut socklen_t) -> ssize_t;
    __recvfrom_chk(fd: c_int, data: *mut c_void, len: usize, room: usize, flags: c_int,
        from: *mut sockaddr, from_len: *mut socklen_t) -> ssize_t;
    recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t;
    getsockname(fd: c_int, name: *mut sockaddr, len: *mut socklen_t) -> c_int;
    getsockopt(fd: c_int, level: c_int, option: c_int, value: *mut c_void,
        len: *mut socklen_t) -> c_int;
    setsockopt(fd: c_int, level: c_int, option: c_int, value: *const c_void,
        len: socklen_t) -> c_int;
    open(path: *const c_char, flags: c_int, mode: c_int) -> c_int;
    open64(path: *const c_char, flags: c_int, mode: c_int) -> c_int;
    openat(directory: c_int, path: *const c_char, flags: c_int, mode: c_int) -> c_int;
    openat64(directory: c_int, path: *const c_char, flags: c_int, mode: c_int) -> c_int;
    __open_2(path: *const c_char, flags: c_int) -> c_int;
    __open64_2(path: *const c_char, flags: c_int) -> c_int;
    __openat_2(directory: c_int, path: *const c_char, flags: c_int) -> c_int;
    __openat64_2(directory: c_int, path: *const c_char, flags: c_int) -> c_int;
    fopen(path: *const c_char, mode: *const c_char) -> *mut FILE;
    fopen64(path: *const c_char, mode: *const c_char) -> *mut FILE;
    execv(path: *const c_char, args: *const *const c_char) -> c_int;
    execvp(path: *const c_char, args: *const *const c_char) -> c_int;
    execve(path: *const c_char, args: *const *const c_char,
        environment: *const *const c_char) -> c_int;
}
