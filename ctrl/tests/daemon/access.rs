//! Who may do what on a running daemon: users on the socket, holders of tokens over TCP.

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Output;

use crate::support::{Daemon, PORTS, Site, mode, names, rvs};

/// A user and a group that own nothing here.
const STRANGER: u32 = 65_534;
const ADMIN: &str = "0123456789abcdef0123456789abcdef";
const READER: &str = "fedcba9876543210fedcba9876543210";

/// A site whose `control` has these keys, too.
fn site(keys: &str) -> Site {
    let site = Site::new(PORTS);
    let text = fs::read_to_string(&site.config).unwrap();
    let text = text.replace("control: {", &format!("control: {{{keys}, "));
    fs::write(&site.config, text).unwrap();
    // Others get to the socket, the binary and the configuration.
    fs::set_permissions(site.directory.path(), Permissions::from_mode(0o755)).unwrap();
    fs::copy(rvs(&[]).get_program(), site.directory.path().join("rvs")).unwrap();
    site
}

/// `rvs` as the stranger.
fn as_stranger(site: &Site, arguments: &[&str]) -> Output {
    let mut command = std::process::Command::new(site.directory.path().join("rvs"));
    let command = command.args(arguments).arg("--socket").arg(&site.socket);
    command.uid(STRANGER).gid(STRANGER).output().unwrap()
}

fn apply_as_stranger(site: &Site) -> Output {
    as_stranger(site, &["apply", site.config.to_str().unwrap()])
}

#[test]
fn users_on_the_socket_read_and_admins_change() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: it takes root to become another user");
        return;
    }
    let daemon = Daemon::start(site("mode: 0660, group: 65534"), &[]);
    let site_of = &daemon.site;
    assert_eq!(mode(&site_of.socket), 0o660);
    assert!(as_stranger(site_of, &["show", "services"]).status.success());
    let refused = apply_as_stranger(site_of);
    assert_eq!(refused.status.code(), Some(3));
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(text.contains("may read only") && text.contains("admins"), "{text}");
    drop(daemon);

    for keys in ["mode: 0666, admins: [65534]", "mode: 0666, admins: [\"@65534\"]"] {
        let daemon = Daemon::start(site(keys), &[]);
        let applied = apply_as_stranger(&daemon.site);
        assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    }
}

/// The status line of the answer to GET /v1/status over TCP.
fn ask(port: u16, token: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = format!(
        "GET /v1/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         authorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn tokens_let_in_over_tcp_and_are_read_again() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let tokens = tempfile::NamedTempFile::new().unwrap();
    fs::write(tokens.path(), format!("admin {ADMIN}\n")).unwrap();
    let path = tokens.path().display();
    let mut daemon =
        Daemon::start(site(&format!("tcp: {{listen: \"127.0.0.1:{port}\", tokens: {path}}}")), &[]);
    assert_eq!(ask(port, ADMIN), "HTTP/1.1 200 OK");
    assert_eq!(ask(port, READER), "HTTP/1.1 401 Unauthorized");

    fs::write(tokens.path(), format!("read-only {READER}\n")).unwrap();
    daemon.signal("HUP");
    while ask(port, READER) != "HTTP/1.1 200 OK" {
        assert!(daemon.is_running(), "{}", daemon.log());
    }
    assert_eq!(ask(port, ADMIN), "HTTP/1.1 401 Unauthorized");

    // A file that is not in order takes nothing from those who are in.
    fs::write(tokens.path(), "read-only secret\n").unwrap();
    let config = daemon.site.config.display().to_string();
    let output = rvs(&["apply", &config, "--socket"]).arg(&daemon.site.socket).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("stay as they were: line 1"), "{text}");
    assert!(!text.contains("secret") && !daemon.log().contains(ADMIN), "{text}");
    assert_eq!(ask(port, READER), "HTTP/1.1 200 OK");
}

#[test]
fn what_keeps_the_api_from_tcp_is_told_before_anything_is_started() {
    let tokens = tempfile::NamedTempFile::new().unwrap();
    fs::set_permissions(tokens.path(), Permissions::from_mode(0o644)).unwrap();
    let path = tokens.path().display().to_string();
    let text = site(&format!("tcp: {{listen: \"127.0.0.1:9\", tokens: {path}}}")).refused();
    names(&text, &[&path, "mode is 0644", "chmod 600"]);

    fs::set_permissions(tokens.path(), Permissions::from_mode(0o600)).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let text = site(&format!("tcp: {{listen: \"{address}\", tokens: {path}}}")).refused();
    names(&text, &[&address, "address already in use", "choose another"]);

    let text = site("group: no-such-group").refused();
    names(&text, &["control.group", "no-such-group", "cannot be found"]);
}
