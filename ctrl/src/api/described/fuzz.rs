//! Requests of all kinds at a running daemon: none brings it down, makes it fail, or changes
//! anything when it is refused.
//!
//! The same requests in every run; `RVS_FUZZ=N` tries N others.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde_json::Value;

use super::any::Choices;
use super::{Got, Sent, assert_fits, document, exchange, operations};
use crate::testing::{ECHO, Rig, Server};

/// Requests in every run.
const CASES: u32 = 400;

/// Tries `check` with many lists of choices.
fn try_many(check: impl Fn(&mut Choices<'_>) -> Result<(), TestCaseError>) {
    let cases: Option<u32> =
        std::env::var("RVS_FUZZ").ok().map(|count| count.parse().expect("RVS_FUZZ is a number"));
    let config = Config { cases: cases.unwrap_or(CASES), ..Config::default() };
    let config = Config { failure_persistence: None, ..config };
    let mut runner = match cases {
        Some(_) => TestRunner::new(config),
        None => {
            let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
            TestRunner::new_with_rng(config, rng)
        }
    };
    let outcome = runner.run(&vec(any::<u32>(), 0..64), |list| check(&mut Choices::of(&list)));
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// What every answer must be.
fn check(document: &Value, sent: &Sent, got: &Got) {
    let path = sent.target.split(['?', '#']).next().unwrap();
    assert!(got.status < 500 || matches!(got.status, 503 | 504), "{sent:?}: {got:?}");
    // What GET answers, without the body.
    let method = if sent.method == "HEAD" { "GET" } else { sent.method.as_str() };
    let described = operations(document).into_iter().find(|(its_method, described, _)| {
        let same = |(a, b): (&str, &str)| a == b || (a.starts_with('{') && !b.is_empty());
        let count = path.split('/').count() == described.split('/').count();
        its_method == method && count && described.split('/').zip(path.split('/')).all(same)
    });
    if let Some((_, _, operation)) = described {
        let response = &operation["responses"][got.status.to_string()];
        assert!(response.is_object(), "{} is not described: {sent:?}: {got:?}", got.status);
    } else {
        assert!(matches!(got.status, 200 | 400 | 403 | 404 | 405 | 414), "{sent:?}: {got:?}");
    }
    if got.status >= 400 && sent.method != "HEAD" {
        let refusal = document.pointer("/components/schemas/Refusal").unwrap();
        let answer: Value = serde_json::from_slice(&got.body).unwrap_or_default();
        assert_fits(document, refusal, &answer);
        assert!(answer["error"].as_str().is_some_and(|error| !error.is_empty()), "{sent:?}");
    }
}

fn assert_answers(server: &Server) {
    let got = Sent::new("GET", "/v1/status", "", b"").to(server);
    assert_eq!(got.status, 200);
}

#[test]
fn requests_of_all_kinds_are_answered_and_refused_ones_change_nothing() {
    let rig = Rig::turning(ECHO);
    let server = Server::start(&rig.state);
    let document = document();
    let seen = RefCell::new(BTreeSet::new());
    let wanted = || rig.state.desk.desired().0.config();
    try_many(|choices| {
        let before = wanted();
        let sent = choices.request(&document);
        let got = sent.to(&server);
        check(&document, &sent, &got);
        seen.borrow_mut().insert(got.status);
        // 504 is the answer about what was done and not seen to its end.
        if got.status >= 400 && got.status != 504 {
            assert!(before == wanted(), "{sent:?}: {got:?}");
        }
        Ok(())
    });
    assert_answers(&server);
    // They are of all kinds.
    let seen = seen.into_inner();
    assert!([200, 400, 403, 404, 405, 422].iter().all(|status| seen.contains(status)), "{seen:?}");
}

#[test]
fn bytes_that_are_no_request_harm_nobody() {
    let rig = Rig::turning(ECHO);
    let server = Server::start(&rig.state);
    let before = rig.state.in_force.load_full();
    try_many(|choices| {
        let bytes = choices.garbage();
        let answer = exchange(&server, &bytes, true);
        let text = String::from_utf8_lossy(&answer);
        let status = text.strip_prefix("HTTP/1.").map(|rest| rest[2..5].to_owned());
        let is_fine = status.is_none_or(|status| matches!(&status[..1], "1" | "2" | "4"));
        assert!(is_fine, "{bytes:?}: {text}");
        Ok(())
    });
    assert_answers(&server);
    assert!(Arc::ptr_eq(&before, &rig.state.in_force.load_full()));
}
