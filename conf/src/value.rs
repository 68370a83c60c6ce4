//! Single values: numbers, words, sizes, durations and addresses, each with its range.
//!
//! Every function gives the value with its place, or reports what is wrong and what to write and
//! gives `None`.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::ops::RangeInclusive;

use ipnet::Ipv4Net;

use crate::diag::Diags;
use crate::read::Text;
use crate::rule::Rule;
use crate::span::At;
use crate::suggest::{listed, nearest};

/// A whole number within `range`.
pub(crate) fn number(
    text: &Text<'_>,
    range: RangeInclusive<u32>,
    diags: &mut Diags,
) -> Option<At<u32>> {
    let key = text.key;
    let (low, high) = (range.start(), range.end());
    let plain = text.text.trim();
    let digits = plain.replace('_', "");
    let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // A leading zero means octal to some readers and nothing to others.
    let plain_form = digits == plain && (digits == "0" || !digits.starts_with('0'));
    if !whole || !plain_form || text.quoted {
        let (what, help) = match digits.trim_start_matches('0') {
            _ if !whole && plain.starts_with('-') && is_number(plain) => {
                return out_of_range(text, &format!("from {low} to {high}"), diags);
            }
            "" if whole && *low == 0 => ("not a plain number", format!("write `{key}: 0`")),
            bare if whole => {
                if !bare.parse().is_ok_and(|bare| range.contains(&bare)) {
                    return out_of_range(text, &format!("from {low} to {high}"), diags);
                }
                ("not a plain number", format!("write `{key}: {bare}`"))
            }
            _ => ("not a whole number", format!("write a number from {low} to {high}")),
        };
        let message = format!("`{key}` is {what}: `{}`", written(text));
        diags.error(Rule::BadValue, text.span, message, help);
        return None;
    }
    match digits.parse() {
        Ok(value) if range.contains(&value) => Some(At::new(value, text.span)),
        _ => out_of_range(text, &format!("from {low} to {high}"), diags),
    }
}

/// The text as it stands in the file, nearly: with quotes if it had any.
pub(crate) fn written(text: &Text<'_>) -> String {
    if text.quoted { format!("\"{}\"", text.text) } else { text.text.to_owned() }
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok()
}

fn out_of_range<T>(text: &Text<'_>, range: &str, diags: &mut Diags) -> Option<T> {
    let message = format!("`{}` is out of range: `{}`", text.key, text.text);
    diags.error(Rule::OutOfRange, text.span, message, format!("write a value {range}"));
    None
}

/// One of a few words.
pub(crate) fn word<T: Copy>(
    text: &Text<'_>,
    words: &[(&'static str, T)],
    diags: &mut Diags,
) -> Option<At<T>> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text.text) {
        return Some(At::new(*value, text.span));
    }
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let help = match nearest(text.text, &known) {
        Some(near) => format!("did you mean `{near}`? Known are {}", listed(&known)),
        None => format!("known are {}", listed(&known)),
    };
    let message = format!("unknown {} `{}`", text.key, text.text);
    diags.error(Rule::BadValue, text.span, message, help);
    None
}

/// A number with a unit: the number of the smallest unit, within `range`. `units` are suffixes
/// with their factors; `limits` says the range in the file's words.
fn with_unit(
    text: &Text<'_>,
    units: &[(char, u64)],
    range: RangeInclusive<u64>,
    limits: &str,
    diags: &mut Diags,
) -> Option<At<u32>> {
    let digits = text.text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let suffix = &text.text[digits.len()..];
    let unit = units.iter().find(|(unit, _)| suffix.len() == 1 && suffix.starts_with(*unit));
    let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let (true, Some((_, factor))) = (whole, unit) else {
        let (key, default) = (text.key, units[0].0);
        let names: Vec<String> = units.iter().map(|(unit, _)| unit.to_string()).collect();
        let names = names.join(", ");
        let bare = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(units[0].1));
        let help = if suffix.is_empty() && bare.is_some_and(|bare| range.contains(&bare)) {
            format!("add a unit (one of {names}), as in `{key}: {digits}{default}`")
        } else {
            format!("write a whole number and a unit (one of {names}) without a blank")
        };
        let message = format!("`{key}` is not a number with a unit: `{}`", text.text);
        diags.error(Rule::BadValue, text.span, message, help);
        return None;
    };
    let total = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(*factor));
    match total.filter(|total| range.contains(total)).map(u32::try_from) {
        Some(Ok(total)) => Some(At::new(total, text.span)),
        _ => out_of_range(text, limits, diags),
    }
}

