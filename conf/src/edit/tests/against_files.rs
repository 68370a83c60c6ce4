//! Any edits at all: each is accepted exactly if a file that says the same is right, and what
//! comes of it is what the file says.

use std::collections::HashSet;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::any::edit;
use super::naive::Naive;
use super::*;

/// The file of a configuration that differs from the base in its services and timeouts.
fn file(config: &Config) -> String {
    let (head, _) = BASE.split_once("services:\n").expect("its services");
    let Timeouts { tcp_s, tcp_fin_s, udp_s } = config.timeouts;
    let mut text =
        format!("{head}timeouts: {{tcp: {tcp_s}s, tcp_fin: {tcp_fin_s}s, udp: {udp_s}s}}\n");
    text.push_str(if config.services.is_empty() { "services: {}\n" } else { "services:\n" });
    for service in &config.services {
        let ServiceKey::Endpoint { protocol, vip } = service.key else { continue };
        let list = |items: Vec<String>| format!("[{}]", items.join(", "));
        let _ = writeln!(text, "  {}:\n    vip: {vip}", service.name);
        let _ = writeln!(text, "    protocol: {}", protocol.as_str());
        let _ = writeln!(text, "    mode: {}", service.mode.as_str());
        let _ = writeln!(text, "    scheduler: {}", service.scheduler.as_str());
        let _ = writeln!(text, "    ops: {}", service.ops);
        let _ = writeln!(text, "    helper: {}", service.helper.map_or("none", Helper::as_str));
        if let Some(Persistence { timeout_s, mask, engine }) = service.persistence {
            let _ = writeln!(text, "    persistence: {timeout_s}s\n    persistence_mask: {mask}");
            engine.iter().for_each(|_| text.push_str("    persistence_engine: sip\n"));
        }
        let own = service.timeouts.by_key().into_iter();
        let own = own.filter_map(|(key, seconds)| Some(format!("{key}: {}s", seconds?)));
        let _ = writeln!(text, "    timeouts: {{{}}}", own.collect::<Vec<_>>().join(", "));
        if !service.local_addresses.is_empty() {
            let locals = service.local_addresses.iter().map(ToString::to_string).collect();
            let _ = writeln!(text, "    local_addresses: {}", list(locals));
        }
        let reals = service.real_servers.iter().map(|real| {
            let RealServer { address, mode, tunnel, weight, drain, .. } = real;
            let (upper, lower) = (real.upper_threshold, real.lower_threshold);
            let port = tunnel.dst_port().map(|port| format!(", port: {port}"));
            let checksum = tunnel.checksum().map(|checksum| format!(", checksum: {checksum}"));
            let rest: String = [port, checksum].into_iter().flatten().collect();
            let tunnel = match tunnel.kind() {
                Tunnel::IPIP => String::new(),
                kind => format!(", tunnel: {{type: {kind}{rest}}}"),
            };
            format!(
                "{{address: {address}, mode: {}, weight: {weight}, drain: {drain}, \
                 upper_threshold: {upper}, lower_threshold: {lower}{tunnel}}}",
                mode.as_str()
            )
        });
        let _ = writeln!(text, "    real_servers: {}", list(reals.collect()));
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn an_edit_is_accepted_exactly_if_a_file_that_says_the_same_is_right(
        edits in prop::collection::vec(edit(), 1..24)
    ) {
        let mut draft = Draft::new(config());
        let mut naive = Naive { config: config(), open: HashSet::new() };
        for edit in &edits {
            let wanted = naive.after(edit).and_then(|next| {
                let text = file(&next.config);
                let read = parse("edited.yaml", &text, &Machine::default());
                read.map(|config| (next, config)).ok()
            });
            let outcome = draft.edit(std::slice::from_ref(edit));
            prop_assert_eq!(outcome.is_ok(), wanted.is_some(), "{:?}: {:?}", edit, outcome);
            if let Some((next, read)) = wanted {
                naive = next;
                prop_assert_eq!(&read, &naive.config);
            }
            prop_assert_eq!(&draft.desired().config(), &naive.config);
            let reals = naive.config.services.iter().map(|service| service.real_servers.len());
            prop_assert_eq!(draft.real_server_count(), reals.sum::<usize>());
        }
    }

    #[test]
    fn a_list_of_edits_is_done_as_a_whole_or_not_at_all(
        edits in prop::collection::vec(edit(), 1..12)
    ) {
        let (mut whole, mut single) = (Draft::new(config()), Draft::new(config()));
        let first_wrong =
            edits.iter().position(|edit| single.edit(std::slice::from_ref(edit)).is_err());
        match (whole.edit(&edits), first_wrong) {
            (Ok(done), None) => {
                prop_assert_eq!(whole.desired().config(), single.desired().config());
                whole.undo(done);
            }
            (Err(refused), Some(index)) => prop_assert_eq!(refused.index, index),
            (outcome, _) => prop_assert!(false, "{:?}", outcome),
        }
        prop_assert_eq!(whole.desired().config(), config());
        // Nothing of it is left in the indices either.
        for edit in &edits {
            let mut fresh = Draft::new(config());
            let edit = std::slice::from_ref(edit);
            let outcome = whole.edit(edit);
            prop_assert_eq!(outcome.is_ok(), fresh.edit(edit).is_ok());
            if let Ok(done) = outcome {
                whole.undo(done);
            }
        }
    }
}
