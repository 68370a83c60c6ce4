//! What is said on an FTP control connection, as far as it names data connections.
//!
//! Clients say `PASV`, `EPSV`, `PORT` or `EPRT`; servers answer the first two with 227 and 229
//! (RFC 959 sections 4.1.2 and 4.2, RFC 2428). Both are read line by line, without regard to case,
//! within one segment: a line that goes on in the next one is not put together. Whatever else is
//! said, text or binary, is nothing.

use std::net::Ipv4Addr;
use std::ops::Range;

/// Longest text that [`Text`] holds: `|1|255.255.255.255|65535|`.
const TEXT_LEN_MAX: usize = 25;

/// How an address and port are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `h1,h2,h3,h4,p1,p2` (RFC 959).
    Numbers,
    /// `|1|h1.h2.h3.h4|port|`, where any character may stand for the bar (RFC 2428).
    Extended(u8),
}

/// An address and port that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The address.
    pub address: Ipv4Addr,
    /// The port.
    pub l4_port: u16,
    /// Where it stands in the payload.
    pub place: Range<usize>,
    /// How it is written.
    pub form: Form,
}

/// What a client's segment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Nothing of interest.
    Other,
    /// `PASV`: the server shall wait for a data connection and name its address and port.
    Passive,
    /// `EPSV`: the same, without the address.
    ExtendedPassive,
    /// `PORT` or `EPRT`: the client waits for a data connection there.
    Active(Named),
    /// One of these commands that goes on in another segment.
    Split,
    /// One of these commands with a parameter that cannot be understood.
    Garbled,
}

/// What a server's segment says in answer to `PASV` or `EPSV`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing of interest.
    Other,
    /// 227: it waits for a data connection there.
    Passive(Named),
    /// 229: it waits at this port; the line begins at this place.
    Extended {
        /// The port.
        l4_port: u16,
        /// Where the line begins in the payload.
        at: usize,
    },
    /// One of these answers that goes on in another segment.
    Split,
    /// One of these answers whose numbers cannot be understood.
    Garbled,
}

/// What the first line of interest in a client's `payload` says.
#[must_use]
pub fn command(payload: &[u8]) -> Command {
    let found = lines(payload).map(|line| command_line(payload, line));
    found.into_iter().find(|said| *said != Command::Other).unwrap_or(Command::Other)
}

/// What the first line of interest in a server's `payload` says.
#[must_use]
pub fn answer(payload: &[u8]) -> Answer {
    let found = lines(payload).map(|line| answer_line(payload, line));
    found.into_iter().find(|said| *said != Answer::Other).unwrap_or(Answer::Other)
}

/// A line without its end, by its place in the payload.
#[derive(Clone)]
struct Line {
    place: Range<usize>,
    /// Whether its end was there.
    is_whole: bool,
}

fn lines(payload: &[u8]) -> impl Iterator<Item = Line> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = payload.get(at..).filter(|rest| !rest.is_empty())?;
        let len = rest.iter().position(|byte| *byte == b'\n');
        let end = at + len.unwrap_or(rest.len());
        let without_cr = if end > at && payload[end - 1] == b'\r' { end - 1 } else { end };
        let line = Line { place: at..without_cr, is_whole: len.is_some() };
        at = end + 1;
        Some(line)
    })
}

fn command_line(payload: &[u8], line: Line) -> Command {
    let text = &payload[line.place.clone()];
    let names = [&b"PASV"[..], b"EPSV", b"PORT", b"EPRT"];
    let Some((name, parameter)) = text.split_at_checked(4) else {
        let begins = |name: &[u8]| name[..text.len()].eq_ignore_ascii_case(text);
        let cut = !line.is_whole && !text.is_empty() && names.into_iter().any(begins);
        return if cut { Command::Split } else { Command::Other };
    };
    let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
    if !names.into_iter().any(is) || parameter.first().is_some_and(|byte| *byte != b' ') {
        return Command::Other;
    }
    if !line.is_whole {
        return Command::Split;
    }
    let blanks = parameter.iter().take_while(|byte| **byte == b' ').count();
    let place = line.place.start + 4 + blanks..line.place.end;
    let parameter = parameter[blanks..].trim_ascii_end();
    if is(b"PASV") {
        return Command::Passive;
    }
    if is(b"EPSV") {
        // EPSV 2 asks for IPv6, and EPSV ALL only promises.
        let v4 = parameter.is_empty() || parameter == b"1";
        return if v4 { Command::ExtendedPassive } else { Command::Other };
    }
    let named = if is(b"PORT") { numbers(parameter, place) } else { extended(parameter, place) };
    named.map_or(Command::Garbled, Command::Active)
}

