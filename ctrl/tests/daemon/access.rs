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
    daemon.wait_until("its tokens are read", |_| ask(port, READER) == "HTTP/1.1 200 OK");
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
fn the_tool_comes_in_over_tcp_with_a_token() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let tokens = file("tokens", &format!("admin {ADMIN}\nread-only {READER}\n"));
    let daemon = Daemon::start(
        site(&format!("tcp: {{listen: \"127.0.0.1:{port}\", tokens: {tokens}}}")),
        &[],
    );
    let url = format!("http://127.0.0.1:{port}");
    let (admin, reader) = (file("admin", &format!("{ADMIN}\n")), file("reader", READER));
    let with = |token: &str, arguments: &[&str]| -> (i32, String, String) {
        let output = rvs(arguments).args(["--url", &url, "--token-file", token]).output().unwrap();
        let [out, err] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(!err.contains(ADMIN) && !err.contains(READER), "{err}");
        (output.status.code().unwrap(), out, err)
    };
    let change = ["set", "web", "192.0.2.11", "weight=7"];
    for token in [&admin, &reader] {
        let (status, out, err) = with(token, &["show", "services"]);
        assert!(status == 0 && out.contains("-> 192.0.2.11:8080"), "{out}{err}");
    }
    let (status, _, err) = with(&reader, &change);
    assert_eq!(status, 3, "{err}");
    names(&err, &["permission denied on", &url, "may read only"]);
    assert_eq!(with(&admin, &change), (0, "192.0.2.11:8080 of web: changed\n".into(), "".into()));
    let shown = daemon.site.shown(&["real-servers", "--real", "192.0.2.11", "--json"]);
    assert!(shown.contains("\"weight\":7"), "{shown}");

    let (status, out, err) = with(&file("wrong", "00000000000000000000000000000000"), &["zero"]);
    assert_eq!((status, out.as_str()), (3, ""), "{err}");
    names(&err, &["permission denied on", &url, "this token is not known here"]);
    for (token, why) in [(file("empty", "\n"), "one word"), ("/no/such".into(), "No such file")] {
        let (status, _, err) = with(&token, &["show", "services"]);
        assert_eq!(status, 2, "{err}");
        names(&err, &["--token-file", &token, why]);
    }
    let (status, _, err) = with(&admin, &["save"]);
    assert_eq!(status, 2, "{err}");
    names(&err, &["own file is on its machine", "name a FILE"]);

    drop(daemon);
    let (status, _, err) = with(&admin, &["show", "services"]);
    assert_eq!(status, 3, "{err}");
    names(&err, &["no RVS daemon answers at", &url]);
}

/// Writes the site's file anew with these keys of `control` beside the socket, and applies it.
fn apply_with(site: &Site, keys: &str) -> Output {
    let text = fs::read_to_string(&site.config).unwrap();
    let (before, rest) = text.split_once("control: {").unwrap();
    let (control, after) = rest.split_once("}\n").unwrap();
    let (_, socket) = control.rsplit_once("socket: ").unwrap();
    let text = format!("{before}control: {{{keys}socket: {socket}}}\n{after}");
    fs::write(&site.config, text).unwrap();
    let config = site.config.to_str().unwrap();
    rvs(&["apply", config, "--socket"]).arg(&site.socket).output().unwrap()
}

fn is_applied(site: &Site, keys: &str) {
    let output = apply_with(site, keys);
    assert!(output.status.success(), "{keys}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn who_is_let_in_changes_while_it_runs() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: it takes root to become another user");
        return;
    }
    let daemon = Daemon::start(site("mode: 0600"), &[]);
    let site = &daemon.site;
    let shows = || as_stranger(site, &["show", "services"]).status.success();
    assert!(!shows());
    is_applied(site, "mode: 0660, group: 65534, ");
    assert!(mode(&site.socket) == 0o660 && shows());
    let zero = || as_stranger(site, &["zero"]).status.success();
    assert!(!zero());
    is_applied(site, "mode: 0660, group: 65534, admins: [\"@65534\"], ");
    assert!(zero());
    // Of one that cannot be done nothing is.
    let output = apply_with(site, "mode: 0666, admins: [no-such-user], ");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    names(&text, &["control.admins", "no-such-user"]);
    assert!(mode(&site.socket) == 0o660 && zero());
    is_applied(site, "");
    assert!(mode(&site.socket) == 0o600 && !shows());
}

#[test]
fn tcp_is_switched_on_moved_and_off_while_it_runs() {
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let tokens = [ADMIN, READER].map(|token| {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), format!("read-only {token}\n")).unwrap();
        file
    });
    let tcp = |port: u16, tokens: &tempfile::NamedTempFile| {
        format!("tcp: {{listen: \"127.0.0.1:{port}\", tokens: {}}}, ", tokens.path().display())
    };
    let (first, second) = (free(), free());
    let daemon = Daemon::start(site("mode: 0600"), &[]);
    let site = &daemon.site;
    is_applied(site, &tcp(first, &tokens[0]));
    assert_eq!(ask(first, ADMIN), "HTTP/1.1 200 OK");
    // Other tokens, at the same place.
    is_applied(site, &tcp(first, &tokens[1]));
    assert_eq!(ask(first, ADMIN), "HTTP/1.1 401 Unauthorized");
    assert_eq!(ask(first, READER), "HTTP/1.1 200 OK");
    is_applied(site, &tcp(second, &tokens[1]));
    assert_eq!(ask(second, READER), "HTTP/1.1 200 OK");
    assert!(TcpStream::connect(("127.0.0.1", first)).is_err(), "moved");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = apply_with(site, &tcp(taken.local_addr().unwrap().port(), &tokens[0]));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    names(&text, &["address already in use", "choose another"]);
    fs::set_permissions(tokens[0].path(), Permissions::from_mode(0o644)).unwrap();
    let output = apply_with(site, &tcp(second, &tokens[0]));
    names(&String::from_utf8(output.stderr).unwrap(), &["mode is 0644", "chmod 600"]);
    assert_eq!(ask(second, READER), "HTTP/1.1 200 OK", "as before");

    is_applied(site, "");
    assert!(TcpStream::connect(("127.0.0.1", second)).is_err(), "off");
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
