//! Reads scripts in the notation of docs/IPVS-COMPATIBILITY.md.

use conf::ForwardingMode;
use dataplane::wire::TcpFlags;

use super::script::{Fate, Left, ListedTemplate, Name, Script, Sent, Settings, Step};

/// States by their letters.
const STATES: [(&str, &str); 12] = [
    ("NO", "NONE"),
    ("ES", "ESTABLISHED"),
    ("SS", "SYN_SENT"),
    ("SR", "SYN_RECV"),
    ("FW", "FIN_WAIT"),
    ("TW", "TIME_WAIT"),
    ("CL", "CLOSE"),
    ("CW", "CLOSE_WAIT"),
    ("LA", "LAST_ACK"),
    ("LI", "LISTEN"),
    ("SA", "SYNACK"),
    ("UD", "UDP"),
];

/// The scripts of a file.
pub(super) fn parse(text: &str) -> Vec<Script> {
    let mut scripts: Vec<Script> = Vec::new();
    for line in text.lines() {
        if let Some(line) = line.strip_prefix("# ") {
            scripts.push(head(line));
            continue;
        }
        let steps = &mut scripts.last_mut().expect("a script begins with its head").steps;
        steps.extend(line.split_whitespace().flat_map(word));
    }
    scripts
}

/// The line that a script begins with.
fn head(line: &str) -> Script {
    let mut words = line.split(' ');
    let mut script = Script {
        number: words.next().unwrap().parse().unwrap(),
        scheduler: words.next().unwrap().to_owned(),
        mode: ForwardingMode::Nat,
        is_udp: false,
        ops: false,
        is_marked: false,
        is_for_all_ports: false,
        persistence: None,
        steps: Vec::new(),
    };
    for word in words {
        match word {
            "nat" => script.mode = ForwardingMode::Nat,
            "dr" => script.mode = ForwardingMode::Dr,
            "tun" => script.mode = ForwardingMode::Tunnel,
            "udp" => script.is_udp = true,
            "ops" => script.ops = true,
            "mark" => script.is_marked = true,
            "any-port" => script.is_for_all_ports = true,
            "fallback" | "port" => script.scheduler = format!("{},{word}", script.scheduler),
            _ if word.starts_with("persistence=") => {
                let (seconds, mask) = word["persistence=".len()..].split_once('/').unwrap();
                script.persistence = Some((seconds.parse().unwrap(), mask.parse().unwrap()));
            }
            _ => panic!("{word:?} does not describe a service"),
        }
    }
    script
}

/// The steps of a word: one, or one for each client of `>...`.
fn word(text: &str) -> Vec<(String, Step)> {
    let mut letters = text.chars();
    let first = letters.next().unwrap();
    let rest = letters.as_str();
    let step = match first {
        '>' => return rest.chars().map(|c| (format!(">{c}"), Step::Open(fate(c)))).collect(),
        '+' => settings(rest, Step::Add),
        '=' => settings(rest, Step::Edit),
        '-' => Step::Delete(name(rest)),
        '*' => Step::Scheduler(rest.to_owned()),
        '!' if rest == "-" => Step::RemoveService,
        '!' => Step::ReturnService,
        '%' => {
            let (name, value) = rest.split_once('=').unwrap();
            Step::Set(name.to_owned(), value.to_owned())
        }
        '~' => Step::Pass(rest.parse().unwrap()),
        '[' => Step::Count(rest.trim_end_matches(']').split(',').map(count).collect()),
        '(' => {
            let templates = rest.trim_end_matches(')').split(',');
            Step::Templates(templates.filter(|text| !text.is_empty()).map(template).collect())
        }
        '{' => Step::Traffic(rest.trim_end_matches('}').split(',').map(traffic).collect()),
        _ => packet(text),
    };
    vec![(text.to_owned(), step)]
}

fn fate(letter: char) -> Fate {
    match letter {
        '<' => Fate::Client,
        '=' => Fate::Routed,
        '-' => Fate::Unreachable,
        '!' => Fate::Reset,
        '.' => Fate::Nothing,
        'a'..='z' => Fate::Real(Name(letter)),
        _ => panic!("{letter:?} is no fate"),
    }
}

fn name(text: &str) -> Name {
    Name(text.chars().next().unwrap())
}

fn settings(text: &str, step: fn(Name, Settings) -> Step) -> Step {
    let (numbers, is_forgotten) = match text[1..].strip_suffix('z') {
        Some(numbers) => (numbers, true),
        None => (&text[1..], false),
    };
    let mut numbers = numbers.split('/').map(|number| number.parse().unwrap());
    let weight = numbers.next().unwrap();
    let (upper, lower) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    step(name(text), Settings { weight, upper, lower, is_forgotten })
}

fn count(text: &str) -> (Name, (u64, u64)) {
    let (active, inactive) = text[1..].split_once('/').unwrap();
    (name(text), (active.parse().unwrap(), inactive.parse().unwrap()))
}

fn traffic(text: &str) -> (Option<Name>, [u64; 5]) {
    let real = text.starts_with(|c: char| c.is_ascii_lowercase()).then(|| name(text));
    let numbers = text.trim_start_matches(|c: char| c.is_ascii_lowercase());
    let numbers: Vec<_> = numbers.split('/').map(|number| number.parse().unwrap()).collect();
    (real, numbers.try_into().unwrap())
}

fn template(text: &str) -> ListedTemplate {
    let (host, rest) = text.split_at(text.find(char::is_alphabetic).unwrap());
    let (name, rest) = rest.split_at(1);
    let (letters, seconds) = rest.split_at(2);
    let state = if letters == "AS" { "ASSURED" } else { "NONE" };
    let left_s = (seconds != "*").then(|| seconds.parse().unwrap());
    (host.parse().unwrap(), self::name(name), state, left_s)
}

fn left(text: &str) -> Left {
    if text == "-" {
        return None;
    }
    let (state, seconds) = text.split_at(2);
    let (_, name) = STATES.into_iter().find(|(letters, _)| *letters == state).unwrap();
    Some((name, seconds.parse().unwrap()))
}

fn packet(text: &str) -> Step {
    let (what, then) = match text.split_once(':') {
        Some((what, then)) => (what, Some(left(then))),
        None => (text, None),
    };
    let (what, fate) = match what.split_once('>') {
        Some((what, letter)) => (what, letter.chars().next().map(fate)),
        None => (what, None),
    };
    let (client, letter) = what.split_at(what.len() - 1);
    let client = client.parse().unwrap();
    let with_ack = |flag: TcpFlags| Sent::Segment(TcpFlags(flag.0 | TcpFlags::ACK.0));
    let sent = match letter {
        "?" => return Step::Look(client, then.unwrap()),
        "s" | "Y" => Sent::Segment(TcpFlags::SYN),
        "S" | "y" => with_ack(TcpFlags::SYN),
        "a" | "A" => Sent::Segment(TcpFlags::ACK),
        "f" | "F" => with_ack(TcpFlags::FIN),
        "r" | "R" => Sent::Segment(TcpFlags::RST),
        "n" | "N" => Sent::Segment(TcpFlags(0)),
        "d" | "D" => Sent::Datagram,
        _ => panic!("{text:?} is no step"),
    };
    let from_client = letter.chars().all(char::is_lowercase);
    Step::Packet { client, from_client, sent, fate, then }
}
