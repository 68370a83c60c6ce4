//! Tests of the texts of control connections.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 11);

fn active(text: &str) -> Option<(Ipv4Addr, u16, String)> {
    match command(text.as_bytes()) {
        Command::Active(named) => {
            Some((named.address, named.l4_port, text[named.place].to_owned()))
        }
        Command::Other | Command::Passive | Command::ExtendedPassive => None,
        Command::Split | Command::Garbled => None,
    }
}

fn passive(text: &str) -> Option<(Ipv4Addr, u16, String)> {
    match answer(text.as_bytes()) {
        Answer::Passive(named) => {
            Some((named.address, named.l4_port, text[named.place].to_owned()))
        }
        Answer::Other | Answer::Extended { .. } | Answer::Split | Answer::Garbled => None,
    }
}

#[test]
fn port_and_eprt_name_the_clients_end() {
    let numbers = Some((HOST, 4 * 256 + 1, "10,0,0,11,4,1".to_owned()));
    for text in [
        "PORT 10,0,0,11,4,1\r\n",
        "port  10,0,0,11,4,1 \n",
        "NOOP\r\nPoRt 10,0,0,11,4,1\r\n",
        "PORT 10,0,0,11,4,1\r\nLIST\r\n",
    ] {
        assert_eq!(active(text), numbers, "{text:?}");
    }
    let extended = "EPRT |1|10.0.0.11|1025|\r\n";
    assert_eq!(active(extended), Some((HOST, 1025, extended[5..23].to_owned())));
    assert_eq!(active("eprt !1!10.0.0.11!65535!\r\n").unwrap().1, 65535);
}

#[test]
fn passive_commands_are_told_apart() {
    let said = |text: &str| command(text.as_bytes());
    assert_eq!(said("PASV\r\n"), Command::Passive);
    assert_eq!(said("pasv\n"), Command::Passive);
    assert_eq!(said("EPSV\r\n"), Command::ExtendedPassive);
    assert_eq!(said("EPSV 1\r\n"), Command::ExtendedPassive);
    for other in ["EPSV 2\r\n", "EPSV ALL\r\n", "PASVX\r\n", "RETR PASV\r\n", "", "\r\n", " PASV\n"]
    {
        assert_eq!(said(other), Command::Other, "{other:?}");
    }
}

#[test]
fn a_command_in_two_segments_is_seen_as_such() {
    for text in ["PORT 10,0,0,11,4", "PASV", "EP", "p", "NOOP\r\nPORT 1,2,3,4,5,6\r", "EPRT |1|"] {
        assert_eq!(command(text.as_bytes()), Command::Split, "{text:?}");
    }
    for text in ["227 Entering (1,2,3", "22", "229", "200 ok\r\n227 "] {
        assert_eq!(answer(text.as_bytes()), Answer::Split, "{text:?}");
    }
    for text in ["NO", "STOR x", "RETR"] {
        assert_eq!(command(text.as_bytes()), Command::Other, "{text:?}");
    }
}

#[test]
fn parameters_that_are_none_are_garbled() {
    for parameter in [
        "10,0,0,11,4",
        "10,0,0,11,4,1,1",
        "10,0,0,256,4,1",
        "10,0,0,11,4,0256",
        "10,0,0,,4,1",
        "-1,0,0,11,4,1",
        "+1,0,0,11,4,1",
        "10.0.0.11.4.1",
        "99999999999999999999,0,0,1,1,1",
        "",
        "10,0,0,11,4,1x",
        "\u{0}",
    ] {
        let text = format!("PORT {parameter}\r\n");
        assert_eq!(command(text.as_bytes()), Command::Garbled, "{text:?}");
    }
    for parameter in [
        "|2|::1|1025|",
        "|1|10.0.0.11|65536|",
        "|1|10.0.0.11|1025",
        "|1|10.0.0.11|1025|x",
        "|1|10.0.0|1025|",
        "|1|10.0.0.11.1|1025|",
        "|1|10.0.0.11|1025||",
        "1",
        "|",
        "",
        "|1|10.0.0.11|000001025|",
    ] {
        let text = format!("EPRT {parameter}\r\n");
        assert_eq!(command(text.as_bytes()), Command::Garbled, "{text:?}");
    }
    for text in
        ["227 none\r\n", "227 (1,2,3)\r\n", "229 no\r\n", "229 (||1|5|)\r\n", "229 (|||70000|)\n"]
    {
        assert_eq!(answer(text.as_bytes()), Answer::Garbled, "{text:?}");
    }
}

#[test]
fn answers_name_the_servers_end() {
    let numbers = Some((HOST, 4 * 256 + 1, "10,0,0,11,4,1".to_owned()));
    for text in [
        "227 Entering Passive Mode (10,0,0,11,4,1).\r\n",
        "227 Entering Passive Mode. 10,0,0,11,4,1\r\n",
        "227 =10,0,0,11,4,1\n",
        "200 ok\r\n227 (10,0,0,11,4,1)\r\n150 next\r\n",
    ] {
        assert_eq!(passive(text), numbers, "{text:?}");
    }
    let text = b"200 ok\r\n229 Entering Extended Passive Mode (|||6446|)\r\n";
    assert_eq!(answer(text), Answer::Extended { l4_port: 6446, at: 8 });
    assert_eq!(answer(b"230 Welcome\r\n"), Answer::Other);
    assert_eq!(answer(b"227-more\r\n"), Answer::Other);
}

#[test]
fn what_is_written_is_read_again() {
    for address in [Ipv4Addr::new(1, 2, 3, 4), Ipv4Addr::BROADCAST] {
        for l4_port in [1, 255, 256, 65535] {
            for (name, form) in [("PORT", Form::Numbers), ("EPRT", Form::Extended(b'|'))] {
                let text = Text::new(form, address, l4_port);
                let line = [name.as_bytes(), b" ", text.as_bytes(), b"\r\n"].concat();
                let place = 5..5 + text.as_bytes().len();
                let named = Named { address, l4_port, place, form };
                assert_eq!(command(&line), Command::Active(named));
            }
        }
    }
}

#[test]
fn texts_are_as_the_standards_have_them() {
    let text = |form, port| {
        String::from_utf8(Text::new(form, Ipv4Addr::new(10, 0, 255, 9), port).as_bytes().to_vec())
    };
    for (port, numbers) in [(0, "0,0"), (9, "0,9"), (10, "0,10"), (256, "1,0"), (65535, "255,255")]
    {
        assert_eq!(text(Form::Numbers, port).unwrap(), format!("10,0,255,9,{numbers}"));
        let expected = format!("!1!10.0.255.9!{port}!");
        assert_eq!(text(Form::Extended(b'!'), port).unwrap(), expected);
    }
}

proptest! {
    #[test]
    fn no_bytes_upset_the_readers_and_places_are_within(
        start in 0..9usize, noise in vec(any::<u8>(), 0..80), digits in "[0-9,|.()]{0,40}",
    ) {
        let starts = ["", "PORT ", "EPRT ", "PASV", "EPSV ", "227 ", "229 ", "x\r\nPORT ", "227 ("];
        for tail in [noise.as_slice(), digits.as_bytes()] {
            for end in [&b"\r\n"[..], b""] {
                let payload = [starts[start].as_bytes(), tail, end].concat();
                if let Command::Active(named) = command(&payload) {
                    prop_assert!(named.place.start <= named.place.end);
                    prop_assert!(named.place.end <= payload.len());
                }
                if let Answer::Passive(named) = answer(&payload) {
                    prop_assert!(named.place.end <= payload.len() && !named.place.is_empty());
                }
            }
        }
    }
}
