//! Programs that are neither ipvsadm nor keepalived, and what may be in their way.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::process::{Command, Stdio};

use libtest_mimic::Failed;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, send, socket,
};
use rvs_perf::lab::{Director, Lab, Mode, requirements};

use super::{ipvsadm, output, preloaded, start, with_empty_director};

/// What ipvsadm says on a kernel without IPVS.
const NO_IPVS: &str = "Can't initialize ipvs: Protocol not available\n\
                       Are you sure that IP Virtual Server is built in the kernel or as module?\n";

/// The recorder's own way to IPVS, socket options, and Linux' answers.
const OPTIONS: &str = r#"
import ctypes, socket, struct
from ipvs import *
k = Kernel.__new__(Kernel)
k.libc = ctypes.CDLL(None, use_errno=True)
k.control = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
web = Service(proto=TCP, port=80, scheduler="sh", fallback=True, persistence=50, mask=24)
k._option(SET_FLUSH, b"")
k.timeouts(800, 0, 30)
k.set(SET_ADD, web)
for last, weight in (1, 3), (2, 0):
    dest = Dest(weight, 10 * last, 5)
    k.set_dest(SET_ADD_DEST, web, (f"192.0.2.10{last}", 8080), dest=dest)
k.set_dest(SET_EDIT_DEST, web, ("192.0.2.102", 8080), dest=Dest(7, 20, 5))
print(*k.service_stats(web))
print(*sorted(k.dests(web)))
version, size, services = struct.unpack("=III", k._get(1153, b"", 12))
print(hex(version), services, *struct.unpack("=iii", k._get(1158, b"", 12)))
entry = struct.unpack_from(SERVICE_ENTRY, k._get(1154, struct.pack("=I", 1), 112), 8)
print(entry[0], socket.inet_ntoa(entry[1]), socket.ntohs(entry[2]), *entry[3:4], *entry[5:])
for attempt in (lambda: k.set(SET_ADD, web),
                lambda: k.set_dest(SET_DELETE_DEST, web, ("192.0.2.109", 80)),
                lambda: k._option(SET_ADD, b"x" * 43),
                lambda: k._get(1159, b"", 47),
                lambda: k._option(1166, b""),
                lambda: k.set(SET_DELETE, web._replace(port=81)),
                lambda: k.set(SET_ADD, web._replace(proto=50)),
                lambda: k._get(1160, b"", 12)):
    try:
        attempt()
        print("done")
    except OSError as error:
        print(error.errno)
k.set_dest(SET_DELETE_DEST, web, ("192.0.2.101", 8080))
k.set(SET_DELETE, web)
print(struct.unpack("=III", k._get(1153, b"", 12))[2])
"#;

/// What that prints: EEXIST, ENOENT, EINVAL three times, ESRCH, EFAULT and ENOPROTOOPT.
const ANSWERS: &str = "0 0 0 0 0 0 0 0 0 0\n192.0.2.101 192.0.2.102\n0x10201 1 800 120 30\n\
                       6 203.0.113.1 80 0 11 50 16777215 2\n17\n2\n22\n22\n22\n3\n14\n92\n0\n";

/// A program that keeps its netlink socket: asks for the family once, then for IPVS' version
/// whenever it reads a line.
const KEEPER: &str = r#"
import socket, struct, sys
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
s.bind((0, 0))
port = s.getsockname()[0]
def ask(kind, payload):
    s.sendto(struct.pack("=IHHII", 16 + len(payload), kind, 1, 7, port) + payload, (0, 0))
    data, sender = s.recvfrom(65536)
    assert sender == (0, 0), sender
    assert s.getsockname() == (port, 0), s.getsockname()
    return data
