//! Flows: one record per connection, owned and touched by one worker alone.
//!
//! [`key`] says what a packet is looked up by, [`entry`] what is kept, [`table`] how it is found,
//! [`expire`] how it ends, [`tcp_state`] which state and timeout a segment leads to, [`control`]
//! what it hangs on.

pub mod control;
pub mod entry;
pub mod expire;
pub mod key;
pub mod table;
pub mod tcp_state;

pub use control::{CONTROLLING_RETRY, Control, Controller, TemplateIdx};
pub use entry::{Direction, Flow, FlowIdx, FlowState};
pub use key::{FlowKey, Ipv6Key, Key};
pub use table::{FlowTable, Hit, KeyHash, TableFull};
pub use tcp_state::{TcpState, Timeouts};
