//! [`SocketId`]: a NUMA node, which DPDK calls a socket.

use std::fmt;

/// A NUMA node, or any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SocketId(i32);

impl SocketId {
    /// No preference; also what a port without a NUMA node reports.
    pub const ANY: Self = Self(-1);

    /// The node with this number. Numbers beyond `i32` do not exist and mean [`SocketId::ANY`].
    #[must_use]
    pub fn new(node: u32) -> Self {
        i32::try_from(node).map_or(Self::ANY, Self)
    }

    /// The node of the CPU set the calling thread had when it became known to EAL.
    #[must_use]
    pub fn current() -> Self {
        // SAFETY: rte_socket_id reads a variable of the calling thread; it has no precondition.
        let node = unsafe { dpdk_sys::rte_socket_id() };
        Self::new(node)
    }

    /// The node's number, or `None` for [`SocketId::ANY`].
    #[must_use]
    pub fn node(self) -> Option<u32> {
        u32::try_from(self.0).ok()
    }

    pub(crate) fn from_raw(raw: i32) -> Self {
        Self(raw.max(-1))
    }

    pub(crate) fn raw(self) -> i32 {
        self.0
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.node() {
            Some(node) => node.fmt(f),
            None => f.write_str("any"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_any() {
        assert_eq!(SocketId::new(1).node(), Some(1));
        assert_eq!(SocketId::new(u32::MAX), SocketId::ANY);
        assert_eq!(SocketId::from_raw(-7), SocketId::ANY);
        assert_eq!(SocketId::ANY.node(), None);
        assert_eq!(SocketId::ANY.to_string(), "any");
        assert_eq!(SocketId::new(0).to_string(), "0");
    }
}
