//! What checks of CPUs have in common.

/// Where the kernel shows CPUs.
pub(super) const FOLDER: &str = "sys/devices/system/cpu";
