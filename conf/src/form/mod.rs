//! A checked configuration in the words of the file: keys, values, and what need not be written.
//!
//! This is the one place that lists the fields of every object for whoever goes from [`Config`]
//! back to text: `diff/` compares forms, `emit/` writes them, `save/` changes a file into them.
//! Each object is taken apart field by field, so that a field added to the configuration cannot be
//! forgotten. Equal values have equal forms, and different ones different forms.
//!
//! * `file.rs`: the whole file, its settings, ports, routes and marks; `service.rs`: services and
//!   their real servers; `text.rs`: single values as the file has them.

mod file;
mod service;
mod text;

use crate::config::Config;

pub(crate) use file::{file, port, route};
pub(crate) use service::{members as services, real_server, service};

/// A value as the file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// A number or a word, which has no quotes.
    Plain(String),
    /// A text, which has quotes where YAML needs them.
    Text(String),
    /// A list of [`Plain`](Self::Plain) and [`Text`](Self::Text).
    List(Vec<Self>),
    /// A mapping with fixed keys.
    Fields(Vec<Field>),
    /// A mapping from free names to mappings.
    Named(Vec<Member>),
    /// A list of mappings.
    Items(Vec<Member>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    /// The key.
    pub(crate) key: &'static str,
    /// The value; `None` if it is one that only a missing key can say.
    pub(crate) value: Option<Value>,
    /// Whether it has to be written.
    pub(crate) need: Need,
    /// Whether it is set up at start, so that another value takes a restart.
    pub(crate) at_start: bool,
}

/// Whether a key has to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// It has, or it differs from the default.
    Written,
    /// It has its default.
    Default,
    /// There is no such key: it follows from others.
    Derived,
}

/// An entry of [`Value::Named`] or [`Value::Items`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// What makes it the same in two configurations.
    pub(crate) id: String,
    /// Its name; empty in a list.
    pub(crate) name: String,
    /// What it says: a mapping.
    pub(crate) value: Value,
}

/// The whole file.
pub(crate) fn of(config: &Config) -> Value {
    Value::Fields(file(config, services(config)))
}

impl Field {
    /// A key that is always written.
    fn always(key: &'static str, value: Value) -> Self {
        Self { key, value: Some(value), need: Need::Written, at_start: false }
    }

    /// A key that is left out at its default.
    fn unless(is_default: bool, key: &'static str, value: Value) -> Self {
        let need = if is_default { Need::Default } else { Need::Written };
        Self { key, value: Some(value), need, at_start: false }
    }

    /// A key that is only written where there is a value.
    fn if_any(key: &'static str, value: Option<Value>) -> Self {
        let need = if value.is_some() { Need::Written } else { Need::Default };
        Self { key, value, need, at_start: false }
    }

    /// A section of settings; left out if all of them are.
    fn section(key: &'static str, fields: Vec<Self>) -> Self {
        let is_default = !fields.iter().any(Self::is_written);
        Self::unless(is_default, key, Value::Fields(fields))
    }

    /// The same, left out where it has its default.
    fn left_out_if(self, is_default: bool) -> Self {
        Self { need: if is_default { Need::Default } else { self.need }, ..self }
    }

    /// The same, set up at start.
    fn at_start(self) -> Self {
        Self { at_start: true, ..self }
    }

    /// Whether it is written.
    pub(crate) fn is_written(&self) -> bool {
        self.need == Need::Written && self.value.is_some()
    }

    /// Its value in one line, for people; `None` if it has none.
    pub(crate) fn shown(&self) -> Option<String> {
        self.value.as_ref().map(Value::shown)
    }
}

impl Value {
    /// A number, or anything else that needs no quotes.
    fn plain(value: impl ToString) -> Self {
        Self::Plain(value.to_string())
    }

    /// A text.
    fn text(value: impl ToString) -> Self {
        Self::Text(value.to_string())
    }

    /// In one line, for people.
    pub(crate) fn shown(&self) -> String {
        let members = |members: &[Member]| list(members.iter().map(|member| member.id.clone()));
        match self {
            Self::Plain(text) | Self::Text(text) => text.clone(),
            Self::List(items) => list(items.iter().map(Self::shown)),
            Self::Fields(fields) => {
                let shown = |field: &Field| Some(format!("{}: {}", field.key, field.shown()?));
                let written = fields.iter().filter(|field| field.is_written());
                format!("{{{}}}", written.filter_map(shown).collect::<Vec<_>>().join(", "))
            }
            Self::Named(list) | Self::Items(list) => members(list),
        }
    }
}

/// `[a, b]`.
pub(crate) fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}
