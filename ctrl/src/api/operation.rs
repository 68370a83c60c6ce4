//! What a resource does with a method, in a form that a description of the API can be made of.

use axum::http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::body::BODY_BYTES_MAX;

/// Makes the schema of a type, or a reference to it.
pub(super) type MakeSchema = fn(&mut SchemaGenerator) -> Schema;

/// One method of one resource: everything but its handler.
#[derive(Debug)]
pub(crate) struct Operation {
    /// Its name, which no other operation has.
    pub(super) id: &'static str,
    /// What it does, in a line.
    pub(super) summary: &'static str,
    /// Its query parameters, as the properties of objects.
    pub(super) query: Vec<MakeSchema>,
    /// Whether it can be asked for with `If-Match`.
    pub(super) is_conditional: bool,
    /// The body it takes.
    pub(super) body: Option<Taken>,
    /// The body it answers with.
    pub(super) answer: Answer,
    /// What it refuses, besides what all operations refuse.
    pub(super) refusals: Vec<(StatusCode, &'static str)>,
}

/// A body that is taken in.
#[derive(Debug)]
pub(super) struct Taken {
    /// Most bytes.
    pub(super) bytes_max: usize,
    /// Its media type.
    pub(super) media_type: &'static str,
    /// What it looks like; without, it is text.
    pub(super) schema: Option<MakeSchema>,
}

/// A body that is sent.
#[derive(Debug)]
pub(super) enum Answer {
    /// JSON of this form.
    Json(MakeSchema),
    /// Something else, of this media type.
    Other(&'static str),
}

impl Operation {
    /// An operation that answers with a `T` in JSON.
    pub(super) fn answering<T: JsonSchema>(id: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            summary,
            query: Vec::new(),
            is_conditional: false,
            body: None,
            answer: Answer::Json(SchemaGenerator::subschema_for::<T>),
            refusals: Vec::new(),
        }
    }

    /// An operation that answers with something else than JSON of ours.
    pub(super) fn sending(
        id: &'static str,
        summary: &'static str,
        media_type: &'static str,
    ) -> Self {
        Self { answer: Answer::Other(media_type), ..Self::answering::<()>(id, summary) }
    }

    /// With the fields of `T` as query parameters.
    pub(super) fn query<T: JsonSchema>(mut self) -> Self {
        self.query.push(T::json_schema);
        self
    }

    /// With `If-Match`, which names the generation that is meant.
    pub(super) fn conditional(self) -> Self {
        let stale = "another generation than that of `If-Match` is in force, or about to be";
        Self { is_conditional: true, ..self }.refused(StatusCode::PRECONDITION_FAILED, stale)
    }

    /// With a `T` in JSON as its body.
    pub(super) fn taking<T: JsonSchema>(self) -> Self {
        let schema = Some(SchemaGenerator::subschema_for::<T> as MakeSchema);
        let media_type = "application/json";
        Self { body: Some(Taken { bytes_max: BODY_BYTES_MAX, media_type, schema }), ..self }
    }

    /// With a text of at most `bytes_max` as its body.
    pub(super) fn taking_text(self, media_type: &'static str, bytes_max: usize) -> Self {
        Self { body: Some(Taken { bytes_max, media_type, schema: None }), ..self }
    }

    /// Refused with `status` when `why`.
    pub(super) fn refused(mut self, status: StatusCode, why: &'static str) -> Self {
        self.refusals.push((status, why));
        self
    }
}
