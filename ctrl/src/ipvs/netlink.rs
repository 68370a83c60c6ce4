//! Netlink messages: the parts of a datagram, and the frames of answers.

use nix::errno::Errno;

use super::attr::Writer;
use super::uapi::{FAMILY, FAMILY_NAME, FAMILY_VERSION, attr, ctrl, nl};

/// Length of the header that messages of generic families have behind netlink's.
const GENERIC_HEADER_LEN: usize = 4;

/// A message as it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    /// Sequence number and port, which answers repeat.
    from: [u8; 8],
    /// All of it, its header included.
    whole: &'a [u8],
    /// Whether all of it is there.
    pub(super) is_whole: bool,
}

impl<'a> Message<'a> {
    /// The first message of a datagram, and what is left; `None` if there is not even a header.
    pub(super) fn split(datagram: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let head = datagram.first_chunk::<{ nl::HEADER_LEN }>()?;
        let [l0, l1, l2, l3, k0, k1, f0, f1, from @ ..] = *head;
        let len = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
        let is_whole = (nl::HEADER_LEN..=datagram.len()).contains(&len);
        let whole = if is_whole { datagram.get(..len)? } else { datagram };
        let message = Self {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            from,
            whole,
            is_whole,
        };
        // Nobody knows where the next one begins if the length is wrong.
        let next = if is_whole { len.next_multiple_of(4) } else { datagram.len() };
        Some((message, datagram.get(next..).unwrap_or_default()))
    }

    pub(super) fn has(&self, flag: u16) -> bool {
        self.flags & flag == flag
    }

    /// What follows the header.
    pub(super) fn payload(&self) -> &'a [u8] {
        self.whole.get(nl::HEADER_LEN..).unwrap_or_default()
    }

    /// The command of a generic family and its attributes.
    pub(super) fn command(&self) -> Result<(u8, &'a [u8]), Errno> {
        let payload = self.payload();
        let attributes = payload.get(GENERIC_HEADER_LEN..).ok_or(Errno::EINVAL)?;
        payload.first().map(|command| (*command, attributes)).ok_or(Errno::EINVAL)
    }

    /// Appends a message to this one's sender: header, and the payload that `fill` writes.
    fn reply(&self, out: &mut Vec<u8>, kind: u16, flags: u16, fill: impl FnOnce(&mut Vec<u8>)) {
        let begin = out.len();
        out.extend(0_u32.to_ne_bytes());
        out.extend(kind.to_ne_bytes());
        out.extend(flags.to_ne_bytes());
        out.extend(self.from);
        fill(out);
        let len = u32::try_from(out.len() - begin).unwrap_or(u32::MAX);
        if let Some(place) = out.get_mut(begin..begin + 4) {
            place.copy_from_slice(&len.to_ne_bytes());
        }
        out.resize(out.len().next_multiple_of(4), 0);
    }

    /// A command of the family with the attributes that `fill` writes; one of many with `multi`.
    pub(super) fn answer(
        &self,
        out: &mut Vec<u8>,
        command: u8,
        multi: bool,
        fill: impl FnOnce(&mut Writer<'_>),
    ) {
        let flags = if multi { nl::F_MULTI } else { 0 };
        self.reply(out, FAMILY, flags, |out| {
            out.extend([command, FAMILY_VERSION, 0, 0]);
            fill(&mut Writer(out));
        });
    }

    /// What nlctrl says about the family.
    pub(super) fn family(&self, out: &mut Vec<u8>) {
        /// The version of nlctrl itself.
        const VERSION: u8 = 2;
        self.reply(out, ctrl::FAMILY, 0, |out| {
            out.extend([ctrl::NEW_FAMILY, VERSION, 0, 0]);
            let mut writer = Writer(out);
            writer.put_text(ctrl::A_FAMILY_NAME, FAMILY_NAME);
            writer.put_u16(ctrl::A_FAMILY_ID, FAMILY);
            writer.put_u32(ctrl::A_VERSION, FAMILY_VERSION.into());
            writer.put_u32(ctrl::A_HEADER_SIZE, 0);
            writer.put_u32(ctrl::A_MAX_ATTRIBUTE, attr::MAX);
        });
    }

    /// The end of many messages.
    pub(super) fn done(&self, out: &mut Vec<u8>) {
        self.reply(out, nl::DONE, nl::F_MULTI, |out| out.extend(0_i32.to_ne_bytes()));
    }

    /// How it went. An error repeats the request, a success its header alone.
    pub(super) fn acknowledge(&self, outcome: Result<(), Errno>) -> Vec<u8> {
        let (errno, flags, repeated) = match outcome {
            Ok(()) => (0, nl::F_CAPPED, self.whole.get(..nl::HEADER_LEN)),
            Err(errno) => (-(errno as i32), 0, Some(self.whole)),
        };
        let mut out = Vec::new();
        self.reply(&mut out, nl::ERROR, flags, |out| {
            out.extend(errno.to_ne_bytes());
            out.extend(repeated.unwrap_or_default());
        });
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(len: u32, kind: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = len.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(nl::F_REQUEST.to_ne_bytes());
        bytes.extend([1, 2, 3, 4, 5, 6, 7, 8]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn a_datagram_may_have_several_messages_and_an_end_that_is_none() {
        let mut datagram = message(21, 40, &[9, 0, 0, 0, 1, 0, 0, 0]);
        datagram.extend(message(16, 41, &[]));
        datagram.extend([7; 15]);
        let (first, rest) = Message::split(&datagram).unwrap();
        assert_eq!((first.kind, first.payload().len(), first.is_whole), (40, 5, true));
        assert_eq!(first.command(), Ok((9, &[1][..])));
        let (second, rest) = Message::split(rest).unwrap();
        assert_eq!((second.kind, second.command()), (41, Err(Errno::EINVAL)));
        assert!(Message::split(rest).is_none());
    }

    #[test]
    fn a_wrong_length_takes_the_rest_with_it() {
        for len in [0, 15, 25, u32::MAX] {
            let datagram = message(len, 40, &[0; 8]);
            let (found, rest) = Message::split(&datagram).unwrap();
            assert!(!found.is_whole && rest.is_empty(), "{len}");
        }
    }

    #[test]
    fn answers_have_the_number_of_the_question() {
        let datagram = message(20, 40, &[9, 0, 0, 0]);
        let (question, _) = Message::split(&datagram).unwrap();
        let refused = question.acknowledge(Err(Errno::ENOENT));
        let mut expected = message(40, nl::ERROR, &(-2_i32).to_ne_bytes());
        expected[6..8].fill(0);
        expected.extend(&datagram);
        assert_eq!(refused, expected);
        let done = question.acknowledge(Ok(()));
        assert_eq!((done.len(), &done[6..8]), (36, &nl::F_CAPPED.to_ne_bytes()[..]));
    }
}
