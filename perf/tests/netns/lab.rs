//! The lab by itself, without a daemon: if one of these fails, no other result means anything.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use libtest_mimic::Failed;
use rvs_perf::lab::addresses::{
    CLIENT, DIRECTOR_WAN, ECHO_VPORT, HTTP_RPORT, REAL_SERVERS, ROUTER_WAN, VIP, WAN_DEVICE,
};
use rvs_perf::lab::client::sha256_of;
use rvs_perf::lab::{Lab, Mode, cleanup, command, probe};
use socket2::{Domain, Protocol, Socket, Type};

use crate::Body;

/// The tests of this file.
pub(crate) const TESTS: [(&str, Body); 6] = [
    ("web_servers_answer", web_servers_answer),
    ("files_move_both_ways", files_move_both_ways),
    ("real_servers_unpack_ipip", real_servers_unpack_ipip),
    ("director_gets_finished_frames", director_gets_finished_frames),
    ("nothing_stays_behind", nothing_stays_behind),
    ("leftovers_of_a_killed_run_are_removed", leftovers_of_a_killed_run_are_removed),
];

fn web_servers_answer() -> Result<(), Failed> {
    let mut lab = Lab::new(Mode::FullNat)?;
    let client = lab.client();
    for (index, address) in REAL_SERVERS.iter().enumerate() {
        let url = format!("http://{address}:{HTTP_RPORT}/");
        let answers = client.get(&url, 50, 10, |_| ())?;
        let name = lab.real_servers[index].name().to_owned();
        assert!(answers.iter().all(|answer| answer.succeeded() && answer.real_server == name));
        let log = lab.real_servers[index].log_of(50)?;
        assert_eq!(log.len(), 50);
        assert!(log.iter().all(|line| line.client == CLIENT && line.method == "GET"));

        lab.real_servers[index].kill()?;
        let refused = client.get(&url, 1, 1, |_| ())?;
        assert!(refused[0].error.is_some(), "a killed server answered: {refused:?}");
        lab.real_servers[index].restart()?;
        assert!(client.get(&url, 1, 1, |_| ())?[0].succeeded());
    }
    Ok(())
}

fn files_move_both_ways() -> Result<(), Failed> {
    let lab = Lab::new(Mode::FullNat)?;
    let file = lab.write("file", &"every byte counts\n".repeat(100_000))?;
    let server = &lab.real_servers[0];
    std::fs::copy(&file, server.served_files().join("file"))?;
    let base = format!("http://{}:{HTTP_RPORT}", server.address());
    let down = lab.client().download(&format!("{base}/files/file"))?;
    assert_eq!((down.real_server.as_str(), down.sha256), ("rs1", sha256_of(&file)?));
    let up = lab.client().upload(&file, &format!("{base}/uploads/file"))?;
    assert_eq!(up.real_server, "rs1");
    assert_eq!(sha256_of(&server.uploaded("file"))?, sha256_of(&file)?);
    assert!(lab.client().download(&format!("{base}/files/none")).is_err(), "404 is no download");
    Ok(())
}

/// A datagram to the VIP inside IPIP comes back from the VIP, without a tunnel.
fn real_servers_unpack_ipip() -> Result<(), Failed> {
    let lab = Lab::new(Mode::Tun)?;
    let client = lab.client();
    for address in REAL_SERVERS {
        let socket = probe::udp_socket(client.namespace(), SocketAddrV4::new(VIP, ECHO_VPORT))?;
        let packet = udp_packet(socket.local_addr()?.port(), b"through the tunnel");
        client.namespace().enter(|| -> io::Result<()> {
            let ipip = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(4)))?;
            ipip.send_to(&packet, &SocketAddrV4::new(address, 0).into()).map(drop)
        })??;
        let mut answer = [0; 64];
        let length = socket.recv(&mut answer)?;
        assert_eq!(&answer[..length], b"through the tunnel", "from {address}");
    }
    assert!(lab.decapsulation().is_some());
    Ok(())
}

/// IPv4 and UDP header before `payload`, from the client to the VIP's echo port. The kernel ignores
/// a UDP checksum of zero, and the IPv4 checksum is computed here.
fn udp_packet(source_port: u16, payload: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes();
    let mut packet = vec![0x45, 0];
    packet.extend(length(28 + payload.len()));
    packet.extend([0, 1, 0, 0, 64, 17, 0, 0]);
    packet.extend(CLIENT.octets());
    packet.extend(VIP.octets());
    let checksum = sum(&packet);
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet.extend(source_port.to_be_bytes());
    packet.extend(ECHO_VPORT.to_be_bytes());
    packet.extend(length(8 + payload.len()));
    packet.extend([0, 0]);
    packet.extend(payload);
    packet
}

