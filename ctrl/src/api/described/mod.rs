//! Tests of the API against its description: what the file says is what the server does.

mod any;
mod examples;
mod file;
mod fuzz;
mod operations;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;

use super::{openapi, routes};
use crate::testing::Server;

/// How long an answer may take: longer than anything the API waits for with a worker that turns.
const PATIENCE: Duration = Duration::from_secs(30);

/// The description, as it is sent.
fn document() -> Value {
    serde_json::from_str(&openapi::text(&routes().table)).unwrap()
}

/// A request as it goes over the wire, but for the headers that all have.
#[derive(Clone, Debug, Default)]
struct Sent {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
struct Got {
    status: u16,
    media_type: String,
    body: Vec<u8>,
}

impl Sent {
    fn new(method: &str, target: &str, media_type: &str, body: &[u8]) -> Self {
        let headers = vec![("content-type".to_owned(), media_type.as_bytes().to_vec())];
        Self { method: method.into(), target: target.into(), headers, body: body.to_vec() }
    }

    /// HTTP/1.0, so that the end of the connection is the end of the answer.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.0\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", self.body.len()).as_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Sends it and reads the answer.
    fn to(&self, server: &Server) -> Got {
        let answer = exchange(server, &self.bytes(), false);
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer to {self:?}: {answer:?}"));
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let kind = head.lines().find_map(|line| line.strip_prefix("content-type: "));
        let media_type = kind.unwrap_or_default().to_owned();
        Got { status, media_type, body: answer[end + 4..].to_vec() }
    }
}

/// Sends these bytes and reads what comes back until the connection ends; `is_all` tells the server
/// that there will be no more.
fn exchange(server: &Server, bytes: &[u8], is_all: bool) -> Vec<u8> {
    let mut stream = UnixStream::connect(server.socket()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // It may have been refused, and closed, before its end.
    let _ = stream.write_all(bytes);
    if is_all {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return answer,
            Ok(length) => answer.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return answer,
            Err(error) => panic!("no end of an answer: {error}"),
        }
    }
}

/// Asserts that `value` is what the schema `schema` of `document` says.
#[track_caller]
fn assert_fits(document: &Value, schema: &Value, value: &Value) {
    let mut whole = schema.clone();
    whole["components"] = document["components"].clone();
    let validator = jsonschema::draft202012::new(&whole).unwrap();
    let errors: Vec<_> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?} in {value}");
}

/// The operations of `document`: method, path, and what is said about them.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let of = |(path, methods): (&String, &'_ Value)| -> Vec<(String, String)> {
        let methods = methods.as_object().unwrap().keys();
        methods.map(|method| (method.clone(), path.clone())).collect()
    };
    let named = paths.flat_map(of);
    named
        .map(|(method, path)| {
            let operation = &document["paths"][&path][&method];
            (method.to_uppercase(), path, operation)
        })
        .collect()
}
