//! `PORT` and `EPRT`: the real server connects to the client.

use rvs_dataplane::control::{Command, Report, Selection};
use rvs_dataplane::verdict::Verdict;
use rvs_dataplane::wire::TcpFlags;

use super::*;

const END: &str = "198.51.100.7:43210";
const PORT: u16 = 43210;

/// The client says `line`, with its end in it. Returns what the real server heard.
fn say(session: &mut Session, line: &str, seq: u32) -> Vec<u8> {
    let outcome = session.rig.send(WAN, &session.of_client(line).seq(seq));
    let [(LAN, frame)] = outcome.frames.as_slice() else { panic!("{outcome:?}") };
    frame[14 + 20 + 20..].to_vec()
}

/// The end that a line of the form of `PORT` names.
fn end_of_numbers(line: &[u8]) -> String {
    let line = std::str::from_utf8(line).unwrap();
    let numbers: Vec<u16> =
        line[5..].trim_end().split(',').map(|number| number.parse().unwrap()).collect();
    let [a, b, c, d, high, low] = numbers[..] else { panic!("{line}") };
    format!("{a}.{b}.{c}.{d}:{}", high * 256 + low)
}

#[test]
fn in_nat_the_real_server_connects_to_the_client() {
    for line in [format!("PORT {}\r\n", numbers(END)), format!("EPRT |1|198.51.100.7|{PORT}|\r\n")]
    {
        let mut session = Session::new(ForwardingMode::Nat);
        session.says(&line);
        assert_eq!(session.rig.gauges(0), (1, 1), "a flow that listens");
        session.data_from_server(PORT, END);
        assert_eq!((session.rig.gauges(0), session.connections()), ((2, 0), 1));
        assert_eq!(session.rig.stats.ftp.edited.value(), 0);
    }
}

#[test]
fn in_fullnat_it_connects_to_a_local_end() {
    let mut session = Session::new(ForwardingMode::FullNat);
    let line = format!("PORT {}\r\n", numbers(END));
    let heard = say(&mut session, &line, CLIENT_SEQ);
    let peer = end_of_numbers(&heard);
    assert_eq!(*peer.as_str().endpoint().ip(), session.peer_address());
    assert_eq!(heard, format!("PORT {}\r\n", numbers(&peer)).into_bytes());
    // Said again, it is heard as before.
    assert_eq!(say(&mut session, &line, CLIENT_SEQ), heard);
    session.data_from_server(PORT, &peer);
    assert_eq!((session.rig.flows().len(), session.connections()), (2, 1));

    // All that follows is shifted, and acknowledgements are shifted back.
    let old_end = CLIENT_SEQ.wrapping_add(u32::try_from(line.len()).unwrap());
    let new_end = CLIENT_SEQ.wrapping_add(u32::try_from(heard.len()).unwrap());
    let next = session.of_client("LIST\r\n");
    session.hears("LIST", &next.clone().seq(old_end), &next.seq(new_end));
    let answer = session.of_server("200 ok\r\n");
    session.reads("200", &answer.clone().ack(new_end), &answer.ack(old_end));
}

#[test]
fn in_fullnat_the_extended_form_is_kept() {
    let mut session = Session::new(ForwardingMode::FullNat);
    let heard = say(&mut session, &format!("EPRT !1!198.51.100.7!{PORT}!\r\n"), CLIENT_SEQ);
    let text = String::from_utf8(heard).unwrap();
    let lip = session.peer_address();
    let port = text.strip_prefix(&format!("EPRT !1!{lip}!")).unwrap();
    let port = port.strip_suffix("!\r\n").unwrap();
    session.data_from_server(PORT, &format!("{lip}:{port}"));
}

#[test]
fn local_ends_differ_and_are_free() {
    let mut session = Session::new(ForwardingMode::FullNat);
    let mut seen = std::collections::HashSet::new();
    let mut seq = CLIENT_SEQ;
    for port in 30_000..30_050 {
        let line = format!("PORT {}\r\n", numbers(&format!("198.51.100.7:{port}")));
        let peer = end_of_numbers(&say(&mut session, &line, seq));
        assert!(seen.insert(peer.clone()), "{peer} came twice");
        session.data_from_server(port, &peer);
        seq = seq.wrapping_add(u32::try_from(line.len()).unwrap());
    }
    assert_eq!(session.rig.gauges(0), (51, 0));
}

#[test]
fn a_data_connection_is_not_scheduled_anew() {
    let mut session = Session::new(ForwardingMode::Nat);
    session.says(&format!("PORT {}\r\n", numbers(END)));
    session.data_from_server(PORT, END);
    let reset = from_real(&PacketSpec::tcp(SERVER_DATA, END).flags(TcpFlags::RST), SERVER);
    session.rig.send(LAN, &reset);
    let syn = PacketSpec::tcp(END, FTP_DATA).flags(TcpFlags::SYN);
    let expected = one_hop_on(&to_real(&syn, SERVER)).dst(SERVER_DATA);
    session.rig.forwards("SYN over a closed one", (WAN, &syn), (LAN, expected));
}

#[test]
fn what_never_comes_ends_after_two_minutes() {
    let mut session = Session::new(ForwardingMode::Nat);
    session.says(&format!("PORT {}\r\n", numbers(END)));
    session.rig.pass_s(119);
    assert_eq!(session.rig.flows().len(), 2);
    // Said again on the next occasion, it waits again.
    let next = session.of_client(&format!("PORT {}\r\n", numbers(END)));
    session.hears("again", &next, &next);
    session.rig.pass_s(119);
    assert_eq!(session.rig.flows().len(), 2);
    session.rig.pass_s(3);
    assert_eq!(session.rig.flows().len(), 1);
}

#[test]
fn a_removed_real_server_opens_nothing_more() {
    let mut session = Session::new(ForwardingMode::Nat);
    session.rig.reconfigure(|setup| setup.remove_real(SERVER));
    let outcome = session.rig.send(WAN, &session.of_client(&format!("PORT {}\r\n", numbers(END))));
    assert!(!outcome.verdicts.contains(&Verdict::Forwarded), "{outcome:?}");
    assert_eq!(session.rig.flows().len(), 1);
}

#[test]
fn a_control_connection_that_an_operator_ends_goes_after_its_data_connections() {
    for mode in [ForwardingMode::Nat, ForwardingMode::FullNat] {
        let mut session = Session::new(mode);
        let heard = say(&mut session, &format!("PORT {}\r\n", numbers(END)), CLIENT_SEQ);
        session.data_from_server(PORT, &end_of_numbers(&heard));
        let state = Some("ESTABLISHED");
        let control = Selection { state, packets_min: 3, ..Selection::ALL };
        let end = |session: &mut Session, which| session.rig.list(Command::EndFlows(which));
        assert_eq!(end(&mut session, control), [Report::Count(0)], "it is held");
        assert_eq!(session.rig.gauges(0), (2, 0));
        assert_eq!(end(&mut session, Selection::ALL), [Report::Count(2)]);
        assert_eq!(session.rig.gauges(0), (0, 0));
        session.rig.assert_books();
    }
}
