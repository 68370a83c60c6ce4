//! Tests of the tool against daemons that are absent, busy, older, newer, or none at all.

use std::net::TcpListener;
use std::path::Path;
use std::thread;

use serde::Deserialize;

use super::*;
use crate::exit::Exit;
use crate::testing::{FakeDaemon, answer_all, response};

/// What a request of the tests understands.
#[derive(Debug, Deserialize)]
struct Answer {
    needed: u32,
}

/// The error of a request, and the requests that came.
fn error_of(answers: &[(&str, &str)]) -> (CtrlError, String, Vec<String>) {
    let answers: Vec<_> =
        answers.iter().map(|(status, body)| (*status, (*body).to_owned())).collect();
    let fake = FakeDaemon::answering(&answers);
    let daemon = Daemon::at(fake.socket());
    let error = daemon.ask::<Answer>("/v1/thing", &[("x".into(), "a b".into())]).unwrap_err();
    let text = error.to_string();
    (error, text, fake.requests())
}

const OLD: (&str, &str) = ("200 OK", r#"{"version": "0.0.7", "pid": 1}"#);

#[test]
fn parameters_are_encoded_and_unknown_fields_ignored() {
    let answer = r#"{"needed": 7, "later": [1, 2]}"#.to_owned();
    let fake = FakeDaemon::answering(&[("200 OK", answer)]);
    let answer: Answer =
        Daemon::at(fake.socket()).ask("/v1/thing", &[("x".into(), "a b&c".into())]).unwrap();
    assert_eq!(answer.needed, 7);
    let requests = fake.requests();
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
        let (error, text, requests) = error_of(&[refusal, OLD]);
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
    let (error, text, _) = error_of(&[refusal, ("200 OK", &same)]);
    assert_eq!((Exit::of(&error), text.as_str()), (Exit::Failed, "parameter `x`: no"));
    let refusal = ("404 Not Found", r#"{"error": "there is no service web"}"#);
    let (error, text, _) = error_of(&[refusal]);
    assert_eq!((Exit::of(&error), text.as_str()), (Exit::Failed, "there is no service web"));
}

#[test]
fn a_newer_daemon_without_a_field_is_told_by_name() {
    let newer = ("200 OK", r#"{"version": "9.0.0"}"#);
    let (error, text, _) = error_of(&[("200 OK", r#"{"other": 1}"#), newer]);
    assert_eq!(Exit::of(&error), Exit::OtherRelease);
    assert!(text.contains("(9.0.0; ") && text.contains("missing field `needed`"), "{text}");
}

#[test]
fn busy_denied_and_absent_have_statuses_of_their_own() {
    let busy = ("503 Service Unavailable", r#"{"error": "too many listings"}"#);
    let (error, text, _) = error_of(&[busy]);
    assert_eq!(Exit::of(&error), Exit::Busy);
    assert!(text.contains("busy: too many listings") && text.contains("try again"), "{text}");
    let denied = ("403 Forbidden", r#"{"error": "user 1000 may only read"}"#);
    let (error, text, _) = error_of(&[denied]);
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
    let next = move || Some(listener.accept().unwrap().0);
    let thread = thread::spawn(move || answer_all(next, answers));
    assert_eq!(daemon.ask::<Answer>("/v1/thing", &[]).unwrap().needed, 1);
    let request = thread.join().unwrap().remove(0).to_lowercase();
    assert!(request.contains("authorization: bearer secret"), "{request}");
    assert!(request.contains(&format!("host: {authority}")), "{request}");
    // Nobody listens there any more.
    let error = daemon.ask::<Answer>("/v1/thing", &[]).unwrap_err();
    assert_eq!(Exit::of(&error), Exit::Unreachable);
    assert!(error.to_string().contains(&format!("http://{authority}")), "{error}");
}
