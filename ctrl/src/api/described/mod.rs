//! Tests of the API against its description: what the file says is what the server does.

mod file;

use serde_json::Value;

use super::{openapi, routes};

/// The description, as it is sent.
fn document() -> Value {
    serde_json::from_str(&openapi::text(&routes().table)).unwrap()
}
