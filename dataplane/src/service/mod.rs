//! Virtual services and real servers as the packet path sees them: numbers only, no names.

mod real_server;
mod table;
mod timeouts;
mod virtual_service;

pub use real_server::{RealId, RealServer};
pub use table::{ServiceKey, ServiceTable};
pub use timeouts::OwnTimeouts;
pub use virtual_service::{Dest, Helper, ServiceId, VirtualService};
