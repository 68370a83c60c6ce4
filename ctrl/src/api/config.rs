//! `GET /v1/config`: a configuration as the text of a file.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use schemars::JsonSchema;
use serde::Deserialize;

use super::refuse;
use crate::state::State;

/// What `/v1/config` may be asked with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigQuery {
    /// Which configuration; the one that runs if left out.
    of: Option<Which>,
}

/// A configuration.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Which {
    /// The one that runs.
    #[default]
    Running,
    /// The one last read from a file and put into force, without what commands changed since.
    File,
}

/// Answers with a configuration; on a thread of its own, since it can be long.
pub(super) async fn config(
    Shared(state): Shared<Arc<State>>,
    query: Result<Query<ConfigQuery>, QueryRejection>,
) -> Response {
    let which = match query {
        Ok(Query(query)) => query.of.unwrap_or_default(),
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error.body_text()),
    };
    let text = tokio::task::spawn_blocking(move || match which {
        Which::Running => conf::emit(&state.desk.desired().0.config()),
        Which::File => conf::emit(&state.from_file.load().config()),
    });
    match text.await {
        Ok(text) => ([(CONTENT_TYPE, "application/yaml")], text).into_response(),
        Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping".to_owned()),
    }
}
