//! `/v1/plan`: what a configuration would change.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};

use super::apply::{FileQuery, name, refused};
use super::{Here, refuse};
use crate::apply::ApplyError;
use crate::apply::plan::{self, Source};
use crate::state::State;

/// What the body would change.
pub(super) async fn plan(
    Shared(state): Here,
    Query(query): Query<FileQuery>,
    body: Bytes,
) -> Response {
    match name(query) {
        Ok(name) => answer(&state, Source::Text(name, body.into())).await,
        Err(error) => refuse(StatusCode::BAD_REQUEST, error),
    }
}

/// What the daemon's own file would change.
pub(super) async fn own(Shared(state): Here) -> Response {
    answer(&state, Source::Own).await
}

async fn answer(state: &Arc<State>, source: Source) -> Response {
    let outcome: Result<_, ApplyError> = plan::plan(state, source).await;
    match outcome {
        Ok(plan) => Json(plan).into_response(),
        Err(error) => refused(&error),
    }
}
