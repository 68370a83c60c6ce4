//! `POST /v1/apply`: a configuration comes in, and is put into force.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use conf::FILE_BYTES_MAX;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;
use serde::Deserialize;

use super::proto::{ConfigError, Refusal};
use super::refuse;
use crate::apply::{self, ApplyError};
use crate::error::CtrlError;
use crate::state::State;

/// Longest name of a file.
const NAME_BYTES_MAX: usize = 4096;

/// What `/v1/apply` may be asked with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApplyQuery {
    /// The file's name, for errors.
    name: Option<String>,
}

/// Puts the body into force.
pub(super) async fn apply(
    Shared(state): Shared<Arc<State>>,
    query: Result<Query<ApplyQuery>, QueryRejection>,
    request: Request,
) -> Response {
    let name = match query {
        Ok(Query(query)) => query.name.unwrap_or_else(|| "request".to_owned()),
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error.body_text()),
    };
    if name.len() > NAME_BYTES_MAX {
        let error = format!("the name is longer than {NAME_BYTES_MAX} bytes");
        return refuse(StatusCode::BAD_REQUEST, error);
    }
    let text = match whole(request.into_body()).await {
        Ok(text) => text,
        Err((status, error)) => return refuse(status, error),
    };
    // A task of its own goes on to its end when the client goes away.
    let task = tokio::spawn(async move { apply::apply(&state, "apply", name, text).await });
    match task.await {
        Ok(Ok(applied)) => Json(applied).into_response(),
        Ok(Err(error)) => refused(&error),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// The body, if it is no longer than a file can be.
async fn whole(body: Body) -> Result<Vec<u8>, (StatusCode, String)> {
    let too_long = || {
        let error = format!("a configuration has at most {} MiB", FILE_BYTES_MAX >> 20);
        (StatusCode::PAYLOAD_TOO_LARGE, error)
    };
    // What announces too much is not even begun.
    if body.size_hint().lower() > FILE_BYTES_MAX as u64 {
        return Err(too_long());
    }
    match Limited::new(body, FILE_BYTES_MAX).collect().await {
        Ok(text) => Ok(text.to_bytes().to_vec()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_long()),
        Err(error) => Err((StatusCode::BAD_REQUEST, error.to_string())),
    }
}

fn refused(error: &ApplyError) -> Response {
    let status = match error {
        ApplyError::File(_) => StatusCode::UNPROCESSABLE_ENTITY,
        ApplyError::NeedsRestart { .. } | ApplyError::NoRoom(_) => StatusCode::CONFLICT,
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
