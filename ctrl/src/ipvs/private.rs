//! Messages between `librvs_ipvs.so` and the daemon that are not netlink's: socket options and
//! files of /proc/net.
//!
//! They are framed as netlink messages of types that the kernel gives to nobody. An answer is a
//! number of packets, each of which begins with a byte for its kind. The other side is
//! `ffi/ipvs-preload/src/message.rs`.

use nix::errno::Errno;

/// Types of requests.
const GET_OPTION: u16 = 0xff01;
const SET_OPTION: u16 = 0xff02;
const FILE: u16 = 0xff03;

/// First bytes of packets.
const PIECE: u8 = 0;
const END: u8 = 1;

/// Most bytes of a piece; a packet has one more.
pub(super) const PIECE_LEN_MAX: usize = 16 * 1024 - 1;

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Private<'a> {
    /// `getsockopt`: the option, the room for its value, and what the program has there.
    GetOption { option: u32, room: usize, value: &'a [u8] },
    /// `setsockopt`: the option, the length of its value, and its first bytes.
    SetOption { option: u32, len: usize, value: &'a [u8] },
    /// A file, by its name.
    File(&'a [u8]),
}

/// Whether messages of this type are requests.
pub(super) fn is_one(kind: u16) -> bool {
    matches!(kind, GET_OPTION | SET_OPTION | FILE)
}

impl<'a> Private<'a> {
    /// The request in a message of type `kind`; EINVAL if it is cut off.
    pub(super) fn parse(kind: u16, payload: &'a [u8]) -> Result<Self, Errno> {
        if kind == FILE {
            return Ok(Self::File(payload));
        }
        let (option, rest) = payload.split_first_chunk().ok_or(Errno::EINVAL)?;
        let (len, value) = rest.split_first_chunk().ok_or(Errno::EINVAL)?;
        let option = u32::from_ne_bytes(*option);
        let len = u32::from_ne_bytes(*len) as usize;
        Ok(if kind == GET_OPTION {
            Self::GetOption { option, room: len, value }
        } else {
            Self::SetOption { option, len, value }
        })
    }
}

/// A packet with more of the answer.
pub(super) fn piece(bytes: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(1 + bytes.len());
    packet.push(PIECE);
    packet.extend(bytes);
    packet
}

/// The last packet: an errno, or how long the value is.
pub(super) fn end(outcome: Result<usize, Errno>) -> Vec<u8> {
    let (errno, len) = match outcome {
        Ok(len) => (0, len),
        Err(errno) => (errno as i32, 0),
    };
    let mut packet = vec![END];
    packet.extend(errno.to_ne_bytes());
    packet.extend(u32::try_from(len).unwrap_or(u32::MAX).to_ne_bytes());
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_and_what_is_cut_off_is_not() {
        let payload = [1, 0, 0, 0, 12, 0, 0, 0, 9];
        let get = Private::GetOption { option: 1, room: 12, value: &[9] };
        assert_eq!(Private::parse(GET_OPTION, &payload), Ok(get));
        let set = Private::SetOption { option: 1, len: 12, value: &[] };
        assert_eq!(Private::parse(SET_OPTION, &payload[..8]), Ok(set));
        assert_eq!(Private::parse(SET_OPTION, &payload[..7]), Err(Errno::EINVAL));
        assert_eq!(Private::parse(FILE, b"ip_vs"), Ok(Private::File(b"ip_vs")));
        assert!(is_one(FILE) && !is_one(0xff00) && !is_one(0xff04));
    }

    #[test]
    fn the_end_says_how_it_went() {
        assert_eq!(end(Ok(12)), [1, 0, 0, 0, 0, 12, 0, 0, 0]);
        assert_eq!(end(Err(Errno::ENOENT)), [1, 2, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(piece(&[5]), [0, 5]);
    }
}
