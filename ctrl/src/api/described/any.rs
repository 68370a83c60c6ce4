//! Requests of all kinds, made from the description: valid ones, nearly valid ones and others.
//!
//! What is made depends on a list of numbers alone, one for each choice, so that proptest can make
//! a request simpler by making numbers smaller: 0 is always the plainest choice.

use serde_json::{Map, Value, json};

use super::{Sent, operations};
use crate::testing::{ECHO, text};

/// Choices to be made.
pub(super) struct Choices<'a>(std::slice::Iter<'a, u32>);

const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"];
const NAMES: [&str; 16] = [
    "echo",
    "udp:192.0.2.10:7",
    "10.0.0.11:7",
    "10.0.0.11",
    "mark:7",
    "tcp:192.0.2.10:80",
    "none",
    "..",
    "%2e%2e%2f",
    "%00",
    "%ff%fe",
    "%",
    "\u{e9}",
    "a%20b",
    "{service}",
    "0",
];
const VALUES: [&str; 17] = [
    "1",
    "0",
    "10",
    "-1",
    "4294967296",
    "18446744073709551616",
    "1e9",
    "",
    "echo",
    "%ff",
    "true",
    "null",
    "[]",
    "10.0.0.0/8",
    "99999999999999999999999999999999",
    "a=b",
    "file",
];
const KINDS: [&[u8]; 6] =
    [b"application/json", b"application/yaml", b"text/plain", b"", b"application/json;x", b"\xff"];
const HEADERS: [(&str, &[u8]); 8] = [
    ("accept", b"*/*"),
    ("if-match", b"\"1\""),
    ("origin", b"http://evil.example"),
    ("authorization", b"Bearer \xff"),
    ("host", b"a b"),
    ("x-odd", b"\x80\xff"),
    ("cookie", b"a=b"),
    ("range", b"bytes=0-"),
];

impl<'a> Choices<'a> {
    pub(super) fn of(numbers: &'a [u32]) -> Self {
        Self(numbers.iter())
    }

    fn number(&mut self) -> u32 {
        self.0.next().copied().unwrap_or_default()
    }

