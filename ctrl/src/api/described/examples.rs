//! A request for each operation that succeeds.

use serde_json::{Value, json};

use super::Sent;
use crate::testing::{ECHO, text};

/// A request for the operation of this name, on a daemon that serves [`ECHO`].
pub(super) fn example(id: &str, method: &str, path: &str) -> Sent {
    let yaml = |text: &str| Sent::new(method, path, "application/yaml", text.as_bytes());
    let path = path.replace("{service}", "echo").replace("{address}", "10.0.0.11:7");
    let plain = || Sent::new(method, &path, "application/json", b"");
    let json =
        |body: Value| Sent::new(method, &path, "application/json", body.to_string().as_bytes());
    match id {
        "apply" | "plan" => yaml(&text(ECHO)),
        "add-service" => {
            json(json!({"protocol": "udp", "vip": "192.0.2.20", "vport": 7, "mode": "dr"}))
        }
        "set-service" => json(json!({"mode": "dr", "scheduler": "wrr"})),
        "add-real-server" => json(json!({"rip": "10.0.0.13"})),
        "set-real-server" => json(json!({"weight": 3})),
        "remove-service" | "remove-real-server" => plain(),
        "set-timeouts" => json(json!({"tcp_s": 60})),
        "edit" => json(json!({"edits": [{"op": "flush"}]})),
        "zero" => json(json!({})),
        "end-flows" => Sent { target: format!("{path}?all=true"), ..plain() },
        _ if method == "GET" => plain(),
        _ => panic!("no example for {id}, {method} {path}: add one here"),
    }
}

/// The status of the answer where it is not one of success: a rig has no file of its own.
pub(super) fn refused_with(id: &str) -> Option<u16> {
    (id == "plan_own").then_some(422)
}
