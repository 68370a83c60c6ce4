//! The settings that stand alone: version, memory, workers, limits, timeouts.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use crate::config::{Dpdk, Limits, Machine, Timeouts};
use crate::diag::Diags;
use crate::raw::{RawConfig, RawDpdk, RawLimits, RawTimeouts};
use crate::read::Text;
use crate::rule::Rule;
use crate::span::Span;
use crate::value;

/// Highest CPU number that can be a worker.
const LCORE_MAX: u32 = 1023;

/// Most that `limits.real_servers` can be.
pub(super) const REAL_SERVERS_MAX: u32 = 10_000_000;

/// The version must be 1.
pub(super) fn version(raw: &RawConfig<'_>, diags: &mut Diags) {
    let Some(text) = &raw.version else { return };
    if text.text != "1" || text.quoted {
        let message = format!("`version` is not 1: `{}`", value::written(text));
        diags.error(Rule::BadValue, text.span, message, "write `version: 1`");
    }
}

/// Memory and EAL arguments.
pub(super) fn dpdk(raw: Option<&RawDpdk<'_>>, diags: &mut Diags) -> Option<Dpdk> {
    let default = Dpdk::default();
    let Some(raw) = raw else { return Some(default) };
    let memory_mib = match &raw.memory {
        Some(text) => value::memory_mib(text, diags).map(|memory| memory.value),
        None => Some(default.memory_mib),
    };
    let args = raw.eal_args.as_ref().map_or(&[][..], |list| &list.items);
    for arg in args {
        if arg.text.is_empty() || arg.text.contains('\0') {
            let message = "an EAL argument cannot be empty or contain a zero byte";
            diags.error(Rule::BadValue, arg.span, message, "remove it");
        }
    }
    let eal_args = args.iter().map(|arg| arg.text.to_owned()).collect();
    Some(Dpdk { memory_mib: memory_mib?, eal_args })
}

/// The lcores that forward: at least one, none twice, all of them real.
pub(super) fn workers(
    raw: &RawConfig<'_>,
    machine: &Machine,
    diags: &mut Diags,
) -> Option<Vec<u32>> {
    let list = raw.workers.as_ref()?;
    if list.written == 0 {
        let message = "no worker: at least one lcore must forward packets";
        diags.error(Rule::OutOfRange, list.span, message, "write `workers: [1]`");
        return None;
    }
    let mut workers = Vec::new();
    let mut seen: HashMap<u32, Span> = HashMap::new();
    for item in &list.items {
        let Some(range) = lcore_range(item, diags) else { continue };
        check_cpus(item, range.clone(), machine, diags);
        for lcore in range {
            if let Some(first) = seen.insert(lcore, item.span) {
                let message = format!("worker {lcore} stands twice");
                let help = "name each lcore once";
                diags.error(Rule::Duplicate, item.span, message, help).see(first, "first here");
                continue;
            }
            workers.push(lcore);
        }
    }
    Some(workers)
}

/// One item of `workers`: a CPU number or a range of them, with or without quotes.
fn lcore_range(item: &Text<'_>, diags: &mut Diags) -> Option<RangeInclusive<u32>> {
    let mut lcore = |text| {
        let part = Text { text, quoted: false, ..*item };
        value::number(&part, 0..=LCORE_MAX, diags).map(|number| number.value)
    };
    let Some((first, last)) = item.text.split_once('-').filter(|(first, _)| !first.is_empty())
    else {
        return lcore(item.text).map(|only| only..=only);
    };
    let (first, last) = (lcore(first.trim())?, lcore(last.trim())?);
    if last < first {
        let message = format!("the range `{}` ends before it begins", item.text);
        diags.error(Rule::BadValue, item.span, message, format!("write \"{last}-{first}\""));
        return None;
    }
    Some(first..=last)
}

/// Reports the CPUs of `range` that this machine does not have.
fn check_cpus(item: &Text<'_>, range: RangeInclusive<u32>, machine: &Machine, diags: &mut Diags) {
    let Some(cpus) = &machine.cpus else { return };
    let absent: Vec<u32> = range.filter(|lcore| !cpus.contains(lcore)).collect();
    if let Some(first) = absent.first() {
        let which = match absent.len() {
            1 => format!("worker {first} is not a CPU"),
            count => format!("{count} workers from {first} on are not CPUs"),
        };
        let message = format!("{which} of this machine");
        let help = format!("use some of the CPUs {}", ranges(cpus));
        diags.error(Rule::NoSuchCpu, item.span, message, help);
    }
}

/// CPU numbers as people write them: `0-3, 8`.
fn ranges(cpus: &[u32]) -> String {
    let mut sorted = cpus.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let runs = sorted.chunk_by(|a, b| a + 1 == *b);
    let shown = runs.filter_map(|run| match run {
        [] => None,
        [only] => Some(only.to_string()),
        [first, .., last] => Some(format!("{first}-{last}")),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Table sizes.
pub(super) fn limits(raw: Option<&RawLimits<'_>>, diags: &mut Diags) -> Option<Limits> {
    let default = Limits::default();
    let Some(raw) = raw else { return Some(default) };
    let mut size = |text: &Option<Text<'_>>, max, default| match text {
        Some(text) => value::number(text, 1..=max, diags).map(|number| number.value),
        None => Some(default),
    };
    let flows = size(&raw.flows, 100_000_000, default.flows);
    let templates = size(&raw.templates, 100_000_000, default.templates);
    let services = size(&raw.services, 1_000_000, default.services);
    let real_servers = size(&raw.real_servers, REAL_SERVERS_MAX, default.real_servers);
    Some(Limits {
        flows: flows?,
        templates: templates?,
        services: services?,
        real_servers: real_servers?,
    })
}

/// The file must fit into its own limits.
pub(super) fn fits(raw: &RawConfig<'_>, limits: &Limits, diags: &mut Diags) {
    let Some(services) = &raw.services else { return };
    let written = raw.limits.as_ref();
    let in_each = services.items.iter().map(|(_, service)| &service.real_servers);
    let real_servers = in_each.flatten().map(|list| list.written).sum();
    for (key, noun, count, limit, text) in [
        (
            "services",
            "services",
            services.written,
            limits.services,
            written.and_then(|limits| limits.services.as_ref()),
        ),
        (
            "real_servers",
            "real servers",
            real_servers,
            limits.real_servers,
            written.and_then(|limits| limits.real_servers.as_ref()),
        ),
    ] {
        if count > usize::try_from(limit).unwrap_or(usize::MAX) {
            let message = format!("the file has {count} {noun}, and `limits.{key}` is {limit}");
            let help = format!("write `limits: {{{key}: {count}}}`, or more to have room to grow");
            let start = services.span.start as usize;
            let span = text.map_or_else(|| Span::new(start, start), |text| text.span);
            diags.error(Rule::OutOfRange, span, message, help);
        }
    }
}

/// Idle times.
pub(super) fn timeouts(raw: Option<&RawTimeouts<'_>>, diags: &mut Diags) -> Option<Timeouts> {
    let default = Timeouts::default();
    let Some(raw) = raw else { return Some(default) };
    let mut seconds = |text: &Option<Text<'_>>, default| match text {
        Some(text) => value::seconds(text, diags).map(|seconds| seconds.value),
        None => Some(default),
    };
    let tcp_s = seconds(&raw.tcp, default.tcp_s);
    let tcp_fin_s = seconds(&raw.tcp_fin, default.tcp_fin_s);
    let udp_s = seconds(&raw.udp, default.udp_s);
    Some(Timeouts { tcp_s: tcp_s?, tcp_fin_s: tcp_fin_s?, udp_s: udp_s? })
}
