//! What is said wrongly, maliciously or not at all passes as it is, and is counted.

use proptest::collection::vec;
use proptest::prelude::*;
use rvs_dataplane::stats::{Counter, FtpStats};

use super::*;

type Count = fn(&FtpStats) -> &Counter;

const REFUSED: Count = |stats| &stats.refused;
const SPLIT: Count = |stats| &stats.split;
const GARBLED: Count = |stats| &stats.garbled;

#[test]
fn commands_that_ask_for_too_much_pass_unchanged() {
    let cases: [(&str, Count); 7] = [
        // The real server shall not attack others, or well-known services of the client.
        ("PORT 203,0,113,9,100,1\r\n", REFUSED),
        ("EPRT |1|203.0.113.9|25601|\r\n", REFUSED),
        ("PORT 198,51,100,7,0,25\r\n", REFUSED),
        ("PORT 198,51,100,7,300,1\r\n", GARBLED),
        ("PORT 99999999999999999999\r\n", GARBLED),
        ("PORT 198,51,100,7,100", SPLIT),
        ("PAS", SPLIT),
    ];
    for mode in MODES {
        for (text, count) in cases {
            let mut session = Session::new(mode);
            session.says(text);
            assert_eq!(count(&session.rig.stats.ftp).value(), 1, "{text:?}");
            assert_eq!(session.rig.flows().len(), 1, "{text:?}");
        }
    }
}

#[test]
fn answers_that_name_others_pass_unchanged() {
    let cases: [(&str, Count); 4] = [
        ("227 (10,0,0,12,100,1)\r\n", REFUSED),
        ("227 (10,0,0,11,0,22)\r\n", REFUSED),
        ("227 (10,0,0,11,100)\r\n", GARBLED),
        ("227 (10,0,0,11,1", SPLIT),
    ];
    for mode in MODES {
        for (text, count) in cases {
            let mut session = Session::new(mode);
            session.says("PASV\r\n");
            session.answers(text, text);
            assert_eq!(count(&session.rig.stats.ftp).value(), 1, "{text:?}");
            assert_eq!(session.rig.stats.ftp.announced.value(), 0, "{text:?}");
        }
    }
}

#[test]
fn nobody_is_told_what_he_did_not_ask_for() {
    let answer = "227 (10,0,0,11,100,1)\r\n";
    for mode in MODES {
        for asked in ["LIST\r\n", "EPSV\r\n", "EPSV ALL\r\n"] {
            let mut session = Session::new(mode);
            session.says(asked);
            session.answers(answer, answer);
            assert_eq!(session.rig.stats.ftp.announced.value(), 0, "{asked:?}");
        }
        // A second line that looks like an answer is none.
        let mut session = Session::new(mode);
        session.says("PASV\r\n");
        session.answers("227 (10,0,0,11,100,1)\r\n", "227 (192,0,2,10,100,1)\r\n");
        let echo = session.of_server("227 (10,0,0,11,100,2)\r\n").seq(SERVER_SEQ + 23);
        session.reads("echo", &echo, &echo.clone().seq(SERVER_SEQ + 24));
        assert_eq!(session.rig.stats.ftp.announced.value(), 1);
    }
}

#[test]
fn other_services_are_not_read() {
    let setup = Setup::new([ServiceSpec::tcp(FTP, ForwardingMode::Nat).real(SERVER, 1)]);
    let mut session = Session::with(setup, ForwardingMode::Nat);
    session.says("PASV\r\n");
    session.answers("227 (10,0,0,11,100,1)\r\n", "227 (10,0,0,11,100,1)\r\n");
    session.says(&format!("PORT {}\r\n", numbers("198.51.100.7:43210")));
    assert_eq!(session.rig.flows().len(), 1);
}

#[test]
fn damaged_segments_are_not_read() {
    let mut session = Session::new(ForwardingMode::Nat);
    session.rig.verify_frames = false;
    let command = format!("PORT {}\r\n", numbers("198.51.100.7:43210"));
    session.rig.send(WAN, &session.of_client(&command).bad_l4_checksum());
    assert_eq!(session.rig.flows().len(), 1);
    session.rig.verify_frames = true;
    session.says(&command);
    assert_eq!(session.rig.flows().len(), 2);
}

