//! Attributes of netlink messages: read with bounds checked, written in place.

use nix::errno::Errno;

/// Length of an attribute's head.
const HEAD_LEN: usize = 4;
/// Bits of the type that say how to read the value; they tell nothing that is not known.
const TYPE_BITS: u16 = 0x3fff;
/// One more than the greatest type of any attribute that is read.
const KINDS: usize = 17;

/// The next multiple of four.
const fn aligned(len: usize) -> usize {
    len.next_multiple_of(4)
}

/// The attributes of a message, by type; of several the last counts, as in the kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes<'a>([Option<&'a [u8]>; KINDS]);

impl<'a> Attributes<'a> {
    /// Reads attributes up to the first that is cut off. Unknown ones are passed over.
    pub(super) fn parse(mut bytes: &'a [u8]) -> Self {
        let mut found = [None; KINDS];
        while let Some((head, _)) = bytes.split_first_chunk::<HEAD_LEN>() {
            let [a, b, c, d] = *head;
            let len = usize::from(u16::from_ne_bytes([a, b]));
            let kind = usize::from(u16::from_ne_bytes([c, d]) & TYPE_BITS);
            let Some(value) = bytes.get(HEAD_LEN..len) else { break };
            if let Some(place) = found.get_mut(kind) {
                *place = Some(value);
            }
            bytes = bytes.get(aligned(len)..).unwrap_or_default();
        }
        Self(found)
    }

    /// The value as it is.
    pub(super) fn bytes(&self, kind: u16) -> Option<&'a [u8]> {
        self.0.get(usize::from(kind)).copied().flatten()
    }

    /// The attributes in an attribute.
    pub(super) fn nested(&self, kind: u16) -> Option<Self> {
        self.bytes(kind).map(Self::parse)
    }

    /// The first `N` bytes; ERANGE if there are fewer.
    fn array<const N: usize>(&self, kind: u16) -> Result<Option<[u8; N]>, Errno> {
        let Some(bytes) = self.bytes(kind) else { return Ok(None) };
        bytes.first_chunk().copied().map(Some).ok_or(Errno::ERANGE)
    }

    pub(super) fn u8(&self, kind: u16) -> Result<Option<u8>, Errno> {
        Ok(self.array(kind)?.map(u8::from_ne_bytes))
    }

    pub(super) fn u16(&self, kind: u16) -> Result<Option<u16>, Errno> {
        Ok(self.array(kind)?.map(u16::from_ne_bytes))
    }

    /// A number in the network's order, such as a port.
    pub(super) fn be16(&self, kind: u16) -> Result<Option<u16>, Errno> {
        Ok(self.array(kind)?.map(u16::from_be_bytes))
    }

    pub(super) fn u32(&self, kind: u16) -> Result<Option<u32>, Errno> {
        Ok(self.array(kind)?.map(u32::from_ne_bytes))
    }

    /// Up to `N` bytes, filled up with zeros; ERANGE if there are more.
    pub(super) fn padded<const N: usize>(&self, kind: u16) -> Result<Option<[u8; N]>, Errno> {
        let Some(bytes) = self.bytes(kind) else { return Ok(None) };
        let mut padded = [0; N];
        padded.get_mut(..bytes.len()).ok_or(Errno::ERANGE)?.copy_from_slice(bytes);
        Ok(Some(padded))
    }

    /// A text that ends with a zero, of at most `len_max` bytes before it: ERANGE if it is longer,
    /// EINVAL if there is no zero or it is not UTF-8.
    pub(super) fn text(&self, kind: u16, len_max: usize) -> Result<Option<&'a str>, Errno> {
        let Some(bytes) = self.bytes(kind) else { return Ok(None) };
        let Some(len) = bytes.iter().position(|&byte| byte == 0) else {
            return Err(Errno::EINVAL);
        };
        if len > len_max {
            return Err(Errno::ERANGE);
        }
        let text = bytes.get(..len).and_then(|text| std::str::from_utf8(text).ok());
        text.map(Some).ok_or(Errno::EINVAL)
    }
}

/// Writes attributes to the end of a message.
#[derive(Debug)]
pub(super) struct Writer<'a>(pub(super) &'a mut Vec<u8>);

impl Writer<'_> {
    /// An attribute with this value, which is shorter than 64 KiB.
    pub(super) fn put(&mut self, kind: u16, value: &[u8]) {
        let len = u16::try_from(HEAD_LEN + value.len()).unwrap_or(u16::MAX);
        self.0.extend(len.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(aligned(self.0.len()), 0);
    }

    pub(super) fn put_u8(&mut self, kind: u16, value: u8) {
        self.put(kind, &[value]);
    }

    pub(super) fn put_u16(&mut self, kind: u16, value: u16) {
        self.put(kind, &value.to_ne_bytes());
    }

    pub(super) fn put_be16(&mut self, kind: u16, value: u16) {
        self.put(kind, &value.to_be_bytes());
    }

    pub(super) fn put_u32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_ne_bytes());
    }

    pub(super) fn put_u64(&mut self, kind: u16, value: u64) {
        self.put(kind, &value.to_ne_bytes());
    }

    /// A text, with the zero that ends it.
    pub(super) fn put_text(&mut self, kind: u16, text: &str) {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        self.put(kind, &bytes);
    }

    /// An attribute with the attributes that `fill` writes.
    pub(super) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let begin = self.0.len();
        self.put(kind, &[]);
        fill(self);
        let len = u16::try_from(self.0.len() - begin).unwrap_or(u16::MAX);
        if let Some(place) = self.0.get_mut(begin..begin + 2) {
            place.copy_from_slice(&len.to_ne_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        let mut writer = Writer(&mut bytes);
        writer.nest(1, |inner| {
            inner.put_u8(2, 7);
            inner.put_be16(3, 80);
            inner.put_text(4, "wlc");
        });
        writer.put_u32(5, 0x0102_0304);
        assert_eq!(bytes.len(), 4 + 8 + 8 + 8 + 8);
        let read = Attributes::parse(&bytes);
        assert_eq!(read.u32(5), Ok(Some(0x0102_0304)));
        let inner = read.nested(1).unwrap();
        assert_eq!((inner.u8(2), inner.be16(3)), (Ok(Some(7)), Ok(Some(80))));
        assert_eq!(inner.text(4, 3), Ok(Some("wlc")));
        assert_eq!(inner.text(4, 2), Err(Errno::ERANGE));
        assert_eq!(inner.u32(3), Err(Errno::ERANGE));
        assert_eq!(inner.padded::<1>(3), Err(Errno::ERANGE));
        assert_eq!(inner.padded::<4>(3), Ok(Some([0, 80, 0, 0])));
        assert_eq!(inner.text(2, 9), Err(Errno::EINVAL));
        assert_eq!(inner.u32(9), Ok(None));
    }

    #[test]
    fn what_is_cut_off_is_not_read() {
        let mut bytes = Vec::new();
        Writer(&mut bytes).put_u32(1, 9);
        Writer(&mut bytes).put_u32(2, 9);
        let read = Attributes::parse(&bytes[..bytes.len() - 1]);
        assert_eq!((read.u32(1), read.u32(2)), (Ok(Some(9)), Ok(None)));
        // A length shorter than its own head ends it.
        assert_eq!(Attributes::parse(&[0, 0, 1, 0, 8, 0, 1, 0, 1, 1, 1, 1]).bytes(1), None);
    }
}