    /// A number below `count`.
    pub(super) fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.number()).unwrap() % count
    }

    pub(super) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// True once in `count` times, and never among plain choices.
    fn rarely(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }

    /// A request for some operation of `document`, and that operation's place.
    pub(super) fn request(&mut self, document: &Value) -> Sent {
        let all = operations(document);
        let (method, path, operation) = &all[self.below(all.len())];
        let method = if self.rarely(8) { self.one_of(&METHODS) } else { method };
        let mut target = self.path(path);
        if self.rarely(16) {
            target += self.one_of(&["/", "//", "/x", "%2f", "?", "#"]);
        }
        target += &self.query(operation);
        let body = self.body(document, operation);
        let media_type = operation["requestBody"]["content"].as_object();
        let media_type = media_type.and_then(|content| content.keys().next());
        let mut kind = media_type.map_or(KINDS[0], |name| name.as_bytes());
        if self.rarely(8) {
            kind = self.one_of(&KINDS);
        }
        let mut headers = vec![("content-type".to_owned(), kind.to_vec())];
        while self.rarely(6) {
            let (name, value) = self.one_of(&HEADERS);
            headers.push((name.to_owned(), value.to_vec()));
        }
        Sent { method: method.to_owned(), target, headers, body }
    }

    fn path(&mut self, path: &str) -> String {
        let part = |part: &str| match part.starts_with('{') {
            true => self.one_of(&NAMES).to_owned(),
            false => part.to_owned(),
        };
        path.split('/').map(part).collect::<Vec<_>>().join("/")
    }

    fn query(&mut self, operation: &Value) -> String {
        let mut pairs = Vec::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            if parameter["in"] == "query" {
                for _ in 0..[0, 1, 1, 1, 2][self.below(5)] {
                    pairs.push(format!("{name}={}", self.one_of(&VALUES)));
                }
            }
        }
        if self.rarely(8) {
            pairs.push(self.one_of(&["unknown=1", "=", "&&", "%ff=%ff", "limit"]).to_owned());
        }
        if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
    }

    fn body(&mut self, document: &Value, operation: &Value) -> Vec<u8> {
        let content = operation["requestBody"]["content"].as_object();
        let Some((kind, content)) = content.and_then(|content| content.iter().next()) else {
            return if self.rarely(8) { b"unasked".to_vec() } else { Vec::new() };
        };
        let mut body = if kind == "application/json" {
            let mut value = self.value(document, &content["schema"], 0);
            if self.rarely(3) {
                self.spoil(&mut value);
            }
            value.to_string().into_bytes()
        } else {
            text(ECHO).into_bytes()
        };
        while self.rarely(3) {
            self.damage(&mut body);
        }
        body
    }

    /// A value of the form that `schema` says.
    fn value(&mut self, document: &Value, schema: &Value, depth: usize) -> Value {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = document.pointer(reference.trim_start_matches('#')).unwrap();
            return self.value(document, target, depth);
        }
        if let Some(fixed) = schema.get("const") {
            return fixed.clone();
        }
        for list in ["enum", "anyOf", "oneOf"] {
            if let Some(all) = schema[list].as_array() {
                let one = &all[self.below(all.len())];
                return if list == "enum" { one.clone() } else { self.value(document, one, depth) };
            }
        }
        let kind = match schema["type"].as_array() {
            Some(kinds) => &kinds[self.below(kinds.len())],
            None => &schema["type"],
        };
        let kind = kind.as_str().unwrap_or("null");
        match kind {
            "object" => self.object(document, schema, depth),
            "array" if depth < 6 => {
                let count = self.below(3);
                (0..count).map(|_| self.value(document, &schema["items"], depth + 1)).collect()
            }
            "array" => json!([]),
            "integer" | "number" => self.one_of(&[1, 0, 7, 80, 65535, 65536, -1, i64::MAX]).into(),
            "boolean" => self.one_of(&[false, true]).into(),
            "string" => self.string(schema),
            _ => Value::Null,
        }
    }

    fn object(&mut self, document: &Value, schema: &Value, depth: usize) -> Value {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let mut object = Map::new();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let is_required = required.contains(&Value::from(name.as_str()));
            if (is_required || self.below(3) == 1) && depth < 6 {
                object.insert(name.clone(), self.value(document, field, depth + 1));
            }
        }
        Value::Object(object)
    }

    fn string(&mut self, schema: &Value) -> Value {
        let plain = match schema["format"].as_str() {
            Some("ipv4") => "10.0.0.12",
            _ => "echo",
        };
        let all = [
            plain,
            plain,
            "192.0.2.10",
            "10.0.0.12:7",
            "dr",
            "nat",
            "rr",
            "wlc",
            "udp",
            "tcp",
            "",
            "\u{0}",
            "\u{202e}x",
            "0.0.0.0",
            "255.255.255.255",
            "255.255.255.0",
            "sip",
            "ftp",
        ];
        self.one_of(&all).into()
    }

    /// Puts something else where it does not belong.
    fn spoil(&mut self, value: &mut Value) {
        let count =
            value.as_object().map_or_else(|| value.as_array().map_or(0, Vec::len), Map::len);
        let place = if count == 0 { 0 } else { self.below(count) };
        let inner = if value.is_object() {
            value.as_object_mut().and_then(|object| object.values_mut().nth(place))
        } else {
            value.get_mut(place)
        };
        match inner {
            Some(inner) if !self.rarely(3) => self.spoil(inner),
            _ => {
                let all = [
                    json!(null),
                    json!(-1),
                    json!(1e300),
                    json!("x"),
                    json!([]),
                    json!({"a": 1}),
                    json!(true),
                    json!(0.5),
                    json!("\u{ffff}"),
                    json!([[[{}]]]),
                ];
                *value = all[self.below(all.len())].clone();
            }
        }
    }

    /// Cuts, doubles or replaces something, whatever it may be.
    fn damage(&mut self, body: &mut Vec<u8>) {
        let at = self.below(body.len() + 1);
        let end = (at + self.below(40)).min(body.len());
        let piece = match self.below(9) {
            0 => Vec::new(),
            1 => body[at..end].repeat(2),
            2 => b"\xff\xfe".to_vec(),
            3 => b"\0".to_vec(),
            4 => b"[".repeat(20_000),
            5 => b"{\"a\":".repeat(20_000),
            6 => b"99999999999999999999999999".to_vec(),
            7 => b"&a [*a, *a]".to_vec(),
            _ => "\u{feff}\u{1f600}\\ud800".into(),
        };
        body.splice(at..end, piece);
    }

    /// Bytes that may be no request at all.
    pub(super) fn garbage(&mut self) -> Vec<u8> {
        const PIECES: [&[u8]; 24] = [
            b"GET /v1/status HTTP/1.1\r\n",
            b"host: x\r\n",
            b"\r\n",
            b"\0",
            b"\xff",
            b" ",
            b"\n",
            b"POST /v1/apply HTTP/1.1\r\n",
            b"transfer-encoding: chunked\r\n",
            b"5\r\nhello\r\n",
            b"ffffffffffffffff\r\n",
            b"0\r\n\r\n",
            b"content-length: -1\r\n",
            b"content-length: 18446744073709551615\r\n",
            b"content-length: 5\r\n",
            b"hello",
            b"expect: 100-continue\r\n",
            b"connection: upgrade\r\nupgrade: websocket\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\x16\x03\x01\x02\0\x01",
            b"OPTIONS * HTTP/1.1\r\n",
            b"CONNECT x:1 HTTP/1.1\r\n",
            b"GET http://a/v1/drops HTTP/1.1\r\n",
            b": x\r\n",
        ];
        let mut bytes = Vec::new();
        for _ in 0..=self.below(12) {
            let times = if self.rarely(12) { 9_000 } else { 1 };
            bytes.extend(self.one_of(&PIECES).repeat(times));
        }
        bytes
    }
}
