//! Random ways to reach the daemon.

use std::path::PathBuf;

use super::Dice;
use crate::control::{Account, Admin, Control, Masquerading, Tcp};

pub(super) fn control(dice: &mut Dice) -> Control {
    let usual = Control::default();
    let name = |name: &str| Account::Name(name.to_owned());
    let (joe, wheel) = (Admin::User(name("joe")), Admin::Group(name("wheel")));
    let ids = vec![wheel.clone(), Admin::User(Account::Id(7)), Admin::Group(Account::Id(0))];
    let tcp = |listen: &str, tokens: &str| {
        let listen = listen.parse().expect("an address");
        Some(Tcp { listen, tokens: PathBuf::from(tokens) })
    };
    Control {
        masquerading: dice.pick(&[Masquerading::Nat, Masquerading::FullNat]),
        socket: dice.mostly(usual.socket, &[PathBuf::from("/tmp/a b#\u{e9}")]),
        mode: dice.mostly(usual.mode, &[0o660, 0o606, 0o666]),
        group: dice.pick(&[None, Some(name("null")), Some(name("a#b")), Some(Account::Id(1000))]),
        admins: dice.mostly(usual.admins, &[vec![joe.clone(), wheel], vec![joe], ids]),
        tcp: dice.mostly(
            usual.tcp,
            &[tcp("127.0.0.1:9181", "/etc/rvs/tokens"), tcp("[::1]:9181", "/t: #")],
        ),
    }
}