/// The Internet checksum of `bytes`.
fn sum(bytes: &[u8]) -> u16 {
    let words =
        bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
    let total = words.fold(0_u32, |total, word| {
        let total = total + u32::from(word);
        (total & 0xffff) + (total >> 16)
    });
    !u16::try_from(total).unwrap_or(u16::MAX)
}

/// What a packet socket on the director's machine sees is fit for a wire: no frame is longer than
/// the MTU allows and every TCP checksum is right.
fn director_gets_finished_frames() -> Result<(), Failed> {
    const BYTES: usize = 1 << 20;
    let lab = Lab::new(Mode::Nat)?;
    let director = lab.director_namespace();
    // For this test the kernel plays the director, so that there is someone to talk to.
    director.ip(&format!("address add {DIRECTOR_WAN}/24 dev {WAN_DEVICE}"))?;
    director.ip(&format!("route add default via {ROUTER_WAN}"))?;
    director.set("ipv4/conf/all/arp_ignore", 0)?;
    let listener = director.enter(|| TcpListener::bind((DIRECTOR_WAN, 9)))??;
    let mut frames = director.enter(|| {
        let every_protocol = Protocol::from(i32::from(3_u16.to_be()));
        Socket::new(Domain::PACKET, Type::RAW, Some(every_protocol))
    })??;
    frames.set_recv_buffer_size(4 << 20)?;
    frames.set_read_timeout(Some(Duration::from_millis(300)))?;
    let sender = lab.client().namespace().spawn("sender", || {
        let stream = TcpStream::connect((DIRECTOR_WAN, 9));
        Ok(stream.and_then(|mut stream| stream.write_all(&vec![0xa5; BYTES])))
    })?;
    let (mut stream, _) = listener.accept()?;
    let received = io::copy(&mut stream, &mut io::sink())?;
    sender.join().map_err(|_| "the sender panicked")???;
    assert_eq!(received, BYTES as u64);

    let (mut frame, mut segments) = ([0; 1 << 16], 0);
    while let Ok(length) = frames.read(&mut frame) {
        let frame = &frame[..length];
        if frame[12..14] != [8, 0] || frame[23] != 6 || frame[26..30] != CLIENT.octets() {
            continue;
        }
        assert!(length <= 1514, "a frame of {length} bytes");
        assert_eq!(tcp_sum(&frame[14..]), 0, "a wrong checksum in a frame of {length} bytes");
        segments += 1;
    }
    assert!(segments > 0, "no segment was seen");
    Ok(())
}

/// The checksum over a TCP segment in an IPv4 packet without options: 0 if its own is right.
fn tcp_sum(packet: &[u8]) -> u16 {
    let total_len = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    let segment = &packet[20..total_len];
    let length = u16::try_from(segment.len()).unwrap_or(u16::MAX).to_be_bytes();
    sum(&[&packet[12..20], &[0, 6], &length, segment].concat())
}

fn namespace_exists(name: &str) -> bool {
    Path::new("/run/netns").join(name).exists()
}

fn nothing_stays_behind() -> Result<(), Failed> {
    let lab = Lab::new(Mode::Tun)?;
    let directory = lab.directory();
    let namespaces: Vec<_> = lab
        .real_servers
        .iter()
        .map(|server| server.namespace().name().to_owned())
        .chain([
            lab.director_namespace().name().to_owned(),
            lab.client().namespace().name().to_owned(),
        ])
        .collect();
    assert!(namespaces.iter().all(|name| namespace_exists(name)) && directory.exists());
    drop(lab);
    assert!(!namespaces.iter().any(|name| namespace_exists(name)), "a namespace is left");
    assert!(!directory.exists(), "{} is left", directory.display());
    Ok(())
}

fn leftovers_of_a_killed_run_are_removed() -> Result<(), Failed> {
    let mut process = Command::new("true").spawn()?;
    let dead = process.id();
    process.wait()?;
    let namespace = format!("rvs-lab-{dead}-0-director");
    let directory: PathBuf = std::env::temp_dir().join(format!("rvs-lab-{dead}-0"));
    command::run(command::program("ip").args(["netns", "add", &namespace]))?;
    std::fs::create_dir(&directory)?;
    let mut forgotten =
        command::program("ip").args(["netns", "exec", &namespace, "sleep", "600"]).spawn()?;
    let own = Lab::new(Mode::Dr)?;
    cleanup::remove_leftovers();
    assert!(!namespace_exists(&namespace) && !directory.exists());
    assert!(!forgotten.wait()?.success(), "its process was to be ended");
    assert!(own.directory().exists(), "a standing lab is no leftover");
    assert_eq!(probe::ping(own.client().namespace(), Ipv4Addr::LOCALHOST, b"alive")?, b"alive");
    Ok(())
}
