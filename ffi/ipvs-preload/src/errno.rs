//! The calling thread's `errno`.

use libc::c_int;

/// What it is.
pub(crate) fn get() -> c_int {
    // SAFETY: takes nothing, and returns the address of a variable of this thread.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: that variable lives as long as the thread, and only this thread uses it.
    unsafe { *place }
}

/// Makes it `value`.
pub(crate) fn set(value: c_int) {
    // SAFETY: takes nothing, and returns the address of a variable of this thread.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: that variable lives as long as the thread, and only this thread uses it.
    unsafe { *place = value };
}

/// Leaves it as it was before `action`.
pub(crate) fn kept<T>(action: impl FnOnce() -> T) -> T {
    let before = get();
    let result = action();
    set(before);
    result
}