/// An amount of memory, in MiB.
pub(crate) fn memory_mib(text: &Text<'_>, diags: &mut Diags) -> Option<At<u32>> {
    let units = [('M', 1), ('G', 1024)];
    with_unit(text, &units, 64..=1024 * 1024, "from 64M to 1024G", diags)
}

/// The longest duration, in seconds: 31 days.
pub(crate) const SECONDS_MAX: u32 = 31 * 86_400;

/// A duration, in seconds.
pub(crate) fn seconds(text: &Text<'_>, diags: &mut Diags) -> Option<At<u32>> {
    let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)];
    with_unit(text, &units, 1..=SECONDS_MAX.into(), "from 1s to 31d", diags)
}

/// A switch as sysctls and YAML have it: 0 or 1, `false` or `true`.
pub(crate) fn switch(text: &Text<'_>, diags: &mut Diags) -> Option<At<bool>> {
    let is_on = match text.text {
        "0" | "false" => false,
        "1" | "true" => true,
        _ => return not_a_switch(text, diags),
    };
    if text.quoted { not_a_switch(text, diags) } else { Some(At::new(is_on, text.span)) }
}

fn not_a_switch<T>(text: &Text<'_>, diags: &mut Diags) -> Option<T> {
    let message = format!("`{}` is neither 0 nor 1: `{}`", text.key, written(text));
    let help = format!("write `{0}: 0` or `{0}: 1` (or `false` or `true`)", text.key);
    diags.error(Rule::BadValue, text.span, message, help);
    None
}

/// A share in whole percent, within `range`.
pub(crate) fn percent(
    text: &Text<'_>,
    range: RangeInclusive<u32>,
    diags: &mut Diags,
) -> Option<At<u32>> {
    let (low, high) = (range.start(), range.end());
    let digits = text
        .text
        .strip_suffix('%')
        .filter(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
    let Some(digits) = digits else {
        let message = format!("`{}` is not a share in percent: `{}`", text.key, text.text);
        let help = format!("write a share from {low}% to {high}%, such as `{}: 10%`", text.key);
        diags.error(Rule::BadValue, text.span, message, help);
        return None;
    };
    match digits.parse() {
        Ok(share) if range.contains(&share) => Some(At::new(share, text.span)),
        _ => out_of_range(text, &format!("from {low}% to {high}%"), diags),
    }
}

/// An address that a host can have.
pub(crate) fn host(text: &Text<'_>, diags: &mut Diags) -> Option<At<Ipv4Addr>> {
    host_part(text, text.text, "10.0.0.11", diags)
}

/// Checks `part` of an endpoint as the address of a host or of this one.
fn end_part(text: &Text<'_>, part: &str, diags: &mut Diags) -> Option<At<Ipv4Addr>> {
    match part.parse::<Ipv4Addr>() {
        Ok(addr) if addr.is_loopback() => Some(At::new(addr, text.span)),
        _ => host_part(text, part, "10.0.0.11:80", diags),
    }
}

/// Checks `part` of a value as the address of a host; `example` shows the form of the whole value.
fn host_part(
    text: &Text<'_>,
    part: &str,
    example: &str,
    diags: &mut Diags,
) -> Option<At<Ipv4Addr>> {
    let addr = ipv4(text, part, example, diags)?;
    if let Some(kind) = not_a_host(addr) {
        let message = format!("`{}` cannot be {addr}, {kind}", text.key);
        let help = "use the unicast address of a host";
        diags.error(Rule::UnusableAddress, text.span, message, help);
        return None;
    }
    Some(At::new(addr, text.span))
}

/// Why an address cannot belong to a host, if it cannot.
pub(crate) fn not_a_host(addr: Ipv4Addr) -> Option<&'static str> {
    match addr.octets() {
        [0, ..] => Some("which means \"this network\""),
        [127, ..] => Some("a loopback address"),
        [224..=239, ..] => Some("a multicast address"),
        [255, 255, 255, 255] => Some("the broadcast address"),
        [240..=255, ..] => Some("a reserved address"),
        _ => None,
    }
}

