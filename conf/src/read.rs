//! From [`Node`] to typed raw values: shapes and keys are checked here, meanings later.
//!
//! Reading goes on after an error wherever what follows can still be told: an unknown key is
//! reported and skipped, a single value in place of a list is taken as a list of one.

use std::collections::HashMap;
use std::net::Ipv6Addr;

use crate::diag::Diags;
use crate::node::{Kind, Node};
use crate::rule::Rule;
use crate::span::{At, Span};
use crate::suggest::{listed, nearest};

/// What a value is called in errors: its key, or the key of the list it is in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner<'a> {
    /// The key.
    pub(crate) key: &'a str,
    /// Where to point when the value itself has no text.
    pub(crate) span: Span,
}

/// A single value as written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    /// The text without quotes.
    pub(crate) text: &'a str,
    /// Whether it was quoted, which makes `"1"` a string and not a number.
    pub(crate) quoted: bool,
    /// The key it belongs to.
    pub(crate) key: &'a str,
    /// Where it stands.
    pub(crate) span: Span,
}

/// A mapping from free names to values, in the order of the file.
#[derive(Debug)]
pub(crate) struct Named<'a, T> {
    /// The names and values that could be read.
    pub(crate) items: Vec<(At<&'a str>, T)>,
    /// How many were written.
    pub(crate) written: usize,
    /// Where it stands.
    pub(crate) span: Span,
}

/// A list.
#[derive(Debug)]
pub(crate) struct List<T> {
    /// The items that could be read.
    pub(crate) items: Vec<T>,
    /// How many were written.
    pub(crate) written: usize,
    /// Where it stands.
    pub(crate) span: Span,
}

/// A raw value that can be read from a node.
pub(crate) trait Read<'a>: Sized {
    /// Whether it is a single value, not a list or mapping.
    const SINGLE: bool = false;

    /// Reads it; `None` after an error that leaves nothing to go on with.
    fn read(node: &'a Node, owner: Owner<'a>, diags: &mut Diags) -> Option<Self>;
}

/// Reports a key without a value.
fn no_value(owner: Owner<'_>, help: &str, diags: &mut Diags) {
    let message = format!("`{}` has no value", owner.key);
    diags.error(Rule::NoValue, owner.span, message, help);
}

impl<'a> Read<'a> for Text<'a> {
    const SINGLE: bool = true;

    fn read(node: &'a Node, owner: Owner<'a>, diags: &mut Diags) -> Option<Self> {
        let key = owner.key;
        match &node.kind {
            Kind::Scalar { text, quoted } => {
                Some(Text { text, quoted: *quoted, key, span: node.span })
            }
            Kind::Null => {
                let help = match example(key) {
                    Some(example) => format!("write `{key}: {example}`, or what fits"),
                    None => format!("write a value after `{key}:`, or remove the key"),
                };
                no_value(owner, &help, diags);
                None
            }
            // `[2001:db8::1]` without quotes is a YAML list.
            Kind::List(items) if items.first().is_some_and(is_ipv6) => {
                let message = format!("`{key}` is an IPv6 address");
                let help = "IPv6 is not supported yet; use an IPv4 address";
                diags.error(Rule::Ipv6, node.span, message, help);
                None
            }
            Kind::List(_) | Kind::Map(_) => {
                let message = format!("`{key}` is a single value, not {}", node.kind.noun());
                let help = format!("write one value: `{key}: VALUE`");
                diags.error(Rule::WrongShape, node.span, message, help);
                None
            }
        }
    }
}

/// Whether a list item reads as an IPv6 address.
fn is_ipv6(node: &Node) -> bool {
    matches!(&node.kind, Kind::Scalar { text, .. } if text.parse::<Ipv6Addr>().is_ok())
}

impl<'a, T: Read<'a>> Read<'a> for List<T> {
    fn read(node: &'a Node, owner: Owner<'a>, diags: &mut Diags) -> Option<Self> {
        let key = owner.key;
        match &node.kind {
            Kind::List(items) => {
                let read = |item: &'a Node| T::read(item, Owner { key, span: item.span }, diags);
                let read = items.iter().filter_map(read).collect();
                Some(Self { items: read, written: items.len(), span: node.span })
            }
            Kind::Null => {
                no_value(owner, &format!("write `{key}: {}`", example(key).unwrap_or("[]")), diags);
                None
            }
            // A scalar cannot be an item of a list of mappings, so it is not tried as one.
            Kind::Scalar { .. } if !T::SINGLE => {
                let message = format!("`{key}` is a list, not a single value");
                let help = format!("begin each item of `{key}` with `- `");
                diags.error(Rule::WrongShape, node.span, message, help);
                None
            }
            Kind::Scalar { .. } | Kind::Map(_) => {
                let message = format!("`{key}` is a list, not {}", node.kind.noun());
                let help = match &node.kind {
                    Kind::Scalar { text, .. } => format!("write `{key}: [{text}]`"),
                    Kind::Null | Kind::List(_) | Kind::Map(_) => {
                        format!("begin each item of `{key}` with `- `")
                    }
                };
                diags.error(Rule::WrongShape, node.span, message, help);
                let items = T::read(node, owner, diags).into_iter().collect();
                Some(Self { items, written: 1, span: node.span })
            }
        }
    }
}

