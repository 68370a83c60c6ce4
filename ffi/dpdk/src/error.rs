//! [`DpdkError`], the only error of this crate, and the helpers that turn return codes into it.
//!
//! DPDK reports failures in two ways: a negative errno as return value, or -1 with `rte_errno` set.
//! `check` and `rte_errno` each serve one of them; call sites know which one they face.

use std::ffi::{CStr, c_char, c_int};
use std::fmt;

/// A DPDK call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DpdkError {
    /// The DPDK function, or the function of this crate that refused before calling DPDK.
    pub op: &'static str,
    /// What went wrong, as a positive errno value. DPDK has a few of its own above 1000.
    pub errno: i32,
    /// Why, in words: what this crate found wrong with the request, or what EAL and the drivers
    /// printed during the call. Empty when the errno says it all.
    pub detail: String,
}

impl DpdkError {
    /// An error with nothing to add to its errno.
    #[must_use]
    pub fn new(op: &'static str, errno: i32) -> Self {
        Self { op, errno, detail: String::new() }
    }

    /// The same error with an explanation.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

impl fmt::Display for DpdkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (errno {})", self.op, strerror(self.errno), self.errno)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for DpdkError {}

/// Turns a "negative errno on failure" return code into a result.
pub(crate) fn check(op: &'static str, ret: c_int) -> Result<u32, DpdkError> {
    match u32::try_from(ret) {
        Ok(value) => Ok(value),
        // A few drivers return a bare -1 without meaning EPERM; rte_errno is more telling if set.
        Err(_) if ret == -1 => Err(rte_errno(op)),
        Err(_) => Err(DpdkError::new(op, ret.saturating_neg())),
    }
}

/// The error of a call that returned -1 or a null pointer and set `rte_errno`.
pub(crate) fn rte_errno(op: &'static str) -> DpdkError {
    // SAFETY: rte_errno_ reads a variable of the calling thread; it has no precondition.
    let errno = unsafe { dpdk_sys::rte_errno_() };
    DpdkError::new(op, if errno > 0 { errno } else { libc::EPERM })
}

/// Copies a nul-terminated string that C code owns; null becomes the empty string.
pub(crate) fn c_text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the callers pass strings that DPDK or the shim terminated and that stay valid here.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_string_lossy().into_owned()
}

/// Reads a fixed array of C characters up to its first nul.
pub(crate) fn c_array(chars: &[c_char]) -> String {
    let bytes: Vec<u8> =
        chars.iter().take_while(|&&c| c != 0).map(|c| c.to_ne_bytes()).map(|[b]| b).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The parts of a detail that say something.
pub(crate) fn join(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts.iter().copied().filter(|p| !p.is_empty()).collect();
    parts.join(": ")
}

fn strerror(errno: i32) -> String {
    // SAFETY: rte_strerror accepts any number and returns a buffer of the calling thread.
    let text = unsafe { dpdk_sys::rte_strerror(errno) };
    c_text(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_names_call_reason_and_errno() {
        let e = DpdkError::new("rte_eth_dev_configure", libc::EINVAL);
        assert_eq!(e.to_string(), "rte_eth_dev_configure: Invalid argument (errno 22)");
        let e = e.with_detail("9 queues");
        assert_eq!(e.to_string(), "rte_eth_dev_configure: Invalid argument (errno 22): 9 queues");
    }

    #[test]
    fn return_codes() {
        assert_eq!(check("op", 0), Ok(0));
        assert_eq!(check("op", 7), Ok(7));
        assert_eq!(check("op", -libc::ENODEV), Err(DpdkError::new("op", libc::ENODEV)));
        assert_eq!(check("op", c_int::MIN), Err(DpdkError::new("op", c_int::MAX)));
        // rte_errno is 0 on this thread, so a bare -1 keeps its face value.
        assert_eq!(check("op", -1), Err(DpdkError::new("op", libc::EPERM)));
    }

    #[test]
    fn fixed_arrays_end_at_the_first_nul() {
        assert_eq!(c_array(&[104, 105, 0, 106]), "hi");
        assert_eq!(c_array(&[]), "");
        assert_eq!(c_text(std::ptr::null()), "");
    }
}
