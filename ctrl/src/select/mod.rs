//! Which flows and services a request is about: the same words on the command line and in the
//! API.
//!
//! A filter is one struct, which is the options of a command, the parameters of a request, and
//! their description. Its values are read and written as text everywhere.

mod ends;
mod flows;
pub(crate) mod name;
mod services;
mod word;

use serde::Serialize;

pub(crate) use ends::EndsText;
pub(crate) use flows::{FlowFilter, NoSuchService, TemplateChoice};
pub(crate) use name::ServiceName;
pub(crate) use services::ServiceFilter;
pub(crate) use word::{ModeWord, ProtocolWord, Seconds, StateWord};

/// What is wrong with a word of a filter, as a sentence without its end.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WrongWord(pub(super) String);

/// What is given of a filter, as parameters of a request.
pub(crate) fn parameters(filter: &impl Serialize) -> Vec<(String, String)> {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(filter) else {
        return Vec::new();
    };
    let text = |value: serde_json::Value| match value.as_str() {
        Some(text) => Some(text.to_owned()),
        None => (!value.is_null()).then(|| value.to_string()),
    };
    fields.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect()
}

/// Has a type that is read with [`std::str::FromStr`] and shown with [`std::fmt::Display`] be a
/// string in requests and their description.
macro_rules! is_text {
    ($type:ty, $description:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'_, str>>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "description": $description})
            }
        }
    };
}
pub(crate) use is_text;

#[cfg(test)]
mod tests;
