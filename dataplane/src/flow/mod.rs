//! Flows: one record per connection, owned and touched by one worker alone.
//!
//! [`key`] says what a packet is looked up by, [`entry`] what is kept, [`table`] how it is found,
//! [`expire`] how it ends, [`tcp_state`] and [`sctp_state`] which state and timeout a packet leads
//! to, [`control`] what it hangs on, [`tally`] what is kept for people.

pub mod control;
pub mod entry;
pub mod expire;
mod kept_state;
pub mod key;
mod life;
pub mod sctp_state;
pub mod table;
pub mod tally;
pub mod tcp_state;

pub(crate) use kept_state::KeptState;

pub use control::{CONTROLLING_RETRY, Control, Controller, TemplateIdx};
pub use entry::{Direction, Entry, Flow, FlowIdx, FlowState};
pub use key::{FlowKey, Ipv6Key, Key};
pub use sctp_state::{SctpEvent, SctpState};
pub use table::{FlowTable, Hit, KeyHash, Table, TableFull};
pub use tally::Tally;
pub use tcp_state::{TcpState, Timeouts};
