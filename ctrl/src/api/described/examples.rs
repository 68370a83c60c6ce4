//! A request for each operation that succeeds.

use super::Sent;
use crate::testing::{ECHO, text};

/// A request for the operation of this name, on a daemon that serves [`ECHO`].
pub(super) fn example(id: &str, method: &str, path: &str) -> Sent {
    let yaml = |text: &str| Sent::new(method, path, "application/yaml", text.as_bytes());
    match id {
        "apply" | "plan" => yaml(&text(ECHO)),
        _ if method == "GET" => Sent::new(method, path, "application/json", b""),
        _ => panic!("no example for {id}, {method} {path}: add one here"),
    }
}

/// The status of the answer where it is not one of success: a rig has no file of its own.
pub(super) fn refused_with(id: &str) -> Option<u16> {
    (id == "plan_own").then_some(422)
}