impl<'a, T: Read<'a>> Read<'a> for Named<'a, T> {
    fn read(node: &'a Node, owner: Owner<'a>, diags: &mut Diags) -> Option<Self> {
        let key = owner.key;
        let entries = match &node.kind {
            Kind::Map(entries) => entries,
            Kind::Null => {
                no_value(owner, &format!("write `{key}: {{}}` if there are none"), diags);
                return None;
            }
            Kind::Scalar { .. } | Kind::List(_) => {
                let noun = node.kind.noun();
                let message = format!("`{key}` is a mapping from names to settings, not {noun}");
                let help = format!("give each a name: `{key}: {{NAME: {{...}}}}`");
                diags.error(Rule::WrongShape, node.span, message, help);
                return None;
            }
        };
        let mut seen: HashMap<&str, Span> = HashMap::new();
        let mut values = Vec::with_capacity(entries.len());
        for (name, value) in entries {
            let Some(name) = key_text(name, diags) else { continue };
            check_name(name, diags);
            // Read even when the name is taken, to report what is wrong inside as well.
            let value = T::read(value, Owner { key: name.value, span: name.span }, diags);
            if let Some(first) = seen.get(name.value) {
                duplicate_key(name, *first, "remove one of the two, or rename it", diags);
                continue;
            }
            seen.insert(name.value, name.span);
            values.extend(value.map(|value| (name, value)));
        }
        Some(Self { items: values, written: entries.len(), span: node.span })
    }
}

/// Whether a text can be a name.
pub(crate) fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(plain)
}

/// Names end up in logs, metrics and commands, so they are short and plain. They begin with a
/// letter because YAML gives numbers as keys a meaning of their own.
fn check_name(name: At<&str>, diags: &mut Diags) {
    if !is_name(name.value) {
        let message = format!("`{}` cannot be a name", name.value);
        let help = "begin with a letter, then use letters, digits, `-`, `_` and `.`; at most 63";
        diags.error(Rule::BadValue, name.span, message, help);
    }
}

/// The text of a mapping's key.
fn key_text<'a>(key: &'a Node, diags: &mut Diags) -> Option<At<&'a str>> {
    if let Kind::Scalar { text, .. } = &key.kind {
        return Some(At::new(text, key.span));
    }
    let message = format!("a key is a word, not {}", key.kind.noun());
    diags.error(Rule::WrongShape, key.span, message, "write `key: value`");
    None
}

/// Reports the second of two equal keys.
fn duplicate_key(key: At<&str>, first: Span, help: &str, diags: &mut Diags) {
    let message = format!("`{}` stands twice", key.value);
    diags.error(Rule::DuplicateKey, key.span, message, help).see(first, "first here");
}

/// The entries of a mapping with fixed keys.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    entries: Vec<(At<&'a str>, &'a Node)>,
    /// Keys that are absent because of an error already reported.
    excused: Vec<&'a str>,
    owner: Owner<'a>,
}