/// Whether an address can belong to a host.
pub(crate) fn is_host(addr: Ipv4Addr) -> bool {
    not_a_host(addr).is_none()
}

/// Any IPv4 address.
pub(crate) fn ipv4(
    text: &Text<'_>,
    part: &str,
    example: &str,
    diags: &mut Diags,
) -> Option<Ipv4Addr> {
    if let Ok(addr) = part.parse() {
        return Some(addr);
    }
    if reads_as_ipv6(text.text) || reads_as_ipv6(part) {
        let message = format!("`{}` is an IPv6 address: `{}`", text.key, text.text);
        let help = format!("IPv6 is not supported yet; use an IPv4 address, such as `{example}`");
        diags.error(Rule::Ipv6, text.span, message, help);
        return None;
    }
    let message = format!("`{}` is not an IPv4 address: `{}`", text.key, text.text);
    let octets: Option<Vec<u16>> = part.split('.').map(|octet| octet.parse().ok()).collect();
    let help = match octets.as_deref() {
        Some(octets @ [_, _, _, _]) => match octets.iter().find(|octet| **octet > 255) {
            Some(octet) => format!("{octet} is more than 255"),
            None => format!(
                "write {}.{}.{}.{}, without leading zeros",
                octets[0], octets[1], octets[2], octets[3]
            ),
        },
        _ if part.contains(|c: char| c.is_ascii_alphabetic()) => {
            format!("names are not resolved; write the address, such as `{example}`")
        }
        _ => format!("write four numbers from 0 to 255, such as `{example}`"),
    };
    diags.error(Rule::BadValue, text.span, message, help);
    None
}

/// Whether a value is an IPv6 address, alone, with brackets, a port, a prefix length or as a range.
fn reads_as_ipv6(text: &str) -> bool {
    let text = text.split(['/', '%']).next().unwrap_or(text);
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let first = bare.split('-').next().unwrap_or(bare);
    first.parse::<Ipv6Addr>().is_ok() || text.parse::<SocketAddrV6>().is_ok()
}

/// The address of a host, this one included, and a transport port, which may be 0 for any. Without
/// `default_port` the port must be written.
pub(crate) fn endpoint(
    text: &Text<'_>,
    default_port: Option<u16>,
    diags: &mut Diags,
) -> Option<At<SocketAddrV4>> {
    let key = text.key;
    let Some((addr, l4_port)) = text.text.rsplit_once(':').filter(|_| !reads_as_ipv6(text.text))
    else {
        let addr = end_part(text, text.text, diags)?;
        let Some(l4_port) = default_port else {
            let message = format!("`{key}` has no port: `{}`", text.text);
            let help = format!("write `{key}: {}:80` (with the port of the service)", addr.value);
            diags.error(Rule::BadValue, text.span, message, help);
            return None;
        };
        return Some(At::new(SocketAddrV4::new(addr.value, l4_port), text.span));
    };
    let addr = end_part(text, addr, diags)?;
    let digits_only = l4_port.bytes().all(|byte| byte.is_ascii_digit());
    match l4_port.parse::<u16>() {
        Ok(l4_port) if digits_only => {
            Some(At::new(SocketAddrV4::new(addr.value, l4_port), text.span))
        }
        _ => {
            let message = format!("`{l4_port}` in `{key}` is not a port");
            let help = format!("write a port from 1 to 65535, such as `{}:80`", addr.value);
            let rule = if is_number(l4_port) { Rule::OutOfRange } else { Rule::BadValue };
            diags.error(rule, text.span, message, help);
            None
        }
    }
}