#[test]
fn a_text_that_does_not_fit_stays_as_it_is() {
    let mut setup = setup(ForwardingMode::Nat);
    setup.wan_mtu = 600;
    let mut session = Session::with(setup, ForwardingMode::Nat);
    let line = "227 (10,0,0,11,100,1)";
    for (len, is_edited) in [(600 - 40, false), (600 - 41, true)] {
        session.says("PASV\r\n");
        let answer = |line: &str, len: usize| {
            format!("{line}{:>fill$}\r\n", "", fill = len - 2 - line.len())
        };
        let sent = answer(line, len);
        let read = if is_edited { answer("227 (192,0,2,10,100,1)", len + 1) } else { sent.clone() };
        session.answers(&sent, &read);
        assert_eq!(session.rig.stats.ftp.edited.value(), u64::from(is_edited));
    }
    assert_eq!(session.rig.stats.ftp.unfit.value(), 1);
}

#[test]
fn a_full_flow_table_is_counted_and_the_command_passes() {
    for mode in MODES {
        let mut setup = setup(mode);
        setup.flows = 1;
        let mut session = Session::with(setup, mode);
        session.says(&format!("PORT {}\r\n", numbers("198.51.100.7:43210")));
        assert_eq!(session.rig.stats.ftp.no_flow.value(), 1, "{mode:?}");
        session.says("LIST\r\n");
    }
}

fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "PASV\r\n",
        "EPSV\r\n",
        "PORT 198,51,100,7,168,202\r\n",
        "EPRT |1|198.51.100.7|43210|\r\n",
        "227 (10,0,0,11,195,80)\r\n",
        "229 (|||50000|)\r\n",
        "PORT ",
        "227 (",
        "EPRT |",
        "\r\n",
        "",
    ]);
    (known, vec(any::<u8>(), 0..60)).prop_map(|(known, noise)| [known.as_bytes(), &noise].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    // The rig checks all checksums of what comes out, and that every packet has one verdict.
    #[test]
    fn no_payload_upsets_the_director(
        full_nat: bool,
        said in vec((any::<bool>(), any_line(), any::<u16>(), any::<u16>()), 1..40),
    ) {
        let mode = if full_nat { ForwardingMode::FullNat } else { ForwardingMode::Nat };
        let mut session = Session::new(mode);
        for (by_client, line, seq, ack) in said {
            let (seq, ack) = (u32::from(seq), u32::from(ack));
            let (port, segment) = if by_client {
                (WAN, session.of_client("").seq(CLIENT_SEQ.wrapping_add(seq)))
            } else {
                (LAN, session.of_server("").seq(SERVER_SEQ.wrapping_add(seq)))
            };
            let options = [5, 10, 0, 0, 0, 9, 255, 255, 255, 250, 1, 5];
            let options = &options[..usize::try_from(seq % 4).unwrap() * 4];
            let segment = segment.ack(ack).payload(line).tcp_options(options);
            let outcome = session.rig.send(port, &segment);
            prop_assert_eq!(outcome.frames.len(), 1);
        }
        prop_assert!(session.rig.flows().len() <= 42);
    }
}

#[test]
fn too_many_control_connections_are_counted_and_go_on() {
    use rvs_dataplane::limits::FTP_CONTROL_COUNT_MAX;
    let mut setup = setup(ForwardingMode::Nat);
    setup.flows = FTP_CONTROL_COUNT_MAX + 10;
    let mut rig = Rig::new(setup);
    for number in 0..FTP_CONTROL_COUNT_MAX + 3 {
        let client = format!("198.51.{}.{}:30000", number / 200, number % 200 + 1);
        let tcp = |flags| PacketSpec::tcp(client.as_str(), FTP).flags(flags);
        let packets = [tcp(TcpFlags::SYN), tcp(TcpFlags::ACK), tcp(PSH_ACK).payload("PASV\r\n")];
        let outcome = rig.send_all(WAN, packets.map(|packet| packet.frame()));
        assert_eq!(outcome.frames.len(), 3, "{client}");
    }
    assert_eq!(rig.stats.ftp.controls_full.value(), 3);
}