impl<'a> Fields<'a> {
    /// Opens a mapping and reports every key that is unknown or stands twice.
    pub(crate) fn open(
        node: &'a Node,
        owner: Owner<'a>,
        known: &[&'static str],
        diags: &mut Diags,
    ) -> Option<Self> {
        let pairs = match &node.kind {
            Kind::Map(pairs) => pairs,
            Kind::Null => {
                no_value(owner, &keys_of(known), diags);
                return None;
            }
            Kind::Scalar { text, .. } => {
                let message =
                    format!("`{}` holds a mapping here, not {}", owner.key, node.kind.noun());
                let help = format!("{}, as in `{{{}: {text}}}`", keys_of(known), known[0]);
                diags.error(Rule::WrongShape, node.span, message, help);
                return None;
            }
            Kind::List(_) => {
                let message =
                    format!("`{}` holds a mapping here, not {}", owner.key, node.kind.noun());
                diags.error(Rule::WrongShape, node.span, message, keys_of(known));
                return None;
            }
        };
        let mut entries: Vec<(At<&str>, &Node)> = Vec::with_capacity(pairs.len());
        let (mut misspelt, mut excused) = (Vec::new(), Vec::new());
        for (key, value) in pairs {
            let Some(key) = key_text(key, diags) else { continue };
            if !known.contains(&key.value) {
                match unknown_key(key, known, diags) {
                    Meant::Spelling(meant) => misspelt.push((At::new(meant, key.span), value)),
                    Meant::Glued(meant) => excused.push(meant),
                    Meant::Unclear => {}
                }
            } else if let Some((first, _)) = entries.iter().find(|(k, _)| k.value == key.value) {
                duplicate_key(key, first.span, "remove one of the two", diags);
            } else {
                entries.push((key, value));
            }
        }
        // A misspelt key stands in for the one that was meant, so that this is not reported as
        // missing and its value is checked.
        for (meant, value) in misspelt {
            if !entries.iter().any(|(key, _)| key.value == meant.value) {
                entries.push((meant, value));
            }
        }
        Some(Self { entries, excused, owner })
    }

    /// A key that may be absent.
    pub(crate) fn optional<T: Read<'a>>(&self, key: &'static str, diags: &mut Diags) -> Option<T> {
        let (key, node) = self.find(key)?;
        T::read(node, Owner { key: key.value, span: key.span }, diags)
    }

    /// A key that must be there.
    pub(crate) fn required<T: Read<'a>>(&self, key: &'static str, diags: &mut Diags) -> Option<T> {
        if self.find(key).is_none() && !self.excused.contains(&key) {
            let place = match self.owner.key {
                "" => "the file".to_owned(),
                owner => format!("`{owner}`"),
            };
            let message = format!("`{key}` is missing in {place}");
            let help = format!("add `{key}: {}`", example(key).unwrap_or("VALUE"));
            diags.error(Rule::MissingKey, self.owner.span, message, help);
        }
        self.optional(key, diags)
    }

    /// A key that must be there unless `mark` is.
    pub(crate) fn required_without_mark<T: Read<'a>>(
        &self,
        key: &'static str,
        diags: &mut Diags,
    ) -> Option<T> {
        let marked = self.find("mark").is_some();
        if marked { self.optional(key, diags) } else { self.required(key, diags) }
    }

    fn find(&self, key: &str) -> Option<(At<&'a str>, &'a Node)> {
        self.entries.iter().find(|(k, _)| k.value == key).copied()
    }
}

/// The keys of a mapping, for help texts.
fn keys_of(known: &[&str]) -> String {
    let verb = if known.len() == 1 { "its only key is" } else { "its keys are" };
    format!("{verb} {}", listed(known))
}

/// What a required key could look like.
fn example(key: &str) -> Option<&'static str> {
    Some(match key {
        "version" => "1",
        "workers" => "[1]",
        "ports" => "{wan: {device: \"net_af_packet0,iface=eth0\", addresses: [192.0.2.2/24]}}",
        "services" => "{}",
        "device" => "\"net_af_packet0,iface=eth0\"",
        "to" => "0.0.0.0/0",
        "via" => "192.0.2.1",
        "vip" => "192.0.2.10:80",
        "protocol" => "tcp",
        "mode" => "nat",
        "type" => "ipip",
        "address" => "10.0.0.11:80",
        "real_servers" => "[]",
        _ => return None,
    })
}

/// What an unknown key was probably meant to be.
enum Meant {
    /// This key.
    Spelling(&'static str),
    /// This key together with its value: `port:80` without a blank.
    Glued(&'static str),
    /// Nothing we know.
    Unclear,
}

/// Reports a key that means nothing here.
fn unknown_key(key: At<&str>, known: &[&'static str], diags: &mut Diags) -> Meant {
    let glued =
        |known: &&&str| key.value.strip_prefix(**known).is_some_and(|rest| rest.starts_with(':'));
    let (meant, help) = if let Some(known) = known.iter().find(glued) {
        (Meant::Glued(known), format!("put a space after the colon: `{known}: VALUE`"))
    } else if let Some(nearest) = nearest(key.value, known) {
        (Meant::Spelling(nearest), format!("did you mean `{nearest}`?"))
    } else {
        (Meant::Unclear, format!("the keys here are {}", listed(known)))
    };
    diags.error(Rule::UnknownKey, key.span, format!("unknown key `{}`", key.value), help);
    meant
}
