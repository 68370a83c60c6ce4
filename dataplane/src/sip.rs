//! The Call-ID of a SIP message (RFC 3261 sections 20.8 and 25.1), which persistence engine `sip`
//! tells the calls of a client apart by.
//!
//! It is read as IPVS reads it: from the first line that begins with the header's name or its short
//! form, wherever that line stands. What does not follow the grammar has no Call-ID.

use crate::buf::PacketBuf;
use crate::parse::Transport;
use crate::wire::{IpProto, UdpHeader};

/// The longest Call-ID that counts, in bytes, as in IPVS.
pub const CALL_ID_LEN_MAX: usize = 255;

/// The header's name, and its short form. Names are the same in capitals.
const NAMES: [&[u8]; 2] = [b"call-id", b"i"];

/// The Call-ID in a UDP datagram, whole or its first fragment.
#[must_use]
pub fn call_id_of<'a, B: PacketBuf>(frame: &'a B, packet: &Transport) -> Option<&'a [u8]> {
    if packet.ip.protocol != IpProto::UDP {
        return None;
    }
    call_id(frame.bytes().get(packet.ip.l4_offset() + UdpHeader::LEN..)?)
}

/// The Call-ID in a message: `word [ "@" word ]`, up to [`CALL_ID_LEN_MAX`] bytes, and the end of
/// the line right behind it. The first line is the request or status, so it is never a header.
#[must_use]
pub fn call_id(message: &[u8]) -> Option<&[u8]> {
    let mut rest = message;
    while let Some(end) = rest.iter().position(|byte| is_line_end(*byte)) {
        rest = &rest[end + 1..];
        if let Some(value) = value_of(rest) {
            return call_id_at(value);
        }
    }
    None
}

/// What follows the colon and the space behind it, if a line begins with the header's name.
fn value_of(line: &[u8]) -> Option<&[u8]> {
    let after_name = NAMES.iter().find_map(|name| {
        let (start, rest) = line.split_at_checked(name.len())?;
        let rest = skip_blanks(rest);
        (start.eq_ignore_ascii_case(name) && rest.first() == Some(&b':')).then_some(rest)
    })?;
    Some(skip_folds(&after_name[1..]))
}

/// The Call-ID that the value of the header is.
fn call_id_at(value: &[u8]) -> Option<&[u8]> {
    let mut len = word_len(value);
    if len > 0 && value.get(len) == Some(&b'@') {
        let host = word_len(&value[len + 1..]);
        if host == 0 {
            return None;
        }
        len += 1 + host;
    }
    let ends_line = value.get(len).is_some_and(|byte| is_line_end(*byte));
    (ends_line && (1..=CALL_ID_LEN_MAX).contains(&len)).then(|| &value[..len])
}

/// Bytes at the start that are of a word. More than may be are not counted.
fn word_len(text: &[u8]) -> usize {
    text.iter().take(CALL_ID_LEN_MAX + 1).take_while(|byte| is_of_word(**byte)).count()
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~()<>:\\\"/[]?{}".contains(&byte)
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &text[blanks..]
}

/// Skips blanks, and one end of a line among them if the next line goes on with the header
/// (RFC 3261 section 7.3.1).
fn skip_folds(text: &[u8]) -> &[u8] {
    let text = skip_blanks(text);
    let ([b'\r', b'\n', next @ ..] | [b'\r' | b'\n', next @ ..]) = text else { return text };
    let folded = skip_blanks(next);
    if folded.len() < next.len() { folded } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: &str = "INVITE sip:bob@biloxi.example SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.2\r\n";

    fn read(headers: &str) -> Option<String> {
        let message = format!("{START}{headers}");
        call_id(message.as_bytes()).map(|found| String::from_utf8(found.to_vec()).unwrap())
    }

    #[test]
    fn every_spelling_of_the_header_is_read() {
        for header in [
            "Call-ID: abc-1@10.1.0.2\r\n",
            "call-id:abc-1@10.1.0.2\r\n\r\n",
            "CALL-ID \t: \tabc-1@10.1.0.2\n",
            "i: abc-1@10.1.0.2\r",
            "I:abc-1@10.1.0.2\r\nCall-ID: other\r\n",
            "Call-ID:\r\n abc-1@10.1.0.2\r\n",
            "Call-ID: \n\tabc-1@10.1.0.2\r\n",
            "Contact: <sip:x>\r\nX-Call-ID: no\r\nCall-ID-X: no\r\nid: no\r\ni: abc-1@10.1.0.2\r\n",
        ] {
            assert_eq!(read(header).as_deref(), Some("abc-1@10.1.0.2"), "{header:?}");
        }
        let all = "aZ09-.!%*_+`'~()<>:\\\"/[]?{}";
        assert_eq!(read(&format!("i: {all}@{all}\r\n")), Some(format!("{all}@{all}")));
    }

    #[test]
    fn what_is_none_is_not_taken_for_one() {
        for header in [
            "",
            "\r\n",
            "Call-ID",
            "Call-ID:",
            "Call-ID: \r\n",
            "Call-ID:\r\nabc: x\r\n",
            "Call-ID abc\r\n",
            " Call-ID: abc\r\n",
            "Call-ID: abc",
            "Call-ID: abc \r\n",
            "Call-ID: abc;x=y\r\n",
            "Call-ID: abc@\r\n",
            "Call-ID: @abc\r\n",
            "Call-ID: a@b@c\r\n",
            "Call-ID: ab\u{e9}\r\n",
            "Call-ID: a b\r\ni: other\r\n",
        ] {
            assert_eq!(read(header), None, "{header:?}");
        }
        assert_eq!(call_id(b"Call-ID: abc\r\n"), None, "the first line is no header");
        assert_eq!(call_id(b"\r\nCall-ID: abc\r\n"), Some(&b"abc"[..]), "an empty line before it");
    }

    #[test]
    fn the_longest_has_255_bytes() {
        let named = |user: usize, host: usize| format!("{}@{}", "u".repeat(user), "h".repeat(host));
        for (value, counts) in [
            ("x".repeat(255), true),
            ("x".repeat(256), false),
            ("x".repeat(2000), false),
            (named(200, 54), true),
            (named(200, 55), false),
            (named(1000, 1000), false),
        ] {
            let expected = counts.then(|| value.clone());
            assert_eq!(read(&format!("Call-ID: {value}\r\n")), expected, "{}", value.len());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_part_of_them_or_nothing(
            mut message in proptest::collection::vec(any::<u8>(), 0..400),
            place in 0usize..400,
            header in prop::sample::select(
                vec!["\r\ni:", "\nCALL-ID :\t", "\r\ni\r\n:", "\r\ni: a@"],
            ),
        ) {
            let place = place.min(message.len());
            message.splice(place..place, header.bytes());
            if let Some(found) = call_id(&message) {
                prop_assert!((1..=CALL_ID_LEN_MAX).contains(&found.len()));
                let end = found.as_ptr_range().end as usize - message.as_ptr() as usize;
                prop_assert!(is_line_end(message[end]));
            }
        }

        #[test]
        fn a_written_one_is_read(
            id in "[a-z0-9.!~]{1,100}(@[a-z0-9.]{1,100})?",
            fill in "[ -~]{0,80}",
        ) {
            let message = format!("OPTIONS\r\nX: {fill}\r\nCall-ID: {id}\r\nX: {fill}\r\n");
            prop_assert_eq!(call_id(message.as_bytes()), Some(id.as_bytes()));
        }
    }
}
