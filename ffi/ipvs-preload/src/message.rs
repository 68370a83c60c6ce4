//! What goes over connections to the daemon, and the one netlink message that this library reads.
//!
//! Netlink datagrams pass as they are. Messages of our own are netlink messages, too, of types that
//! the kernel gives to nobody; their answers are packets that begin with a byte for their kind. The
//! other side is `ctrl/src/ipvs/private.rs`.

use libc::nlmsghdr;

/// As much of a datagram as has to be seen.
pub(crate) const HEAD_LEN: usize = 32;
/// Most bytes of a socket option's value that are sent; the kernel looks at fewer of any.
pub(crate) const VALUE_LEN_MAX: usize = 128;
/// Longest request of our own: header, two words, and a value.
pub(crate) const REQUEST_LEN_MAX: usize = size_of::<nlmsghdr>() + 8 + VALUE_LEN_MAX;
/// Longest packet of an answer.
pub(crate) const PACKET_LEN_MAX: usize = 16 * 1024;

/// The first byte of a packet with a piece of the answer.
pub(crate) const PIECE: u8 = 0;
/// The first byte of an answer's last packet: errno and a length follow, a word each.
pub(crate) const END: u8 = 1;

/// Types of requests.
#[derive(Clone, Copy, Debug)]
#[repr(u16)]
pub(crate) enum Kind {
    /// A value is asked for: number of the option, room for the value, what is there already.
    GetOption = 0xff01,
    /// A value is set: number of the option, length of the value, the value.
    SetOption = 0xff02,
    /// A file of `/proc/net`: its name.
    File = 0xff03,
}

/// nlctrl, its command that asks for a family, and the attributes for name and number.
const GENL_ID_CTRL: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const GENL_HEADER_LEN: usize = 4;
const ATTRIBUTE_AT: usize = size_of::<nlmsghdr>() + GENL_HEADER_LEN;
/// The flag of an attribute's type that says nothing here.
const NESTED_OR_BIG_ENDIAN: u16 = 0xc000;
const NAME: &[u8] = b"IPVS";

/// Whether a datagram that begins with `head` asks nlctrl for the family `IPVS`.
pub(crate) fn asks_for_ipvs(head: &[u8]) -> bool {
    let word = |at: usize| head.get(at..at + 2).map(|two| u16::from_ne_bytes([two[0], two[1]]));
    if word(4) != Some(GENL_ID_CTRL) || head.get(size_of::<nlmsghdr>()) != Some(&GET_FAMILY) {
        return false;
    }
    let Some(len) = word(ATTRIBUTE_AT).map(usize::from) else { return false };
    let Some(kind) = word(ATTRIBUTE_AT + 2) else { return false };
    let value = head.get(ATTRIBUTE_AT + 4..(ATTRIBUTE_AT + len).min(head.len()));
    let name = value.and_then(|value| value.split(|&byte| byte == 0).next());
    kind & !NESTED_OR_BIG_ENDIAN == FAMILY_NAME && name == Some(NAME)
}

/// Length of the question that [`asks_for_nothing`] makes.
pub(crate) const NOTHING_LEN: usize = ATTRIBUTE_AT + 8;

/// The same question about a family that nobody has, which the kernel answers as it would answer
/// about `IPVS` without its module. It asks by number, as a name would make it look for a module.
pub(crate) fn asks_for_nothing(head: &[u8; HEAD_LEN]) -> [u8; NOTHING_LEN] {
    let mut question = [0; NOTHING_LEN];
    question[..ATTRIBUTE_AT].copy_from_slice(&head[..ATTRIBUTE_AT]);
    question[..4].copy_from_slice(&(NOTHING_LEN as u32).to_ne_bytes());
    question[ATTRIBUTE_AT..ATTRIBUTE_AT + 2].copy_from_slice(&6_u16.to_ne_bytes());
    question[ATTRIBUTE_AT + 2..ATTRIBUTE_AT + 4].copy_from_slice(&FAMILY_ID.to_ne_bytes());
    question[ATTRIBUTE_AT + 4..ATTRIBUTE_AT + 6].copy_from_slice(&u16::MAX.to_ne_bytes());
    question
}

