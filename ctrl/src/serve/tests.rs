//! Clients that are slow, many, or not what they should be, against a daemon without DPDK.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::connection::{self, Came};
use super::gate::Gate;
use super::places::{CONNECTIONS_MAX, Client, Places};
use super::*;
use crate::api::{Role, router};
use crate::testing::{ECHO, Rig, Server as TestServer};
use crate::tokens::TokenFile;

const GET: &str = "GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n";
const SECOND: Duration = Duration::from_secs(1);

/// The client's end of a connection with room for `room` bytes each way, and its server's task.
fn connect(rig: &Rig, room: usize) -> (DuplexStream, JoinHandle<()>) {
    let (ours, theirs) = duplex(room);
    let gate = Gate::new(router(Arc::clone(&rig.state)), Arc::clone(&rig.state.access));
    let place = Places::default().take(Client::Admin).unwrap();
    let task = async move {
        connection::serve(ours, Came::BySocket(Role::Admin), &gate, place).await;
    };
    (theirs, tokio::spawn(task))
}

/// The same over TCP, with this file of tokens.
fn connect_by_tcp(rig: &Rig, tokens: TokenFile) -> DuplexStream {
    let (ours, theirs) = duplex(4096);
    let gate = Gate::new(router(Arc::clone(&rig.state)), Arc::new(Access::by_tokens(tokens)));
    let place = Places::default().take(Client::Stranger).unwrap();
    tokio::spawn(async move { connection::serve(ours, Came::ByTcp, &gate, place).await });
    theirs
}

/// Sends a byte a second of `bytes`, until there are no more or nobody takes them.
async fn drip(client: &mut DuplexStream, bytes: &[u8]) {
    for byte in bytes {
        if client.write_all(&[*byte]).await.is_err() {
            return;
        }
        sleep(SECOND).await;
    }
}

