//! Bytes of all kinds: what programs send is read, and what nobody should send does no harm.

use conf::{Mark, Protocol, Scheduler, ServiceKey};
use nix::errno::Errno;
use proptest::collection::vec;
use proptest::prelude::*;

use super::attr::Writer;
use super::genl::{self, Ask};
use super::netlink::Message;
use super::private::{self, Private};
use super::request::{Change, ServiceIdKey};
use super::uapi::{attr, cmd, daemon, dest, flag, so, svc, tunnel};
use super::{legacy, meaning};

/// A service as ipvsadm describes it; `full` with all that a new one needs.
fn put_service(writer: &mut Writer<'_>, full: bool) {
    writer.nest(attr::SERVICE, |writer| {
        writer.put_u16(svc::AF, 2);
        writer.put_u16(svc::PROTOCOL, 6);
        writer.put(svc::ADDR, &[192, 0, 2, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        writer.put_be16(svc::PORT, 80);
        if full {
            writer.put_text(svc::SCHED_NAME, "sh");
            let flags = [flag::PERSISTENT | flag::SCHED_2, u32::MAX].map(u32::to_ne_bytes);
            writer.put(svc::FLAGS, &flags.concat());
            writer.put_u32(svc::TIMEOUT, 50);
            writer.put(svc::NETMASK, &[255, 255, 255, 0]);
        }
    });
}

fn put_dest(writer: &mut Writer<'_>) {
    writer.nest(attr::DEST, |writer| {
        writer.put(dest::ADDR, &[10, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        writer.put_be16(dest::PORT, 8080);
        writer.put_u32(dest::FWD_METHOD, 2);
        writer.put_u32(dest::WEIGHT, 3);
        writer.put_u32(dest::U_THRESH, 20);
        writer.put_u32(dest::L_THRESH, 10);
        writer.put_u16(dest::ADDR_FAMILY, 2);
        writer.put_u8(dest::TUN_TYPE, tunnel::GUE);
        writer.put_be16(dest::TUN_PORT, 6080);
        writer.put_u16(dest::TUN_FLAGS, tunnel::REMCSUM);
    });
}

fn written(fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    fill(&mut Writer(&mut bytes));
    bytes
}

#[test]
fn what_ipvsadm_says_of_a_service_is_understood() {
    let bytes = written(|writer| put_service(writer, true));
    let Ok(Ask::Change(Change::NewService(id, spec))) = genl::read(cmd::NEW_SERVICE, &bytes, false)
    else {
        panic!("a new service is not read");
    };
    let vip = "192.0.2.10:80".parse().unwrap();
    let key = ServiceKey::Endpoint { protocol: Protocol::Tcp, vip };
    assert_eq!(meaning::key(&id), Ok(key));
    let settings = meaning::settings(&spec, None).unwrap();
    assert_eq!(settings.scheduler, Scheduler::Sh);
    assert!(settings.scheduler_flags.flag_2 && !settings.scheduler_flags.flag_1);
    let persistence = settings.persistence.unwrap();
    assert_eq!(
        (persistence.timeout_s, persistence.mask.to_string().as_str()),
        (50, "255.255.255.0")
    );
    let marked = super::request::ServiceId { key: ServiceIdKey::Mark(7), ..id };
    assert_eq!(meaning::key(&marked), Ok(ServiceKey::Mark(Mark::new(7).unwrap())));
}

#[test]
fn what_is_missing_or_of_another_family_is_refused_as_in_linux() {
    let read = |command, bytes: &[u8]| genl::read(command, bytes, false).unwrap_err();
    let identified = written(|writer| put_service(writer, false));
    assert_eq!(read(cmd::NEW_SERVICE, &identified), Errno::EINVAL);
    assert_eq!(read(cmd::NEW_DEST, &identified), Errno::EINVAL);
    assert_eq!(read(cmd::DEL_SERVICE, &[]), Errno::EINVAL);
    assert_eq!(read(cmd::NEW_DAEMON, &[]), Errno::EINVAL);
    assert_eq!(read(cmd::SET_INFO, &[]), Errno::EOPNOTSUPP);
    assert_eq!(genl::read(cmd::GET_INFO, &[], true).unwrap_err(), Errno::EOPNOTSUPP);
    assert_eq!(genl::read(cmd::GET_DEST, &[], true), Ok(Ask::Dests(None)));
    let of = |family| {
        written(|writer| {
            writer.nest(attr::SERVICE, |writer| {
                writer.put_u16(svc::AF, family);
                writer.put_u32(svc::FWMARK, 1);
            });
        })
    };
    assert_eq!(read(cmd::DEL_SERVICE, &of(3)), Errno::EAFNOSUPPORT);
    let Ok(Ask::Change(Change::DelService(ipv6))) = genl::read(cmd::DEL_SERVICE, &of(10), false)
    else {
        panic!("a service of IPv6 is not read");
    };
    assert_eq!(meaning::key(&ipv6), Err(Errno::EAFNOSUPPORT));
}

#[test]
fn a_name_too_long_is_out_of_range_and_one_without_end_invalid() {
    let daemon = |name: &[u8]| {
        written(|writer| {
            writer.nest(attr::DAEMON, |writer| {
                writer.put_u32(daemon::STATE, daemon::MASTER);
                writer.put_u32(daemon::SYNC_ID, 1);
                writer.put(daemon::MCAST_IFN, name);
            });
        })
    };
    let read = |name| genl::read(cmd::NEW_DAEMON, &daemon(name), false);
    assert!(matches!(read(b"eth0\0"), Ok(Ask::Change(Change::StartDaemon(_)))));
    assert_eq!(read(b"0123456789abcdef\0"), Err(Errno::ERANGE));
    assert_eq!(read(b"eth0"), Err(Errno::EINVAL));
    assert_eq!(read(b"\xff\xfe\0"), Err(Errno::EINVAL));
}

#[test]
fn structures_of_another_size_are_refused() {
    for option in [so::SET_ADD, so::SET_ADD_DEST, so::SET_TIMEOUT, so::SET_START_DAEMON] {
        for len in [0, 11, 13, 43, 45, 67, 69] {
            let outcome = legacy::change(option, len, &vec![0; len]);
            assert_eq!(outcome, Err(Errno::EINVAL), "{option} with {len} bytes");
        }
    }
    assert_eq!(legacy::change(so::SET_FLUSH, 0, &[]), Ok(Change::Flush));
    // More is said to be there than came.
    assert_eq!(legacy::change(so::SET_TIMEOUT, 12, &[0; 11]), Err(Errno::EINVAL));
    assert_eq!(legacy::change(so::SET_ZERO, 44, &[0; 44]), Ok(Change::Zero(None)));
    assert_eq!(legacy::ask(so::GET_INFO, 11, &[0; 11]), Err(Errno::EINVAL));
    // The room must be that of the number in the head.
    assert_eq!(legacy::ask(so::GET_SERVICES, 112, &[1, 0, 0, 0]), Ok(legacy::Ask::Services(1)));
    assert_eq!(legacy::ask(so::GET_SERVICES, 113, &[1, 0, 0, 0]), Err(Errno::EINVAL));
    let greatest = [255; 4];
    assert_eq!(legacy::ask(so::GET_SERVICES, 112, &greatest), Err(Errno::EINVAL));
}

/// Reads a datagram as a client's would be, as far as that goes without a daemon.
fn read_all(mut datagram: &[u8]) {
    while let Some((message, rest)) = Message::split(datagram) {
        assert!(rest.len() < datagram.len(), "a message of no length");
        if message.is_whole && private::is_one(message.kind) {
            match Private::parse(message.kind, message.payload()) {
                Ok(Private::GetOption { option, room, value }) => {
                    let _ = legacy::ask(option, room, value);
                }
                Ok(Private::SetOption { option, len, value }) => {
                    let _ = legacy::change(option, len, value);
                }
                Ok(Private::File(_)) | Err(_) => {}
            }
        } else if let Ok((command, attributes)) = message.command() {
            for is_dump in [false, true] {
                let _ = genl::read(command, attributes, is_dump);
            }
        }
        let refused = message.acknowledge(Err(Errno::EINVAL));
        assert!(refused.len() >= 36, "an error repeats at least a header");
        datagram = rest;
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_to_their_end(bytes in vec(any::<u8>(), 0..300)) {
        read_all(&bytes);
    }

    #[test]
    fn a_right_message_with_wrong_bytes_is_read_to_its_end(
        command in 0_u8..20,
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let attributes = written(|writer| {
            put_service(writer, true);
            put_dest(writer);
        });
        let len = u32::try_from(20 + attributes.len()).unwrap();
        let mut bytes = len.to_ne_bytes().to_vec();
        bytes.extend([0xf5, 3, 5, 0, 1, 0, 0, 0, 2, 0, 0, 0, command, 1, 0, 0]);
        bytes.extend(attributes);
        for (place, byte) in changes {
            *place.get_mut(&mut bytes) = byte;
        }
        read_all(&bytes);
        read_all(&bytes[..cut.index(bytes.len())]);
    }

    #[test]
    fn any_option_is_read(option in 1150_u32..1170, value in vec(any::<u8>(), 0..130)) {
        let _ = legacy::change(option, value.len(), &value);
        let _ = legacy::ask(option, value.len(), &value);
        let _ = legacy::ask(option, usize::MAX, &value);
    }
}