fn answer_line(payload: &[u8], line: Line) -> Answer {
    let text = &payload[line.place.clone()];
    let (passive, extended) = (text.starts_with(b"227 "), text.starts_with(b"229 "));
    if !passive && !extended {
        let cut = !line.is_whole && !text.is_empty() && b"227 ".starts_with(text);
        let cut = cut || !line.is_whole && text == b"229";
        return if cut { Answer::Split } else { Answer::Other };
    }
    if !line.is_whole {
        return Answer::Split;
    }
    let bracket = text.iter().position(|byte| *byte == b'(');
    if extended {
        let port = bracket.and_then(|at| port_alone(&text[at + 1..]));
        let at = line.place.start;
        return port.map_or(Answer::Garbled, |l4_port| Answer::Extended { l4_port, at });
    }
    // RFC 1123 section 4.1.2.6: the brackets may be missing, so look for the first digit.
    let from = bracket.map_or(4, |at| at + 1);
    let digit = text[from..].iter().position(u8::is_ascii_digit);
    let named = digit.and_then(|digit| {
        let from = from + digit;
        let is_ours = |byte: &u8| byte.is_ascii_digit() || *byte == b',';
        let len = text[from..].iter().take_while(|byte| is_ours(byte)).count();
        let place = line.place.start + from..line.place.start + from + len;
        numbers(&text[from..from + len], place)
    });
    named.map_or(Answer::Garbled, Answer::Passive)
}

/// `h1,h2,h3,h4,p1,p2`.
fn numbers(text: &[u8], place: Range<usize>) -> Option<Named> {
    let mut bytes = [0; 6];
    let mut parts = text.split(|byte| *byte == b',');
    for byte in &mut bytes {
        *byte = u8::try_from(number(parts.next()?, 3)?).ok()?;
    }
    let [a, b, c, d, high, low] = bytes;
    let place = place.start..place.start + text.len();
    let (address, l4_port) = (Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low]));
    parts.next().is_none().then_some(Named { address, l4_port, place, form: Form::Numbers })
}

/// `|1|h1.h2.h3.h4|port|`.
fn extended(text: &[u8], place: Range<usize>) -> Option<Named> {
    let bar = *text.first().filter(|bar| bar.is_ascii_graphic() && !bar.is_ascii_alphanumeric())?;
    let mut parts = text[1..].split(|byte| *byte == bar);
    let family = parts.next()?;
    let mut octets = [0; 4];
    // A dot as bar would cut the address in pieces, which is not worth understanding.
    let mut written = parts.next()?.split(|byte| *byte == b'.');
    for octet in &mut octets {
        *octet = u8::try_from(number(written.next()?, 3)?).ok()?;
    }
    let l4_port = u16::try_from(number(parts.next()?, 5)?).ok()?;
    let ends = written.next().is_none() && parts.next()?.is_empty() && parts.next().is_none();
    let place = place.start..place.start + text.len();
    let form = Form::Extended(bar);
    (family == b"1" && ends).then_some(Named { address: octets.into(), l4_port, place, form })
}

/// `|||port|)`.
fn port_alone(text: &[u8]) -> Option<u16> {
    let bar = *text.first().filter(|bar| !bar.is_ascii_digit())?;
    let mut parts = text.strip_prefix(&[bar; 3])?.split(|byte| *byte == bar);
    let l4_port = u16::try_from(number(parts.next()?, 5)?).ok()?;
    parts.next()?.starts_with(b")").then_some(l4_port)
}

/// A decimal number of 1 to `digits_max` digits (at most 9).
fn number(text: &[u8], digits_max: usize) -> Option<u32> {
    let fits = (1..=digits_max).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    fits.then(|| text.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
}

/// An address and port as text, without allocation.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    bytes: [u8; TEXT_LEN_MAX],
    len: usize,
}

impl Text {
    /// Writes an address and port.
    #[must_use]
    pub fn new(form: Form, address: Ipv4Addr, l4_port: u16) -> Self {
        let mut text = Self { bytes: [0; TEXT_LEN_MAX], len: 0 };
        match form {
            Form::Numbers => {
                text.numbers(&address.octets(), b',');
                text.byte(b',');
                text.numbers(&l4_port.to_be_bytes(), b',');
            }
            Form::Extended(bar) => {
                [bar, b'1', bar].into_iter().for_each(|byte| text.byte(byte));
                text.numbers(&address.octets(), b'.');
                text.byte(bar);
                text.number(l4_port);
                text.byte(bar);
            }
        }
        text
    }

    /// The text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn numbers(&mut self, numbers: &[u8], between: u8) {
        for (place, number) in numbers.iter().enumerate() {
            if place > 0 {
                self.byte(between);
            }
            self.number(u16::from(*number));
        }
    }

    /// Writes a number in decimal, without leading zeros.
    fn number(&mut self, number: u16) {
        let mut unit = 10_000;
        while unit > 1 && unit > number {
            unit /= 10;
        }
        while unit > 0 {
            let digit = number / unit % 10;
            self.byte(b'0' + digit.to_le_bytes()[0]);
            unit /= 10;
        }
    }

    fn byte(&mut self, byte: u8) {
        // The longest text fits, so there is room.
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }
}

#[cfg(test)]
mod tests;
