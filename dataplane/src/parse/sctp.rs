//! SCTP: what the first chunk means, to the association and in terms of TCP flags.

use super::Transport;
use crate::flow::SctpEvent;
use crate::verdict::DropReason;
use crate::wire::{ChunkType, TcpFlags, sctp};

/// Reads the packet behind the IPv4 header that `headers` has; fills in the event and returns the
/// flags that say the same of its beginning and its end.
#[cold]
pub(super) fn read(payload: &[u8], headers: &mut Transport) -> Result<TcpFlags, DropReason> {
    let packet = sctp::check(payload, !headers.ip.more_fragments)
        .map_err(|_| DropReason::BadTransportHeader)?;
    headers.event = SctpEvent::of(packet.first, packet.second);
    Ok(match packet.first {
        ChunkType::INIT => TcpFlags::SYN,
        ChunkType::ABORT => TcpFlags::RST,
        _ => TcpFlags::NONE,
    })
}