family = ask(16, bytes([3, 1, 0, 0]) + struct.pack("=HH", 9, 2) + b"IPVS\0\0\0\0")
at = family.index(struct.pack("=HH", 6, 1)) + 4
family = struct.unpack_from("=H", family, at)[0]
for line in sys.stdin:
    try:
        answer = ask(family, bytes([15, 1, 0, 0]))
        print(hex(struct.unpack_from("=I", answer, 24)[0]), flush=True)
    except OSError as error:
        print("error", error.errno, flush=True)
"#;

/// Nobody answers: exactly as without IPVS, and the kernel's own is not asked.
pub(super) fn without_a_daemon() -> Result<(), Failed> {
    let lab = Lab::new(Mode::Nat)?;
    let says = |program: &str, args: &[&str]| {
        output(preloaded(&lab, lab.director_namespace(), program)?.args(args))
    };
    for args in [&["-Ln"][..], &["-A", "-t", "192.0.2.10:80"], &["-C"]] {
        assert_eq!(says("ipvsadm", args)?, (NO_IPVS.to_owned(), Some(2)), "{args:?}");
    }
    let (words, status) = says("cat", &["/proc/net/ip_vs"])?;
    assert_eq!(words, "cat: /proc/net/ip_vs: No such file or directory\n");
    assert_eq!(status, Some(1));
    // All else of netlink is the kernel's, with the library as without it.
    assert!(says("ip", &["link", "show", "lo"])?.0.contains("LOOPBACK"));
    Ok(())
}

