//! Each operation of the description, called on a running daemon.

use serde_json::Value;

use super::examples::{example, refused_with};
use super::{assert_fits, document, operations};
use crate::serve::Admins;
use crate::testing::{ECHO, Rig, Server};

#[test]
fn every_operation_answers_as_it_is_described() {
    let document = document();
    for (method, path, operation) in operations(&document) {
        // One each, since some take away what others need.
        let rig = Rig::turning(ECHO);
        rig.datagrams("192.0.2.10:7", 3);
        let server = Server::start(&rig.state);
        let id = operation["operationId"].as_str().unwrap();
        let got = example(id, &method, &path).to(&server);
        if let Some(status) = refused_with(id) {
            assert_eq!(got.status, status, "{method} {path}");
            continue;
        }
        let described = &operation["responses"][got.status.to_string()]["content"];
        assert!(got.status < 300, "{method} {path}: {got:?}");
        let content = &described[&got.media_type];
        assert!(content.is_object(), "{method} {path}: {} is not described", got.media_type);
        if got.media_type == "application/json" {
            let answer: Value = serde_json::from_slice(&got.body).unwrap();
            assert_fits(&document, &content["schema"], &answer);
        }
    }
}

#[test]
fn who_may_read_only_gets_every_read_and_no_change() {
    let rig = Rig::turning(ECHO);
    let server = Server::start_for(&rig.state, Admins::new(Vec::new(), Vec::new()));
    let before = rig.state.in_force.load_full();
    let document = document();
    let mut refused = 0;
    for (method, path, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        let got = example(id, &method, &path).to(&server);
        if operation["x-role"] == "read-only" {
            let is_fine = got.status < 300 || refused_with(id) == Some(got.status);
            assert!(is_fine, "{method} {path}: {got:?}");
            continue;
        }
        assert_eq!(got.status, 403, "{method} {path}");
        let refusal: Value = serde_json::from_slice(&got.body).unwrap();
        let error = refusal["error"].as_str().unwrap();
        assert!(error.contains("may read only") && error.contains("admins"), "{error}");
        refused += 1;
    }
    assert!(refused > 0);
    assert!(std::sync::Arc::ptr_eq(&before, &rig.state.in_force.load_full()));
}

#[test]
fn what_takes_if_match_does_nothing_in_another_generation() {
    let rig = Rig::turning(ECHO);
    let server = Server::start(&rig.state);
    let before = (rig.state.in_force.load_full(), rig.state.desk.desired().1);
    let document = document();
    let mut refused = 0;
    for (method, path, operation) in operations(&document) {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        if parameters.filter(|parameter| parameter["name"] == "If-Match").count() == 0 {
            continue;
        }
        assert_eq!(operation["x-role"], "admin", "{method} {path}");
        let mut sent = example(operation["operationId"].as_str().unwrap(), &method, &path);
        sent.headers.push(("if-match".to_owned(), b"\"7\"".to_vec()));
        let got = sent.to(&server);
        assert_eq!(got.status, 412, "{method} {path}: {got:?}");
        assert!(operation["responses"]["412"].is_object(), "{method} {path}");
        refused += 1;
    }
    assert_eq!(refused, 9, "all in docs/API.md, \"Changing single things\"");
    assert!(std::sync::Arc::ptr_eq(&before.0, &rig.state.in_force.load_full()));
    assert_eq!(before.1, rig.state.desk.desired().1);
}

#[test]
fn a_method_is_a_read_only_if_it_changes_nothing() {
    for route in super::routes().table {
        let is_post = route.method == axum::http::Method::POST;
        let is_get = route.method == axum::http::Method::GET;
        assert!(route.is_change || is_get || (is_post && route.operation.body.is_some()));
        assert!(!(route.is_change && is_get), "{}", route.path);
    }
}
