//! Marks: the rules that give them, and the services that have them.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use ipnet::Ipv4Net;

use crate::config::Protocol;
use crate::diag::Diags;
use crate::mark::{Mark, MarkRule};
use crate::raw::{RawConfig, RawMark, RawService};
use crate::read::{List, Text};
use crate::rule::Rule;
use crate::span::{At, Span};
use crate::suggest::listed;
use crate::value;

use super::port::Ports;
use super::service::{self, ServiceDraft};

/// A rule of which some values may have been wrong.
#[derive(Debug)]
pub(super) struct MarkDraft {
    mark: Option<At<Mark>>,
    protocol: Option<Option<Protocol>>,
    pub(super) destination: Option<At<Ipv4Net>>,
    destination_ports: Option<Vec<RangeInclusive<u16>>>,
    source: Option<Ipv4Net>,
    source_ports: Option<Vec<RangeInclusive<u16>>>,
    port: Option<Option<usize>>,
}

impl MarkDraft {
    /// The checked rule, if all of it was right.
    pub(super) fn finish(self) -> Option<MarkRule> {
        Some(MarkRule {
            mark: self.mark?.value,
            protocol: self.protocol?,
            source: self.source?,
            destination: self.destination?.value,
            source_ports: self.source_ports?,
            destination_ports: self.destination_ports?,
            port: self.port?,
        })
    }

    /// The address that the director answers for, if it is a single one.
    pub(super) fn vip(&self) -> Option<At<Ipv4Addr>> {
        let At { value, span } = self.destination?;
        (value.prefix_len() == 32).then(|| At::new(value.addr(), span))
    }
}

/// Checks each rule by itself.
pub(super) fn marks(raw: &RawConfig<'_>, ports: &Ports<'_>, diags: &mut Diags) -> Vec<MarkDraft> {
    let rules = raw.marks.as_ref().map_or(&[][..], |list| &list.items);
    rules.iter().map(|rule| draft(rule, ports, diags)).collect()
}

fn draft(raw: &RawMark<'_>, ports: &Ports<'_>, diags: &mut Diags) -> MarkDraft {
    let protocol = |text| service::protocol(text, diags).map(|word| Some(word.value));
    let protocol = raw.protocol.as_ref().map_or(Some(None), protocol);
    let source = match &raw.source {
        Some(text) => value::network(text, diags).map(|network| network.value),
        None => Some(Ipv4Net::default()),
    };
    MarkDraft {
        mark: raw.mark.as_ref().and_then(|text| mark(text, diags)),
        protocol,
        destination: raw.destination.as_ref().and_then(|text| destination(text, diags)),
        destination_ports: port_ranges(raw.destination_ports.as_ref(), diags),
        source,
        source_ports: port_ranges(raw.source_ports.as_ref(), diags),
        port: received_at(raw.port.as_ref(), ports, diags),
    }
}

/// A mark of a rule or a service.
pub(super) fn mark(text: &Text<'_>, diags: &mut Diags) -> Option<At<Mark>> {
    let At { value, span } = value::number(text, 1..=u32::MAX, diags)?;
    Some(At::new(Mark::new(value)?, span))
}

/// A prefix, or an address that a host can have.
fn destination(text: &Text<'_>, diags: &mut Diags) -> Option<At<Ipv4Net>> {
    if !text.text.contains('/') {
        let At { value, span } = value::host(text, diags)?;
        return Some(At::new(value.into(), span));
    }
    value::network(text, diags)
}

/// The ports of a list, none if there is no list.
fn port_ranges(
    list: Option<&List<Text<'_>>>,
    diags: &mut Diags,
) -> Option<Vec<RangeInclusive<u16>>> {
    let Some(list) = list else { return Some(Vec::new()) };
    if list.written == 0 {
        let message = "no port in the list: no packet would fit";
        diags.error(Rule::OutOfRange, list.span, message, "remove the key for any port");
        return None;
    }
    let ranges: Vec<_> = list.items.iter().map(|text| port_range(text, diags)).collect();
    (list.items.len() == list.written).then(|| ranges.into_iter().collect()).flatten()
}

fn port_range(text: &Text<'_>, diags: &mut Diags) -> Option<RangeInclusive<u16>> {
    let mut l4_port = |part| {
        let part = Text { text: part, quoted: false, ..*text };
        u16::try_from(value::number(&part, 1..=65_535, diags)?.value).ok()
    };
    let Some((first, last)) = text.text.split_once('-').filter(|(first, _)| !first.is_empty())
    else {
        return l4_port(text.text).map(|only| only..=only);
    };
    let (first, last) = (l4_port(first.trim())?, l4_port(last.trim())?);
    if last < first {
        let message = format!("the range `{}` ends before it begins", text.text);
        diags.error(Rule::BadValue, text.span, message, format!("write `{last}-{first}`"));
        return None;
    }
    Some(first..=last)
}

/// The index of the port by name; `Some(None)` where none is named.
fn received_at(
    text: Option<&Text<'_>>,
    ports: &Ports<'_>,
    diags: &mut Diags,
) -> Option<Option<usize>> {
    let Some(text) = text else { return Some(None) };
    let found = ports.list.iter().position(|port| port.name == text.text);
    if found.is_none() {
        let names: Vec<_> = ports.list.iter().map(|port| port.name).collect();
        let message = format!("there is no port `{}`", text.text);
        diags.error(Rule::BadValue, text.span, message, format!("known are {}", listed(&names)));
    }
    found.map(Some)
}

/// A service has a mark or an address, not both.
pub(super) fn of_service(raw: &RawService<'_>, diags: &mut Diags) -> Option<At<Mark>> {
    let mark = mark(raw.mark.as_ref()?, diags)?;
    for text in [&raw.vip, &raw.protocol].into_iter().flatten() {
        let message = format!("a service with a mark has no `{}`", text.key);
        let help = "the rules in `marks` say which packets are for it; remove one of the two";
        diags.error(Rule::Marks, text.span, message, help).see(mark.span, "the mark");
    }
    Some(mark)
}

/// Every mark is had by one service.
pub(super) fn check_between(services: &[ServiceDraft<'_>], diags: &mut Diags) {
    let mut owners: HashMap<Mark, Span> = HashMap::new();
    for At { value, span } in services.iter().filter_map(|service| service.mark) {
        if let Some(first) = owners.get(&value) {
            let message = format!("a second service with mark {value}");
            let help = "give one of the two another mark, or merge them";
            diags.error(Rule::ServiceOverlap, span, message, help).see(*first, "first here");
        } else {
            owners.insert(value, span);
        }
    }
}
