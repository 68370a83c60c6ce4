//! [`Script`]: recorded steps and answers, in the notation of docs/IPVS-COMPATIBILITY.md.

use std::net::{Ipv4Addr, SocketAddrV4};

use dataplane::wire::TcpFlags;

/// A real server, by its letter from `a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(pub(super) char);

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It went to this real server.
    Real(Name),
    /// It went to the client, from the VIP.
    Client,
    /// It went on as it was.
    Routed,
    /// It was answered by an ICMP port unreachable.
    Unreachable,
    /// It was answered by a RST.
    Reset,
    /// Nothing came out.
    Nothing,
}

impl Fate {
    fn of(letter: char) -> Self {
        match letter {
            '<' => Self::Client,
            '=' => Self::Routed,
            '-' => Self::Unreachable,
            '!' => Self::Reset,
            '.' => Self::Nothing,
            'a'..='z' => Self::Real(Name(letter)),
            _ => panic!("{letter:?} is no fate"),
        }
    }
}

/// A real server's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) weight: u32,
    pub(super) upper: u32,
    pub(super) lower: u32,
}

/// One step, with what IPVS answered.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// The SYN of the next client.
    Open(Fate),
    /// A segment of a client's connection; `None` is the usual fate.
    Segment {
        client: u32,
        from_client: bool,
        flags: TcpFlags,
        fate: Option<Fate>,
    },
    Add(Name, Settings),
    Edit(Name, Settings),
    Delete(Name),
    /// Time passes, in seconds.
    Pass(u32),
    /// Active and inactive connections of all real servers.
    Count(Vec<(Name, (u64, u64))>),
}

/// One service's script.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) number: u32,
    /// As in a configuration, flags after commas.
    pub(super) scheduler: String,
    /// The steps, each with its notation.
    pub(super) steps: Vec<(String, Step)>,
}

impl Script {
    /// The address of a client, so that they spread over the buckets of schedulers that hash.
    pub(super) fn client(&self, number: u32) -> SocketAddrV4 {
        let n = u64::from(self.number * 512 + number);
        let low = |value: u64| u16::try_from(value).unwrap();
        let [high, low_byte] = low(n * 40_503 % 65_536).to_be_bytes();
        SocketAddrV4::new(Ipv4Addr::new(198, 18, high, low_byte), 1024 + low(n * 7919 % 64_000))
    }

    /// The address of a real server.
    pub(super) fn real(&self, name: Name) -> SocketAddrV4 {
        let n = u32::from(name.0) - u32::from('a') + 1;
        let byte = |value: u32| u8::try_from(value).unwrap();
        let address = Ipv4Addr::new(10, byte(self.number), byte(n * 37 % 256), byte(n));
        SocketAddrV4::new(address, 8000 + u16::from(byte(n)))
    }
}

/// The scripts of a file.
pub(super) fn parse(text: &str) -> Vec<Script> {
    let mut scripts: Vec<Script> = Vec::new();
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("# ") {
            let (number, scheduler) = head.split_once(' ').unwrap();
            let (number, scheduler) = (number.parse().unwrap(), scheduler.replace(' ', ","));
            scripts.push(Script { number, scheduler, steps: Vec::new() });
            continue;
        }
        let steps = &mut scripts.last_mut().expect("a script begins with its head").steps;
        steps.extend(line.split_whitespace().flat_map(word));
    }
    scripts
}

/// The steps of a word: one, or one for each client of `>...`.
fn word(text: &str) -> Vec<(String, Step)> {
    let mut letters = text.chars();
    let first = letters.next().unwrap();
    let rest = letters.as_str();
    let step = match first {
        '>' => return rest.chars().map(|c| (format!(">{c}"), Step::Open(Fate::of(c)))).collect(),
        '+' => settings(rest, Step::Add),
        '=' => settings(rest, Step::Edit),
        '-' => Step::Delete(name(rest)),
        '~' => Step::Pass(rest.parse().unwrap()),
        '[' => Step::Count(rest.trim_end_matches(']').split(',').map(count).collect()),
        _ => segment(text),
    };
    vec![(text.to_owned(), step)]
}

fn name(text: &str) -> Name {
    Name(text.chars().next().unwrap())
}

fn settings(text: &str, step: fn(Name, Settings) -> Step) -> Step {
    let mut numbers = text[1..].split('/').map(|number| number.parse().unwrap());
    let weight = numbers.next().unwrap();
    let (upper, lower) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    step(name(text), Settings { weight, upper, lower })
}

fn count(text: &str) -> (Name, (u64, u64)) {
    let (active, inactive) = text[1..].split_once('/').unwrap();
    (name(text), (active.parse().unwrap(), inactive.parse().unwrap()))
}

fn segment(text: &str) -> Step {
    let (what, fate) = match text.split_once('>') {
        Some((what, fate)) => (what, fate.chars().next().map(Fate::of)),
        None => (text, None),
    };
    let (client, letter) = what.split_at(what.len() - 1);
    let with_ack = |flag: TcpFlags| TcpFlags(flag.0 | TcpFlags::ACK.0);
    let flags = match letter {
        "s" => TcpFlags::SYN,
        "S" => with_ack(TcpFlags::SYN),
        "a" | "A" => TcpFlags::ACK,
        "f" | "F" => with_ack(TcpFlags::FIN),
        "r" | "R" => TcpFlags::RST,
        _ => panic!("{text:?} is no step"),
    };
    let from_client = letter.chars().all(char::is_lowercase);
    Step::Segment { client: client.parse().unwrap(), from_client, flags, fate }
}