/// The structures and the errno of socket options.
pub(super) fn socket_options() -> Result<(), Failed> {
    with_empty_director(Mode::Nat, |setup| {
        let lab = &setup.lab;
        let mut python = preloaded(lab, lab.director_namespace(), "python3")?;
        python.args(["-B", "-c", OPTIONS]);
        python.env("PYTHONPATH", Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle"));
        let (words, status) = output(&mut python)?;
        assert_eq!((words.as_str(), status), (ANSWERS, Some(0)));
        Ok(())
    })
}

/// A socket that a program keeps works again as soon as there is a daemon again.
pub(super) fn outlives_the_daemon() -> Result<(), Failed> {
    let lab = Lab::new(Mode::Nat)?;
    let director = start(&lab)?;
    let mut python = preloaded(&lab, lab.router_namespace(), "python3")?;
    python.args(["-B", "-c", KEEPER]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = python.spawn()?;
    let mut questions = child.stdin.take().ok_or("no standard input")?;
    let mut answers = BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
    let mut ask = || -> Result<String, Failed> {
        questions.write_all(b"?\n")?;
        Ok(answers.next().ok_or("python ended")??)
    };
    assert_eq!(ask()?, "0x10201");
    director.stop()?;
    assert!(ask()?.starts_with("error"), "there is no daemon");
    let _director = start(&lab)?;
    assert_eq!(ask()?, "0x10201", "there is one again");
    drop(questions);
    child.wait()?;
    Ok(())
}

/// Datagrams of all kinds of wrong bytes neither change anything nor end the daemon, and neither
/// does a client that goes in the middle.
pub(super) fn nonsense() -> Result<(), Failed> {
    with_empty_director(Mode::Nat, |setup| {
        let lab = &setup.lab;
        ipvsadm(lab, &["-A", "-t", "192.0.2.10:80", "-s", "rr"])?;
        ipvsadm(lab, &["-a", "-t", "192.0.2.10:80", "-r", "10.0.0.11:8080", "-m"])?;
        let before = ipvsadm(lab, &["-Ln"])?;
        let mut path = Director::socket_in(lab).into_os_string();
        path.push(".ipvs");
        let mut random = Random(0x1d87_2b41);
        for _ in 0..40 {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let fd = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
            connect(fd.as_raw_fd(), &UnixAddr::new(path.as_os_str())?)?;
            for _ in 0..50 {
                // A full socket is the daemon's way to say wait.
                let _ = send(fd.as_raw_fd(), &random.datagram(), MsgFlags::MSG_NOSIGNAL);
            }
        }
        assert_eq!(ipvsadm(lab, &["-Ln"])?, before);
        setup.director.check_alive()?;
        Ok(())
    })
}

/// The launcher finds library and program, and hands over everything.
pub(super) fn launcher() -> Result<(), Failed> {
    with_empty_director(Mode::Nat, |setup| {
        let rvsadm = requirements::rvsadm_binary()?;
        let run = |args: &[&str], library: Option<&str>| {
            let mut command = Command::new(&rvsadm);
            command.args(args).env("RVS_SOCKET", setup.director.socket());
            command.envs(library.map(|library| ("RVS_PRELOAD", library)));
            output(&mut command)
        };
        let (added, status) = run(&["-A", "-t", "192.0.2.10:80", "-s", "rr"], None)?;
        assert_eq!((added.as_str(), status), ("", Some(0)));
        assert!(run(&["-Ln"], None)?.0.contains("\nTCP  192.0.2.10:80 rr\n"));
        let (words, status) = run(&["-X"], None)?;
        assert!(words.starts_with("Try `") && words.contains("rvsadm -h' or '"), "{words}");
        assert_eq!(status, Some(255));
        let (words, status) = run(&["-Ln"], Some("/nowhere/librvs_ipvs.so"))?;
        assert!(words.contains("librvs_ipvs.so") && words.contains("RVS_PRELOAD"), "{words}");
        assert_eq!(status, Some(126));
        // By a link's name it is what that name says, and not itself.
        let link = setup.lab.directory().join("ipvsadm");
        std::os::unix::fs::symlink(&rvsadm, &link)?;
        let path = format!("{}:/usr/sbin:/usr/bin", setup.lab.directory().display());
        let mut linked = Command::new(&link);
        linked.arg("-X").env("PATH", path).env("RVS_SOCKET", setup.director.socket());
        let words = output(&mut linked)?.0;
        assert!(words.contains("ipvsadm -h' or '") && !words.contains("rvsadm"), "{words}");
        fs::remove_file(&link)?;
        Ok(())
    })
}

/// Numbers by chance, the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn bytes(&mut self, count: u64) -> Vec<u8> {
        (0..count).map(|_| self.below(256).to_le_bytes()[0]).collect()
    }

    /// Netlink, more or less; nothing that would be understood as flushing or zeroing all.
    fn datagram(&mut self) -> Vec<u8> {
        let kinds = [0x3f5, 0x3f5, 0x3f5, 0x10, 0xff01, 0xff02, 0xff03, self.below(0x10000)];
        let kind = kinds[usize::try_from(self.below(8)).unwrap_or_default()];
        let mut payload = vec![self.below(16).to_le_bytes()[0], 1, 0, 0];
        for _ in 0..self.below(4) {
            let count = self.below(60);
            let value = self.bytes(count);
            let len = u16::try_from(value.len()).unwrap_or_default();
            // Some lengths are wrong.
            let len = len + 4 + u16::from(self.below(8) == 0);
            payload.extend(len.to_ne_bytes());
            payload.extend(u16::try_from(self.below(8)).unwrap_or_default().to_ne_bytes());
            payload.extend(value);
            payload.resize(payload.len().next_multiple_of(4), 0);
        }
        let len = u32::try_from(16 + payload.len()).unwrap_or_default();
        let wrong = u32::try_from(self.below(1 << 32)).unwrap_or_default();
        let len = if self.below(10) == 0 { wrong } else { len };
        let mut datagram = len.to_ne_bytes().to_vec();
        datagram.extend(u16::try_from(kind).unwrap_or_default().to_ne_bytes());
        let flags = [1_u16, 5, 0x305, 0][usize::try_from(self.below(4)).unwrap_or_default()];
        datagram.extend(flags.to_ne_bytes());
        datagram.extend([1, 0, 0, 0, 2, 0, 0, 0]);
        datagram.extend(payload);
        datagram
    }
}