/// A request of our own.
#[derive(Debug)]
pub(crate) struct Request {
    bytes: [u8; REQUEST_LEN_MAX],
    len: usize,
}

impl Request {
    /// One of this kind; what does not fit of `parts` is left out.
    pub(crate) fn new(kind: Kind, parts: &[&[u8]]) -> Self {
        let mut request = Self { bytes: [0; REQUEST_LEN_MAX], len: size_of::<nlmsghdr>() };
        for part in parts {
            let room = &mut request.bytes[request.len..];
            let len = part.len().min(room.len());
            room[..len].copy_from_slice(&part[..len]);
            request.len += len;
        }
        let len = u32::try_from(request.len).unwrap_or_default();
        request.bytes[..4].copy_from_slice(&len.to_ne_bytes());
        request.bytes[4..6].copy_from_slice(&(kind as u16).to_ne_bytes());
        request
    }

    /// As it goes over the connection.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// A packet of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    /// More of what was asked for.
    Piece(&'a [u8]),
    /// That was all: an errno, or 0 and the length of a value.
    End {
        /// Why there is nothing, or 0.
        errno: i32,
        /// How long the value is.
        len: u32,
    },
}

impl<'a> Packet<'a> {
    /// Reads a packet; `None` if it is none.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        match *kind {
            PIECE => Some(Self::Piece(rest)),
            END => {
                let (errno, rest) = rest.split_first_chunk()?;
                let (len, _) = rest.split_first_chunk()?;
                let errno = i32::from_ne_bytes(*errno);
                Some(Self::End { errno, len: u32::from_ne_bytes(*len) })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What libnl sends, seen by strace.
    fn libnl() -> [u8; HEAD_LEN] {
        let mut head = [0; HEAD_LEN];
        head[0] = 32;
        head[4..6].copy_from_slice(&GENL_ID_CTRL.to_ne_bytes());
        head[8..12].copy_from_slice(&[1, 2, 3, 4]);
        head[16..32].copy_from_slice(b"\x03\x01\0\0\x09\0\x02\0IPVS\0\0\0\0");
        head
    }

    #[test]
    fn the_question_for_ipvs_is_known_from_all_others() {
        assert!(asks_for_ipvs(&libnl()));
        for (at, byte) in [(4, 0x11), (16, 4), (22, 1), (24, b'X'), (27, 0), (28, b'6'), (20, 8)] {
            let mut other = libnl();
            other[at] = byte;
            // A name of four bytes may end without a zero.
            assert_eq!(asks_for_ipvs(&other), (at, byte) == (20, 8), "byte {at} is {byte}");
        }
        for len in 0..28 {
            assert!(!asks_for_ipvs(&libnl()[..len]), "{len} bytes");
        }
    }

    #[test]
    fn the_question_about_nothing_keeps_the_number_of_the_message() {
        let nothing = asks_for_nothing(&libnl());
        assert_eq!(nothing[..4], 28_u32.to_ne_bytes());
        assert_eq!(nothing[4..20], libnl()[4..20]);
        assert!(!asks_for_ipvs(&nothing));
    }

    #[test]
    fn requests_are_cut_and_packets_checked() {
        let request = Request::new(Kind::File, &[b"ip_vs", &[7; 500]]);
        assert_eq!(request.bytes().len(), REQUEST_LEN_MAX);
        assert_eq!(request.bytes()[16..22], *b"ip_vs\x07");
        assert_eq!(Packet::parse(&[PIECE, 5, 6]), Some(Packet::Piece(&[5, 6])));
        let mut end = vec![END];
        end.extend(2_i32.to_ne_bytes());
        assert_eq!(Packet::parse(&end), None);
        end.extend(9_u32.to_ne_bytes());
        assert_eq!(Packet::parse(&end), Some(Packet::End { errno: 2, len: 9 }));
        assert_eq!(Packet::parse(&[]), None);
        assert_eq!(Packet::parse(&[9, 9]), None);
    }
}
