//! `POST /v1/apply`: a configuration comes in, and is put into force.

use axum::body::Bytes;
use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use schemars::JsonSchema;
use serde::Deserialize;

use super::proto::{ConfigError, Refusal};
use super::{Here, refuse};
use crate::apply::{self, ApplyError};
use crate::error::CtrlError;

/// Longest name of a file.
const NAME_BYTES_MAX: usize = 4096;

/// What a file may be sent with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FileQuery {
    /// The file's name, for errors.
    name: Option<String>,
}

/// Puts the body into force.
pub(super) async fn apply(
    Shared(state): Here,
    Query(query): Query<FileQuery>,
    body: Bytes,
) -> Response {
    let name = match name(query) {
        Ok(name) => name,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error),
    };
    match apply::apply(&state, "apply", name, Vec::from(body)).await {
        Ok(applied) => Json(applied).into_response(),
        Err(error) => refused(&error),
    }
}

/// The name of a file that is sent.
pub(super) fn name(FileQuery { name }: FileQuery) -> Result<String, String> {
    match name.filter(|name| !name.is_empty()).unwrap_or_else(|| "request".to_owned()) {
        name if name.len() > NAME_BYTES_MAX => {
            Err(format!("the name is longer than {NAME_BYTES_MAX} bytes"))
        }
        name => Ok(name),
    }
}

pub(super) fn refused(error: &ApplyError) -> Response {
    let status = match error {
        ApplyError::File(_) => StatusCode::UNPROCESSABLE_ENTITY,
        ApplyError::NeedsRestart { .. }
        | ApplyError::NoRoom(_)
        | ApplyError::Listen(_)
        | ApplyError::Access(_) => StatusCode::CONFLICT,
        ApplyError::Behind { .. } | ApplyError::Busy | ApplyError::Stopping => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        ApplyError::Silent { .. } => StatusCode::GATEWAY_TIMEOUT,
    };
    let errors =
        if let ApplyError::File(CtrlError::Conf(errors)) = error { errors.errors() } else { &[] };
    let errors = errors.iter().map(|error| ConfigError {
        rule: error.rule().as_str().to_owned(),
        message: error.message().to_owned(),
        help: error.help().to_owned(),
        key_path: error.key_path().to_owned(),
        line: error.position().map(|(line, _)| line),
        column: error.position().map(|(_, column)| column),
    });
    (status, Json(Refusal { error: error.to_string(), errors: errors.collect() })).into_response()
}
