//! Schedulers, their flags, and the thresholds of real servers.

use crate::diag::Diags;
use crate::raw::{RawRealServer, RawService};
use crate::rule::Rule;
use crate::scheduler::{Scheduler, SchedulerFlags};
use crate::span::At;
use crate::value;

/// Flags by the names of ipvsadm, with the scheduler that each belongs to, if it does to one.
const FLAGS: &[(&str, (Option<Scheduler>, SchedulerFlags))] = &[
    ("flag-1", (None, FLAG_1)),
    ("flag-2", (None, FLAG_2)),
    ("flag-3", (None, SchedulerFlags { flag_1: false, flag_2: false, flag_3: true })),
    ("sh-fallback", (Some(Scheduler::Sh), FLAG_1)),
    ("sh-port", (Some(Scheduler::Sh), FLAG_2)),
    ("mh-fallback", (Some(Scheduler::Mh), FLAG_1)),
    ("mh-port", (Some(Scheduler::Mh), FLAG_2)),
];
const FLAG_1: SchedulerFlags = SchedulerFlags { flag_1: true, flag_2: false, flag_3: false };
const FLAG_2: SchedulerFlags = SchedulerFlags { flag_1: false, flag_2: true, flag_3: false };

/// The scheduler of a service with its flags; wlc, as ipvsadm has it, if none is named.
pub(super) fn choice(
    raw: &RawService<'_>,
    diags: &mut Diags,
) -> Option<(Scheduler, SchedulerFlags)> {
    let names = Scheduler::ALL.map(|scheduler| (scheduler.as_str(), scheduler));
    let named = raw.scheduler.as_ref().map(|text| value::word(text, &names, diags));
    let mut flags = SchedulerFlags::default();
    let mut is_right = true;
    for text in raw.scheduler_flags.as_ref().map_or(&[][..], |list| &list.items) {
        let Some(At { value: (owner, flag), span }) = value::word(text, FLAGS, diags) else {
            is_right = false;
            continue;
        };
        flags.flag_1 |= flag.flag_1;
        flags.flag_2 |= flag.flag_2;
        flags.flag_3 |= flag.flag_3;
        let scheduler = match named {
            // The scheduler itself is wrong, so nothing is known of its flags.
            Some(None) => continue,
            Some(Some(scheduler)) => scheduler.value,
            None => Scheduler::Wlc,
        };
        if let Some(owner) = owner.filter(|owner| *owner != scheduler) {
            let (owner, scheduler) = (owner.as_str(), scheduler.as_str());
            let message = format!("{} is a flag of {owner}, not of {scheduler}", text.text);
            let help = format!("remove it, or write `scheduler: {owner}`");
            diags.error(Rule::SchedulerFlags, span, message, help);
            is_right = false;
        }
    }
    let scheduler = named.unwrap_or(None).map(|scheduler| scheduler.value);
    let scheduler = if raw.scheduler.is_none() { Some(Scheduler::Wlc) } else { scheduler };
    scheduler.filter(|_| is_right).map(|scheduler| (scheduler, flags))
}

/// Upper and lower threshold of a real server.
pub(super) fn thresholds(raw: &RawRealServer<'_>, diags: &mut Diags) -> Option<(u32, u32)> {
    let upper = raw.upper_threshold.as_ref();
    let lower = raw.lower_threshold.as_ref();
    let upper = upper.map(|text| value::number(text, 0..=u32::MAX, diags));
    let lower = lower.map(|text| value::number(text, 0..=u32::MAX, diags));
    let (upper, lower) = match (upper, lower) {
        (Some(None), _) | (_, Some(None)) => return None,
        (upper, lower) => (upper.flatten(), lower.flatten()),
    };
    let most = upper.map_or(0, |upper| upper.value);
    if let Some(lower) = lower.filter(|lower| lower.value > most) {
        let message = match upper {
            Some(upper) => format!("the lower threshold is above the upper, {}", upper.value),
            None => "a lower threshold means nothing without an upper".to_owned(),
        };
        let help = "set `upper_threshold` to the flows at which the real server takes no more, and \
                    `lower_threshold` to fewer";
        let error = diags.error(Rule::Thresholds, lower.span, message, help);
        if let Some(upper) = upper {
            error.see(upper.span, "the upper threshold");
        }
        return None;
    }
    Some((most, lower.map_or(0, |lower| lower.value)))
}
