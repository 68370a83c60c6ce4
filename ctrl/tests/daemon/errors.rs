//! What keeps a daemon from starting, each in one paragraph that names the cause and the way out.

use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

use crate::support::{Daemon, PORTS, Site, names, rvs, signal};

/// One port with this device, in the subnet of the test's addresses.
fn one_port(device: &str) -> Site {
    Site::new(&format!("  wan: {{device: \"{device}\", addresses: [192.0.2.2/24]}}"))
}

#[test]
fn a_driver_that_does_not_exist() {
    let text = one_port("net_nul0").refused();
    names(&text, &["port wan", "net_nul0", "no driver named net_nul", "net_af_packet0"]);
}

#[test]
fn arguments_that_the_driver_refuses() {
    let text = one_port("net_null0,colour=blue").refused();
    names(&text, &["port wan", "net_null0,colour=blue", "its driver refuses it", "Correct"]);
}

#[test]
fn an_interface_that_does_not_exist() {
    let text = one_port("net_af_packet0,iface=nosuch0").refused();
    names(&text, &["port wan", "no network interface nosuch0", "`ip link`"]);
}

#[test]
fn an_interface_that_is_not_named() {
    let text = one_port("net_af_packet0").refused();
    names(&text, &["port wan", "net_af_packet", "iface=NAME"]);
}

#[test]
fn a_pci_device_that_does_not_exist() {
    let text = one_port("fffe:ff:1f.7").refused();
    names(&text, &["port wan", "no PCI device fffe:ff:1f.7", "`lspci -D`"]);
}

#[test]
fn too_little_memory_for_the_descriptors() {
    let ports = "  wan: {device: net_null0, addresses: [192.0.2.2/24], mtu: 9000, \
                 rx_descriptors: 8192, tx_descriptors: 8192}";
    let text = Site::with_memory(ports, "64M").refused();
    names(&text, &["64 MiB", "1 port", "dpdk: {memory: ", "rx_descriptors"]);
}

#[test]
fn eal_arguments_that_dpdk_does_not_know() {
    let site = one_port("net_null0");
    let config = std::fs::read_to_string(&site.config).unwrap();
    std::fs::write(&site.config, config.replace("[--no-huge]", "[--no-huge, --levitate]")).unwrap();
    names(&site.refused(), &["DPDK does not start", "dpdk.eal_args"]);
}

#[test]
fn a_file_where_the_socket_should_be() {
    let site = Site::new(PORTS);
    std::fs::create_dir(site.socket.parent().unwrap()).unwrap();
    std::fs::write(&site.socket, "a letter").unwrap();
    let text = site.refused();
    names(&text, &[&site.socket.display().to_string(), "not a socket", "Remove it"]);
    assert_eq!(std::fs::read_to_string(&site.socket).unwrap(), "a letter");
}

#[test]
fn a_start_that_fails_leaves_no_socket() {
    let site = one_port("net_nul0");
    site.refused();
    assert!(!site.socket.exists());
    // What is in the way of a start is said before the socket is waited for.
    assert_eq!(site.show(&["services"]).status.code(), Some(3));
}

#[test]
fn a_signal_during_the_start_is_not_lost() {
    let site = Site::new(PORTS);
    let mut child = site.run().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // The socket is claimed before anything slow, and signals are taken over right after it.
    let mut log = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut log, &mut line).unwrap();
    assert!(line.contains("memory: "), "{line}");
    signal(child.id(), "TERM");
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut log, &mut rest).unwrap();
    assert!(child.wait().unwrap().success(), "{rest}");
    assert!(rest.contains("SIGTERM: stopping") && !site.socket.exists(), "{rest}");
}

/// Nobody: a user without any rights.
const NOBODY: u32 = 65_534;

#[test]
fn missing_rights_are_told_on_both_sides() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: it takes root to become another user");
        return;
    }
    let daemon = Daemon::start(Site::new(PORTS), &[]);
    let site = &daemon.site;
    open_to_all(site);
    let mut show = rvs_for_all(site, &["show", "services", "--socket"]);
    let output = show.arg(&site.socket).uid(NOBODY).gid(NOBODY).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8(output.stderr).unwrap();
    let socket = site.socket.display().to_string();
    names(&text, &["permission denied on", &socket, "run as root"]);
    drop(daemon);

    let site = one_port("net_af_packet0,iface=lo");
    open_to_all(&site);
    let run = |site: &Site| {
        let mut run = rvs_for_all(site, &["run", "--config"]);
        // EAL would leave a directory in /tmp that other users could not use.
        run.env("XDG_RUNTIME_DIR", site.socket.parent().unwrap());
        let output = run.arg(&site.config).uid(NOBODY).gid(NOBODY).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let text = run(&site);
    let directory = site.socket.parent().unwrap().display().to_string();
    names(&text, &[&directory, "permission denied", "Run as root", "control: {socket: ...}"]);
    std::fs::create_dir(site.socket.parent().unwrap()).unwrap();
    set_mode(site.socket.parent().unwrap(), 0o777);
    let text = run(&site);
    names(&text, &["port wan", "missing rights", "Run as root", "CAP_NET_RAW"]);
}

/// Lets every user look into the directory of a site.
fn open_to_all(site: &Site) {
    set_mode(site.directory.path(), 0o755);
}

fn set_mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The binary where every user can run it: the build directory may be in somebody's home.
fn rvs_for_all(site: &Site, arguments: &[&str]) -> std::process::Command {
    let copy = site.directory.path().join("rvs");
    if !copy.exists() {
        std::fs::copy(rvs(&[]).get_program(), &copy).unwrap();
    }
    let mut command = std::process::Command::new(copy);
    command.args(arguments);
    command
}