async fn rest_of(client: &mut DuplexStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test(start_paused = true)]
async fn a_head_that_takes_too_long_is_not_waited_for() {
    let rig = Rig::standing(ECHO);
    let (mut client, task) = connect(&rig, 4096);
    let begun = Instant::now();
    drip(&mut client, GET.repeat(2).as_bytes()).await;
    let answers = rest_of(&mut client).await;
    task.await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 0, "{answers}");
    assert!(begun.elapsed() < 2 * connection::HEAD_PATIENCE, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends() {
    let rig = Rig::standing(ECHO);
    let (mut client, task) = connect(&rig, 4096);
    client.write_all(GET.as_bytes()).await.unwrap();
    let begun = Instant::now();
    assert!(rest_of(&mut client).await.starts_with("HTTP/1.1 200 OK"));
    task.await.unwrap();
    assert!(begun.elapsed() >= connection::HEAD_PATIENCE, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_takes_too_long_changes_nothing() {
    let rig = Rig::standing(ECHO);
    let (mut client, _task) = connect(&rig, 4096);
    let head = "POST /v1/apply HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    drip(&mut client, &[b'#'; 100]).await;
    let answer = rest_of(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout"), "{answer}");
    assert!(answer.contains("within 60 s"), "{answer}");
    assert_eq!(rig.state.in_force.load().generation, 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_reads_is_given_up() {
    let rig = Rig::standing(ECHO);
    let (mut client, task) = connect(&rig, 64);
    client.write_all(GET.as_bytes()).await.unwrap();
    let begun = Instant::now();
    task.await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(30), "{:?}", begun.elapsed());
    let begun = rest_of(&mut client).await;
    assert!(begun.starts_with("HTTP/1.1 200 OK") && begun.len() == 64, "{begun}");
}

#[tokio::test(start_paused = true)]
async fn over_tcp_a_token_says_what_a_client_may_do() {
    let (admin, reader) = ("a".repeat(32), "r".repeat(32));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("admin {admin}\nread-only {reader}\n")).unwrap();
    let rig = Rig::standing(ECHO);
    let unknown = "error=\"invalid_token\"";
    for (method, authorization, status, challenge) in [
        ("GET", String::new(), "401 Unauthorized", "www-authenticate: Bearer realm=\"rvs\"\r\n"),
        ("GET", format!("Basic {admin}"), "401 Unauthorized", unknown),
        ("GET", format!("Bearer {admin}x"), "401 Unauthorized", unknown),
        ("GET", "Bearer".to_owned(), "401 Unauthorized", unknown),
        ("GET", "Bearer \u{e4}".to_owned(), "401 Unauthorized", unknown),
        ("GET", format!("Bearer {reader}"), "200 OK", ""),
        ("GET", format!("bearer  {admin}"), "200 OK", ""),
        ("POST", format!("Bearer {reader}"), "403 Forbidden", "error=\"insufficient_scope\""),
        ("POST", format!("Bearer {admin}"), "422 Unprocessable Entity", ""),
    ] {
        let mut client = connect_by_tcp(&rig, TokenFile::open(file.path()).unwrap());
        let target = if method == "GET" { "/v1/status" } else { "/v1/apply" };
        let mut request = format!(
            "{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n"
        );
        if !authorization.is_empty() {
            request += &format!("authorization: {authorization}\r\n");
        }
        client.write_all((request + "\r\n").as_bytes()).await.unwrap();
        let answer = rest_of(&mut client).await;
        let expected = format!("HTTP/1.1 {status}\r\n");
        assert!(answer.starts_with(&expected), "{method} {authorization}: {answer}");
        assert!(answer.contains(challenge), "{method} {authorization}: {answer}");
        assert!(!answer.contains(&admin), "{answer}");
    }
}

/// A request's head that is not quite finished.
fn half(server: &TestServer) -> UnixStream {
    let mut stream = UnixStream::connect(server.socket()).unwrap();
    stream.write_all(b"GET /v1/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n").unwrap();
    stream
}

/// Finishes it and reads the answer.
fn finish(mut stream: UnixStream) -> String {
    let mut answer = String::new();
    // A connection that was refused may be gone before it is written to.
    let _ = stream.write_all(b"\r\n");
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn many_clients_at_once_are_served_or_told_why_not() {
    let rig = Rig::turning(ECHO);
    let server = TestServer::start(&rig.state);
    let served: Vec<_> = (0..CONNECTIONS_MAX).map(|_| half(&server)).collect();
    let refused: Vec<_> = (0..44).map(|_| half(&server)).collect();
    for stream in refused {
        let answer = finish(stream);
        assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable"), "{answer}");
        assert!(answer.contains("too many connections") && answer.contains("retry-after: 1"));
    }
    for stream in served {
        assert!(finish(stream).starts_with("HTTP/1.1 200 OK"));
    }
    // Places come back when the server has noticed that clients went.
    while !finish(half(&server)).starts_with("HTTP/1.1 200 OK") {
        std::thread::yield_now();
    }
}

#[test]
fn requests_of_pages_in_browsers_and_without_a_host_are_refused() {
    let rig = Rig::turning(ECHO);
    let server = TestServer::start(&rig.state);
    for (headers, status) in [
        ("host: x\r\norigin: http://evil.example\r\n", "403 Forbidden"),
        ("host: x\r\norigin: null\r\n", "403 Forbidden"),
        ("", "400 Bad Request"),
        ("host: x\r\nhost: y\r\n", "400 Bad Request"),
        ("host: x\r\n", "200 OK"),
    ] {
        let mut stream = UnixStream::connect(server.socket()).unwrap();
        let request = format!("GET /v1/status HTTP/1.1\r\nconnection: close\r\n{headers}");
        stream.write_all(request.as_bytes()).unwrap();
        let answer = finish(stream);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{headers}: {answer}");
        assert!(answer.contains("cache-control: no-store"), "{answer}");
        assert!(!answer.contains("access-control"), "{answer}");
    }
}

#[test]
fn a_client_that_reads_nothing_stalls_nobody() {
    let rig = Rig::turning(ECHO);
    rig.datagrams("192.0.2.10:7", 5000);
    let server = TestServer::start(&rig.state);
    let mut stuck = UnixStream::connect(server.socket()).unwrap();
    stuck.write_all(b"GET /v1/flows HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let begun = std::time::Instant::now();
    for _ in 0..20 {
        assert!(finish(half(&server)).starts_with("HTTP/1.1 200 OK"));
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
