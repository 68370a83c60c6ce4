//! Starting modprobe for IPVS, which ipvsadm and keepalived do where there is none, is refused: the
//! kernel's own IPVS would only stand beside RVS.

use std::ffi::{CStr, c_char, c_int};

use crate::errno;
use crate::real;

const PROGRAM: &[u8] = b"modprobe";
const MODULE: &[u8] = b"ip_vs";
/// Arguments that are looked at.
const ARGUMENTS_MAX: usize = 16;

/// Whether this starts modprobe for IPVS.
///
/// # Safety
/// `path` is null or a C string, and `args` null or C strings that end with a null pointer.
unsafe fn loads_ipvs(path: *const c_char, args: *const *const c_char) -> bool {
    if path.is_null() || args.is_null() {
        return false;
    }
    // SAFETY: the caller's promise.
    let path = unsafe { CStr::from_ptr(path) }.to_bytes();
    if path.rsplit(|&byte| byte == b'/').next() != Some(PROGRAM) {
        return false;
    }
    for index in 0..ARGUMENTS_MAX {
        // SAFETY: those before it are not null, so it is within the array.
        let place = unsafe { args.add(index) };
        // SAFETY: as before.
        let arg = unsafe { *place };
        if arg.is_null() {
            return false;
        }
        // SAFETY: the caller's promise.
        if unsafe { CStr::from_ptr(arg) }.to_bytes() == MODULE {
            return true;
        }
    }
    false
}

/// Functions that start a program, which all look for modprobe first.
macro_rules! starting {
    ($($name:ident($path:ident: $path_type:ty, $args:ident: $args_type:ty
        $(, $arg:ident: $type:ty)*);)*) => {$(
        #[doc = concat!("The C library's `", stringify!($name), "`, but not for modprobe of IPVS.")]
        ///
        /// # Safety
        /// As for that function.
        #[cfg_attr(not(test), unsafe(no_mangle))]
        pub(crate) unsafe extern "C" fn $name(
            $path: $path_type, $args: $args_type $(, $arg: $type)*
        ) -> c_int {
            // SAFETY: the caller's promise.
            if unsafe { loads_ipvs($path, $args) } {
                errno::set(libc::ENOENT);
                return -1;
            }
            // SAFETY: the caller's promise.
            unsafe { real::$name($path, $args $(, $arg)*) }
        }
    )*};
}

starting! {
    execv(path: *const c_char, args: *const *const c_char);
    execvp(path: *const c_char, args: *const *const c_char);
    execve(path: *const c_char, args: *const *const c_char, environment: *const *const c_char);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(path: &CStr, args: &[&CStr]) -> bool {
        let mut args: Vec<_> = args.iter().map(|arg| arg.as_ptr()).collect();
        args.push(std::ptr::null());
        // SAFETY: all are C strings, and a null pointer ends them.
        unsafe { loads_ipvs(path.as_ptr(), args.as_ptr()) }
    }

    #[test]
    fn modprobe_is_refused_for_ipvs_alone() {
        assert!(loads(c"/sbin/modprobe", &[c"/sbin/modprobe", c"--", c"ip_vs"]));
        assert!(loads(c"modprobe", &[c"modprobe", c"-s", c"ip_vs"]));
        assert!(!loads(c"/sbin/modprobe", &[c"/sbin/modprobe", c"--", c"ip_tables"]));
        assert!(!loads(c"/sbin/insmod", &[c"insmod", c"ip_vs"]));
    }
}
