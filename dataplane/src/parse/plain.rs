//! The packets that nearly all are: IPv4 to our own MAC address without options, not a fragment,
//! TCP or UDP, in one segment.
//!
//! All headers lie at fixed offsets then, and one comparison tells most of it. Whatever is not so
//! plain, or not in order, is left to [`read_any`](super::read_any), which says what it is; a test
//! holds the two against each other.

use super::{L3_OFFSET, Transport, is_host_address};
use crate::buf::{PacketBuf, RxChecksum};
use crate::flow::FlowKey;
use crate::wire::{EthernetHeader, IpProto, Ipv4Header, Mac, TcpFlags, TcpHeader, UdpHeader, ipv4};

const L4_OFFSET: usize = L3_OFFSET + Ipv4Header::LEN;
/// Every TCP or UDP packet has this many bytes at least.
const PLAIN_LEN: usize = L4_OFFSET + UdpHeader::LEN;
/// EtherType IPv4, version 4 and a header of five words, any TOS, as they follow each other.
const PLAIN_MARK: u32 = u32::from_ne_bytes([0x08, 0x00, 0x45, 0]);
const PLAIN_MARK_MASK: u32 = u32::from_ne_bytes([0xFF, 0xFF, 0xFF, 0]);
/// More-fragments and offset in the word of flags and offset.
const FRAGMENT: u16 = 0x3FFF;

/// Fills in `headers` if the frame is plain and in order; they hold anything if it is not.
#[inline(always)]
pub(super) fn read<B: PacketBuf>(frame: &B, mac: Mac, headers: &mut Transport) -> Option<()> {
    let bytes = frame.bytes();
    let head: &[u8; PLAIN_LEN] = bytes.first_chunk()?;
    let mark = u32::from_ne_bytes(at(head, EthernetHeader::LEN - 2));
    let fragment = u16::from_be_bytes(at(head, L3_OFFSET + 6)) & FRAGMENT;
    let plain = at::<6>(head, 0) == mac.0
        && mark & PLAIN_MARK_MASK == PLAIN_MARK
        && fragment == 0
        && frame.is_contiguous();
    if !plain {
        return None;
    }
    let header: [u8; Ipv4Header::LEN] = at(head, L3_OFFSET);
    let checksum_ok = match frame.rx_ipv4_checksum() {
        RxChecksum::Good => true,
        RxChecksum::Bad => false,
        RxChecksum::Unknown => ipv4::plain_header_ok(&header),
    };
    let addresses: [u8; 8] = at(head, L3_OFFSET + 12);
    let total_len = u16::from_be_bytes(at(head, L3_OFFSET + 2));
    let payload_len = usize::from(total_len).checked_sub(Ipv4Header::LEN)?;
    let in_order = checksum_ok
        && is_host_address(addresses[0])
        && is_host_address(addresses[4])
        && L3_OFFSET + usize::from(total_len) <= bytes.len();
    if !in_order {
        return None;
    }
    let [ttl, protocol] = at(head, L3_OFFSET + 8);
    headers.flags = match protocol {
        IpProto::UDP => {
            let len = usize::from(u16::from_be_bytes(at(head, L4_OFFSET + 4)));
            (UdpHeader::LEN..=payload_len).contains(&len).then(TcpFlags::default)?
        }
        IpProto::TCP => {
            let header = TcpHeader::read(bytes.get(L4_OFFSET..)?)?;
            (TcpHeader::LEN..=payload_len).contains(&header.header_len()).then(|| header.flags())?
        }
        _ => return None,
    };
    headers.key = FlowKey::from_wire(protocol, addresses, at(head, L4_OFFSET));
    let ip = &mut headers.ip;
    ip.addresses = u64::from_ne_bytes(addresses);
    ip.total_len = total_len;
    ip.id = u16::from_be_bytes(at(head, L3_OFFSET + 4));
    ip.header_len = 20;
    ip.protocol = protocol;
    ip.ttl = ttl;
    ip.more_fragments = false;
    ip.dont_fragment = head[L3_OFFSET + 6] & 0x40 != 0;
    Some(())
}

/// `N` bytes of the headers; constant offsets, so nothing is checked at run time.
#[inline(always)]
fn at<const N: usize>(head: &[u8; PLAIN_LEN], offset: usize) -> [u8; N] {
    head[offset..].first_chunk().copied().unwrap_or([0; N])
}

const _: () = assert!(Ipv4Header::LEN == 20);
