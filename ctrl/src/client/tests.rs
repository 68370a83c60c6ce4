//! Tests of the tool against daemons that are absent, busy, older, newer, or none at all.

use std::net::TcpListener;
use std::path::Path;
use std::thread::{self, JoinHandle};

use serde::Deserialize;
use tempfile::TempDir;

use super::*;
use crate::exit::Exit;

/// What a request of the tests understands.
#[derive(Debug, Deserialize)]
struct Answer {
    needed: u32,
}

/// A daemon that gives the same answers to one request after the other.
struct Fake {
    directory: TempDir,
    thread: JoinHandle<Vec<String>>,
}

fn response(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// Answers one request from each connection; returns their first lines.
fn serve<S: io::Read + io::Write>(
    mut next: impl FnMut() -> S,
    answers: Vec<String>,
) -> Vec<String> {
    let answer = |answer: String| {
        let mut stream = next();
        let mut request = [0; 4096];
        let length = stream.read(&mut request).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    };
    answers.into_iter().map(answer).collect()
}

impl Fake {
    fn answering(answers: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = std::os::unix::net::UnixListener::bind(directory.path().join("s")).unwrap();
        let answers = answers.iter().map(|(status, body)| response(status, body)).collect();
        let thread = thread::spawn(move || serve(|| listener.accept().unwrap().0, answers));
        Self { directory, thread }
    }

    fn daemon(&self) -> Daemon {
        Daemon::at(self.directory.path().join("s"))
    }

    /// The error of a request, and the requests that came.
    fn error(self) -> (CtrlError, String, Vec<String>) {
        let error = self.daemon().ask::<Answer>("/v1/thing", &[("x", "a b".into())]).unwrap_err();
        let text = error.to_string();
        (error, text, self.thread.join().unwrap())
    }
}

const OLD: (&str, &str) = ("200 OK", r#"{"version": "0.0.7", "pid": 1}"#);

#[test]
fn parameters_are_encoded_and_unknown_fields_ignored() {
    let fake = Fake::answering(&[("200 OK", r#"{"needed": 7, "later": [1, 2]}"#)]);
    let answer: Answer = fake.daemon().ask("/v1/thing", &[("x", "a b&c".into())]).unwrap();
    assert_eq!(answer.needed, 7);
    let requests = fake.thread.join().unwrap();
    assert!(requests[0].starts_with("GET /v1/thing?x=a%20b%26c HTTP/1.1\r\n"), "{requests:?}");
}

#[test]
fn an_older_daemon_is_told_by_name() {
    let lacking = r#"{"error": "no such resource"}"#;
    let method = r#"{"error": "resources are read with GET"}"#;
    let parameter = r#"{"error": "there is no parameter `x`"}"#;
    for (refusal, why) in [
        (("404 Not Found", lacking), "it does not know GET /v1/thing"),
        (("404 Not Found", "<html>"), "it does not know GET /v1/thing"),
        (("405 Method Not Allowed", method), "it does not know GET /v1/thing"),
        (("400 Bad Request", parameter), "there is no parameter `x`"),
    ] {
        // A 400 may be just wrong, so it takes one more look at the version.
        let asks = if refusal.0.starts_with("400") { 2 } else { 1 };
        let answers = [&[refusal][..], &vec![OLD; asks]].concat();
        let (error, text, requests) = Fake::answering(&answers).error();
        assert_eq!(Exit::of(&error), Exit::OtherRelease, "{text}");
        for part in ["(0.0.7; this is rvs ", why, "Restart the daemon with this release"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(requests[1].starts_with("GET /v1/status "), "{requests:?}");
    }
}

#[test]
fn what_is_wrong_with_a_request_is_told_as_the_daemon_tells_it() {
    let same = format!(r#"{{"version": "{}"}}"#, env!("CARGO_PKG_VERSION"));
    let refusal = ("400 Bad Request", r#"{"error": "parameter `x`: no"}"#);
    let (error, text, _) = Fake::answering(&[refusal, ("200 OK", &same)]).error();
    assert_eq!((Exit::of(&error), text.as_str()), (Exit::Failed, "parameter `x`: no"));
    let refusal = ("404 Not Found", r#"{"error": "there is no service web"}"#);
    let (error, text, _) = Fake::answering(&[refusal]).error();
    assert_eq!((Exit::of(&error), text.as_str()), (Exit::Failed, "there is no service web"));
}

#[test]
fn a_newer_daemon_without_a_field_is_told_by_name() {
    let newer = r#"{"version": "9.0.0"}"#;
    let answers = [("200 OK", r#"{"other": 1}"#), ("200 OK", newer), ("200 OK", newer)];
    let (error, text, _) = Fake::answering(&answers).error();
    assert_eq!(Exit::of(&error), Exit::OtherRelease);
    assert!(text.contains("(9.0.0; ") && text.contains("missing field `needed`"), "{text}");
}

#[test]
fn busy_denied_and_absent_have_statuses_of_their_own() {
    let busy = ("503 Service Unavailable", r#"{"error": "too many listings"}"#);
    let (error, text, _) = Fake::answering(&[busy]).error();
    assert_eq!(Exit::of(&error), Exit::Busy);
    assert!(text.contains("busy: too many listings") && text.contains("try again"), "{text}");
    let denied = ("403 Forbidden", r#"{"error": "user 1000 may only read"}"#);
    let (error, text, _) = Fake::answering(&[denied]).error();
    assert_eq!(Exit::of(&error), Exit::Unreachable);
    assert!(text.contains("user 1000 may only read"), "{text}");
    let error = Daemon::at(Path::new("/nonexistent").into()).ask::<Answer>("/", &[]).unwrap_err();
    assert_eq!(Exit::of(&error), Exit::Unreachable);
    let text = error.to_string();
    assert!(text.contains("/nonexistent") && text.contains("RVS_SOCKET"), "{text}");
}

#[test]
fn over_tcp_the_token_goes_along() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let daemon = Daemon(Address::Tcp { authority: authority.clone(), token: "secret".into() });
    let answers = vec![response("200 OK", r#"{"needed": 1}"#)];
    let thread = thread::spawn(move || serve(|| listener.accept().unwrap().0, answers));
    assert_eq!(daemon.ask::<Answer>("/v1/thing", &[]).unwrap().needed, 1);
    let request = thread.join().unwrap().remove(0).to_lowercase();
    assert!(request.contains("authorization: bearer secret"), "{request}");
    assert!(request.contains(&format!("host: {authority}")), "{request}");
    // Nobody listens there any more.
    let error = daemon.ask::<Answer>("/v1/thing", &[]).unwrap_err();
    assert_eq!(Exit::of(&error), Exit::Unreachable);
    assert!(error.to_string().contains(&format!("http://{authority}")), "{error}");
}
