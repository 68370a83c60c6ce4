//! [`Node`]: the YAML document as a tree in which every key and value knows its place.
//!
//! Deserialising straight into typed structs would stop at the first unknown key or malformed
//! number. The tree accepts any document that is YAML at all; what the keys mean is decided later,
//! where one mistake does not hide the next. Keys that occur twice are kept for the same reason.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Location, Spanned};

use crate::span::Span;

/// A YAML value and its place.
#[derive(Debug)]
pub(crate) struct Node {
    /// The text of the value; for a list or mapping everything from its first to its last child.
    pub(crate) span: Span,
    /// The value.
    pub(crate) kind: Kind,
}

/// What a [`Node`] holds.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Nothing: an empty value, `null` or `~`.
    Null,
    /// A number, a word or a string, as written but without quotes.
    Scalar {
        /// The text.
        text: String,
        /// Whether it was written with quotes or as a block.
        quoted: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file, repeated keys included.
    Map(Vec<(Node, Node)>),
}

impl Kind {
    /// What to call it in an error.
    pub(crate) const fn noun(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar { .. } => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

impl Node {
    /// Completes the tree from the text it was parsed from: scalars that YAML took for numbers or
    /// booleans get back the text as written, and containers get their full span.
    pub(crate) fn settle(&mut self, source: &str) {
        let slice = source.get(self.span.range()).unwrap_or("");
        match &mut self.kind {
            Kind::Null => {}
            Kind::Scalar { text, quoted } => {
                *quoted = slice.starts_with(['"', '\'', '|', '>']);
                if text.is_empty() && !*quoted {
                    slice.trim().clone_into(text);
                }
            }
            Kind::List(items) => {
                for item in items {
                    item.settle(source);
                    self.span = self.span.cover(item.span);
                }
            }
            Kind::Map(entries) => {
                for (key, value) in entries {
                    key.settle(source);
                    value.settle(source);
                    self.span = self.span.cover(key.span).cover(value.span);
                }
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(deserializer)?;
        Ok(Self { span: location_span(&spanned.defined), kind: spanned.value })
    }
}

/// The byte span of a parser location; the start of the file when it has none.
pub(crate) fn location_span(location: &Location) -> Span {
    let span = location.span();
    let start = usize::try_from(span.byte_offset().unwrap_or(0)).unwrap_or(0);
    let len = usize::try_from(span.byte_len().unwrap_or(0)).unwrap_or(0);
    Span::new(start, start + len)
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

/// Accepts every YAML value.
struct KindVisitor;

impl KindVisitor {
    /// A scalar whose text [`Node::settle`] takes from the source.
    fn as_written<E>() -> Result<Kind, E> {
        Ok(Kind::Scalar { text: String::new(), quoted: false })
    }
}

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Kind, E> {
        Self::as_written()
    }

    fn visit_i64<E>(self, _: i64) -> Result<Kind, E> {
        Self::as_written()
    }

    fn visit_u64<E>(self, _: u64) -> Result<Kind, E> {
        Self::as_written()
    }

    fn visit_f64<E>(self, _: f64) -> Result<Kind, E> {
        Self::as_written()
    }

    fn visit_str<E>(self, text: &str) -> Result<Kind, E> {
        Ok(Kind::Scalar { text: text.to_owned(), quoted: false })
    }

    fn visit_string<E>(self, text: String) -> Result<Kind, E> {
        Ok(Kind::Scalar { text, quoted: false })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Kind::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Node {
        let options = serde_yaml::options! {
            duplicate_keys: serde_yaml::DuplicateKeyPolicy::LastWins,
        };
        let mut node: Node = serde_yaml::from_str_with_options(text, options).expect("YAML");
        node.settle(text);
        node
    }

    /// Every scalar with the text its span covers, keys first.
    fn scalars<'a>(node: &Node, source: &'a str, out: &mut Vec<(String, bool, &'a str)>) {
        match &node.kind {
            Kind::Null => {}
            Kind::Scalar { text, quoted } => {
                out.push((text.clone(), *quoted, &source[node.span.range()]));
            }
            Kind::List(items) => items.iter().for_each(|item| scalars(item, source, out)),
            Kind::Map(entries) => entries.iter().for_each(|(key, value)| {
                scalars(key, source, out);
                scalars(value, source, out);
            }),
        }
    }

    fn check(source: &str, expected: &[(&str, bool, &str)]) {
        let mut found = Vec::new();
        scalars(&tree(source), source, &mut found);
        let found: Vec<_> =
            found.iter().map(|(text, quoted, at)| (&text[..], *quoted, *at)).collect();
        assert_eq!(found, expected, "{source}");
    }

    #[test]
    fn numbers_and_booleans_keep_their_text() {
        check(
            "[1.0, 0x1F, yes, 1_000, 1e3, -7, 010]",
            &[
                ("1.0", false, "1.0"),
                ("0x1F", false, "0x1F"),
                ("yes", false, "yes"),
                ("1_000", false, "1_000"),
                ("1e3", false, "1e3"),
                ("-7", false, "-7"),
                ("010", false, "010"),
            ],
        );
    }

    #[test]
    fn quotes_are_noted_and_removed() {
        check(
            "['it''s', \"a\\tb\", plain text]",
            &[
                ("it's", true, "'it''s'"),
                ("a\tb", true, "\"a\\tb\""),
                ("plain text", false, "plain text"),
            ],
        );
    }

    #[test]
    fn repeated_keys_are_kept() {
        check(
            "{a: 1, a: 2}",
            &[("a", false, "a"), ("1", false, "1"), ("a", false, "a"), ("2", false, "2")],
        );
    }

    #[test]
    fn places_count_bytes_behind_other_alphabets() {
        check(
            "h\u{e9}: w\u{f6}rld",
            &[("h\u{e9}", false, "h\u{e9}"), ("w\u{f6}rld", false, "w\u{f6}rld")],
        );
    }

    #[test]
    fn aliases_point_to_what_they_repeat() {
        check(
            "{a: &x 80, b: *x}",
            &[("a", false, "a"), ("80", false, "80"), ("b", false, "b"), ("80", false, "80")],
        );
    }
}
