//! `PASV` and `EPSV`: the client connects to the port that the real server named.

use rvs_dataplane::verdict::{DropReason, Verdict};
use rvs_dataplane::wire::TcpFlags;

use super::*;

const ANSWER: &str = "227 Entering Passive Mode (10,0,0,11,195,80).\r\n";
const READ: &str = "227 Entering Passive Mode (192,0,2,10,195,80).\r\n";
const PORT: u16 = 195 * 256 + 80;

#[test]
fn the_named_port_leads_to_the_real_server_that_named_it() {
    for mode in MODES {
        let mut session = Session::new(mode);
        session.says("PASV\r\n");
        session.answers(ANSWER, READ);
        session.data_from_client(PORT);
        assert_eq!((session.rig.flows().len(), session.connections()), (2, 1), "{mode:?}");
        assert_eq!(session.rig.gauges(0), (2, 0));
        // One connection for each answer.
        let again = PacketSpec::tcp("198.51.100.7:41001", format!("192.0.2.10:{PORT}").as_str());
        let outcome = session.rig.send(WAN, &again.flags(TcpFlags::SYN));
        assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::NoService)], "{mode:?}");
    }
}

#[test]
fn extended_passive_needs_no_other_text() {
    for mode in MODES {
        let mut session = Session::new(mode);
        session.says("epsv 1\r\n");
        let answer = "229 Entering Extended Passive Mode (|||50000|)\r\n";
        session.answers(answer, answer);
        session.data_from_client(50000);
        assert_eq!(session.rig.stats.ftp.edited.value(), 0);
    }
}

#[test]
fn sequence_numbers_follow_the_length_of_the_text() {
    for mode in MODES {
        let mut session = Session::new(mode);
        session.says("PASV\r\n");
        session.answers(ANSWER, READ);
        let (old_end, new_end) =
            (SERVER_SEQ.wrapping_add(len(ANSWER)), SERVER_SEQ.wrapping_add(len(READ)));
        assert_ne!(old_end, new_end);
        // A retransmission becomes the same.
        session.answers(ANSWER, READ);
        let next = session.of_server("150 Here it comes\r\n");
        session.reads("next", &next.clone().seq(old_end), &next.seq(new_end));
        let sack =
            |l: u32, r: u32| [&[1, 1, 5, 10][..], &l.to_be_bytes(), &r.to_be_bytes()].concat();
        for ack in [0, 100] {
            let (sent, heard) = (new_end.wrapping_add(ack), old_end.wrapping_add(ack));
            let segment = session.of_client("");
            session.hears("ACK", &segment.clone().ack(sent), &segment.clone().ack(heard));
            let blocks = |ack: u32| sack(ack.wrapping_add(10), ack.wrapping_add(30));
            session.hears(
                "SACK",
                &segment.clone().ack(sent).tcp_options(&blocks(sent)),
                &segment.ack(heard).tcp_options(&blocks(heard)),
            );
        }
        // What was before the text stays.
        let segment = session.of_client("");
        session.hears("old", &segment.clone().ack(SERVER_SEQ), &segment.ack(SERVER_SEQ));
        // A second answer adds to the first.
        let ask = session.of_client("PASV\r\n");
        session.hears("PASV", &ask.clone().ack(new_end), &ask.ack(old_end));
        let (sent, read) = (session.of_server(ANSWER), session.of_server(READ));
        session.reads("again", &sent.seq(old_end), &read.seq(new_end));
        let (old_end, new_end) =
            (old_end.wrapping_add(len(ANSWER)), new_end.wrapping_add(len(READ)));
        let next = session.of_server("150 And again\r\n");
        session.reads("next", &next.clone().seq(old_end), &next.seq(new_end));
        assert_eq!(session.rig.stats.ftp.edited.value(), 3);
    }
}

fn len(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap()
}

#[test]
fn a_real_server_may_name_the_vip_or_no_address() {
    for mode in MODES {
        for (said, edits) in [("192,0,2,10", 0), ("0,0,0,0", 1)] {
            let mut session = Session::new(mode);
            session.says("PASV\r\n");
            let answer = |address: &str| format!("227 ({address},195,80)\r\n");
            session.answers(&answer(said), &answer("192,0,2,10"));
            session.data_from_client(PORT);
            assert_eq!(session.rig.stats.ftp.edited.value(), edits);
        }
    }
}

#[test]
fn what_is_expected_is_given_up_after_two_minutes() {
    for (wait, leads_on) in [(119, true), (121, false)] {
        let mut session = Session::new(ForwardingMode::Nat);
        session.says("PASV\r\n");
        session.answers(ANSWER, READ);
        session.rig.pass_s(wait);
        let syn = PacketSpec::tcp("198.51.100.7:41000", format!("192.0.2.10:{PORT}").as_str());
        let outcome = session.rig.send(WAN, &syn.flags(TcpFlags::SYN));
        let verdict =
            if leads_on { Verdict::Forwarded } else { Verdict::Dropped(DropReason::NoService) };
        assert_eq!(outcome.verdicts, [verdict], "after {wait} s");
    }
}

#[test]
fn nobody_else_gets_in() {
    let mut session = Session::new(ForwardingMode::Nat);
    session.says("PASV\r\n");
    session.answers(ANSWER, READ);
    let to = format!("192.0.2.10:{PORT}");
    let other = PacketSpec::tcp("198.51.100.8:41000", to.as_str()).flags(TcpFlags::SYN);
    let outcome = session.rig.send(WAN, &other);
    assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::NoService)]);
    let not_first = PacketSpec::tcp("198.51.100.7:41000", to.as_str());
    let outcome = session.rig.send(WAN, &not_first);
    assert_eq!(outcome.verdicts, [Verdict::Dropped(DropReason::NoFlow)]);
    session.data_from_client(PORT);
}

#[test]
fn a_control_connection_outlives_its_timeout_while_data_flows() {
    for mode in MODES {
        let mut session = Session::new(mode);
        session.says("PASV\r\n");
        session.answers(ANSWER, READ);
        session.data_from_client(PORT);
        let data = PacketSpec::tcp("198.51.100.7:41000", format!("192.0.2.10:{PORT}").as_str());
        for _ in 0..4 {
            session.rig.pass_s(500);
            let outcome = session.rig.send(WAN, &data.clone().payload("more"));
            assert_eq!(outcome.verdicts, [Verdict::Forwarded]);
        }
        assert_eq!(session.rig.flows().len(), 2, "{mode:?}");
        session.says("NOOP\r\n");
        session.rig.send(WAN, &data.flags(TcpFlags::RST));
        session.rig.pass_s(11);
        assert_eq!(session.rig.flows().len(), 1, "the data flow has ended");
        session.rig.pass_s(901);
        session.rig.pass_s(61);
        assert_eq!(session.rig.flows().len(), 0, "{mode:?}");
    }
}