/// An address and a prefix length, with no rule yet about either beyond their form.
pub(crate) fn prefix(text: &Text<'_>, example: &str, diags: &mut Diags) -> Option<(Ipv4Addr, u8)> {
    let Some((addr, len)) = text.text.split_once('/') else {
        let addr = ipv4(text, text.text, example, diags)?;
        let message = format!("`{addr}` in `{}` has no prefix length", text.key);
        let help = format!("write the prefix length after a slash, such as `{addr}/24`");
        diags.error(Rule::BadValue, text.span, message, help);
        return None;
    };
    let addr = ipv4(text, addr, example, diags)?;
    match len.parse::<u8>() {
        Ok(length @ 0..=32) if !len.starts_with('+') => Some((addr, length)),
        _ => {
            let message = format!("`/{len}` in `{}` is not a prefix length", text.key);
            let help = format!("write a prefix length from 0 to 32, such as `{addr}/24`");
            diags.error(Rule::OutOfRange, text.span, message, help);
            None
        }
    }
}

/// The addresses of a host with prefix length: `10.0.0.2/24`.
pub(crate) fn host_prefix(text: &Text<'_>, diags: &mut Diags) -> Option<At<(Ipv4Addr, u8)>> {
    let (addr, len) = prefix(text, "10.0.0.2/24", diags)?;
    if let Some(kind) = not_a_host(addr) {
        let message = format!("`{}` cannot have {addr}, {kind}", text.key);
        let help = "use the director's own unicast address in this subnet";
        diags.error(Rule::UnusableAddress, text.span, message, help);
        return None;
    }
    if len == 0 {
        let message = format!("a subnet cannot be as large as /{len}");
        let help = format!("write the prefix length of the subnet, such as `{addr}/24`");
        diags.error(Rule::OutOfRange, text.span, message, help);
        return None;
    }
    Some(At::new((addr, len), text.span))
}

/// A single address or a range `FIRST-LAST`, as its first address and its length; at most
/// `len_max` long.
pub(crate) fn host_range(
    text: &Text<'_>,
    len_max: u32,
    diags: &mut Diags,
) -> Option<At<(Ipv4Addr, u32)>> {
    let example = "10.0.0.100-10.0.0.103";
    let Some((first, last)) = text.text.split_once('-') else {
        let addr = host_part(text, text.text, example, diags)?;
        return Some(At::new((addr.value, 1), text.span));
    };
    let first = host_part(text, first.trim(), example, diags)?.value;
    let last = host_part(text, last.trim(), example, diags)?.value;
    let (low, high) = (u32::from(first), u32::from(last));
    if high < low {
        let message = format!("the range `{}` ends before it begins", text.text);
        diags.error(Rule::BadValue, text.span, message, format!("write `{last}-{first}`"));
        return None;
    }
    if high - low >= len_max {
        let message = format!("the range `{}` has {} addresses", text.text, high - low + 1);
        let help = format!("a service can have at most {len_max} local addresses");
        diags.error(Rule::OutOfRange, text.span, message, help);
        return None;
    }
    Some(At::new((first, high - low + 1), text.span))
}

/// A prefix with host bits zero; an address alone is a prefix of 32 bits.
pub(crate) fn network(text: &Text<'_>, diags: &mut Diags) -> Option<At<Ipv4Net>> {
    let (addr, len) = prefix(text, "0.0.0.0/0", diags)?;
    let net = Ipv4Net::new(addr, len).ok()?;
    if net.trunc() != net {
        let key = text.key;
        let message = format!("{net} has bits set beyond its prefix length");
        let help =
            format!("write `{key}: {}`, or `{key}: {addr}/32` for this one host", net.trunc());
        diags.error(Rule::BadValue, text.span, message, help);
        return None;
    }
    Some(At::new(net, text.span))
}

/// `true` or `false`.
pub(crate) fn boolean(text: &Text<'_>, diags: &mut Diags) -> Option<bool> {
    let plain = Text { quoted: false, ..*text };
    word(&plain, &[("true", true), ("false", false)], diags).map(|word| word.value)
}
