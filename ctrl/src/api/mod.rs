//! The control socket's API: HTTP/1.1 and JSON over a unix socket, described in `docs/API.md`.
//!
//! `proto.rs` has the messages, `view.rs` fills them in, `stream.rs` sends those without a bound
//! piece by piece. Handlers read counters and ask workers; only `apply.rs` changes anything.

mod apply;
pub mod proto;
mod stream;
pub(crate) mod view;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use dataplane::control::{Command, Selection};
use serde::Deserialize;

use crate::client::NO_SUCH_RESOURCE;
use crate::listing;
use crate::state::State;
use proto::Refusal;
use stream::FlowStream;

/// What `/v1/flows` may be asked with.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FlowQuery {
    limit: Option<usize>,
}

/// All resources of the API.
pub(crate) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/v1/status", get(async |Shared(state): Here| Json(view::status(&state))))
        .route("/v1/workers", get(async |Shared(state): Here| Json(view::workers(&state))))
        .route("/v1/services", get(async |Shared(state): Here| Json(view::services(&state))))
        .route("/v1/ports", get(async |Shared(state): Here| Json(view::ports(&state))))
        .route("/v1/drops", get(async |Shared(state): Here| Json(view::drops(&state))))
        .route("/v1/flows", get(flows))
        .route("/v1/neighbors", get(neighbors))
        .route("/v1/apply", post(apply::apply))
        .fallback(no_such_resource)
        .method_not_allowed_fallback(no_such_method)
        .with_state(state)
}

type Here = Shared<Arc<State>>;

async fn flows(Shared(state): Here, query: Result<Query<FlowQuery>, QueryRejection>) -> Response {
    let limit = match query {
        Ok(Query(query)) => query.limit,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error.body_text()),
    };
    let listing = listing::start(&state, Command::ListFlows(Selection::ALL));
    let body = Body::new(FlowStream::new(listing, state.in_force.load().service_names(), limit));
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

async fn neighbors(Shared(state): Here) -> Response {
    let mut listing = listing::start(&state, Command::ListNeighbors);
    let mut neighbors = Vec::new();
    while let Some(batch) = listing.recv().await {
        match batch {
            Ok(batch) => view::add_neighbors(&state, batch, &mut neighbors),
            Err(error) => return refuse(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    }
    Json(proto::Neighbors { neighbors }).into_response()
}

async fn no_such_resource() -> Response {
    refuse(StatusCode::NOT_FOUND, NO_SUCH_RESOURCE.to_owned())
}

async fn no_such_method() -> Response {
    let error = "resources are read with GET; only /v1/apply takes POST, and nothing else";
    refuse(StatusCode::METHOD_NOT_ALLOWED, error.to_owned())
}

fn refuse(status: StatusCode, error: String) -> Response {
    (status, Json(Refusal { error, errors: Vec::new() })).into_response()
}

#[cfg(test)]
pub(crate) use view::services as services_of;

#[cfg(test)]
mod tests;
