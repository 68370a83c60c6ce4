//! The API: HTTP/1.1 and JSON, described in `docs/API.md` and `docs/openapi.json`.
//!
//! [`routes`] is the list of all resources. `proto/` has the messages, `view.rs` fills them in,
//! `stream.rs` sends those without a bound piece by piece. Who may come in, and how long they may
//! take, is seen to in `serve/`.

mod apply;
mod body;
mod config;
mod openapi;
mod operation;
mod plan;
pub mod proto;
mod role;
mod routes;
mod stream;
pub(crate) mod view;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as Shared};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use conf::FILE_BYTES_MAX;
use dataplane::control::Command;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::NO_SUCH_RESOURCE;
use crate::listing;
use crate::metrics::{self, MEDIA_TYPE};
use crate::state::State;
use operation::Operation;
use proto::Refusal;
use routes::Routes;
use stream::FlowStream;

pub(crate) use role::Peer;
pub use role::Role;

/// What `/v1/flows` may be asked with.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FlowQuery {
    /// List at most so many flows.
    limit: Option<usize>,
}

/// All resources.
fn routes() -> Routes {
    let routes = Routes::default();
    routes_that_change(routes_about_files(routes_that_read(routes)))
}

fn routes_that_read(routes: Routes) -> Routes {
    let slow = "a worker does not answer, or earlier listings take too long";
    routes
        .read(
            "/v1/openapi.json",
            Operation::sending("openapi", "This description.", "application/json"),
            openapi::openapi,
        )
        .read(
            "/v1/status",
            Operation::answering::<proto::Status>("status", "What runs."),
            async |Shared(state): Here| Json(view::status(&state)),
        )
        .read(
            "/v1/workers",
            Operation::answering::<proto::Workers>("workers", "The workers."),
            async |Shared(state): Here| Json(view::workers(&state)),
        )
        .read(
            "/v1/services",
            Operation::answering::<proto::Services>("services", "Services and real servers."),
            services,
        )
        .read(
            "/v1/ports",
            Operation::answering::<proto::Ports>("ports", "The ports."),
            async |Shared(state): Here| Json(view::ports(&state)),
        )
        .read(
            "/v1/drops",
            Operation::answering::<proto::Drops>("drops", "What became of all packets."),
            async |Shared(state): Here| Json(view::drops(&state)),
        )
        .read(
            "/v1/flows",
            Operation::answering::<proto::Flows>("flows", "Flows, sent while they are listed.")
                .query::<FlowQuery>(),
            flows,
        )
        .read(
            "/metrics",
            Operation::sending("metrics", "All counters, in OpenMetrics.", MEDIA_TYPE)
                .refused(StatusCode::SERVICE_UNAVAILABLE, "too many scrapes at a time"),
            metrics::metrics,
        )
        .read(
            "/v1/neighbors",
            Operation::answering::<proto::Neighbors>("neighbors", "Neighbours of all workers.")
                .refused(StatusCode::SERVICE_UNAVAILABLE, slow),
            neighbors,
        )
}

/// What compares and writes files; nothing here changes what runs.
fn routes_about_files(routes: Routes) -> Routes {
    let plan = |id, summary| {
        Operation::answering::<proto::Plan>(id, summary)
            .refused(StatusCode::UNPROCESSABLE_ENTITY, "the configuration has errors")
            .refused(StatusCode::SERVICE_UNAVAILABLE, "others are being applied for too long")
    };
    routes
        .read(
            "/v1/config",
            Operation::sending("config", "A configuration as a file.", "application/yaml")
                .query::<config::ConfigQuery>(),
            config::config,
        )
        .read("/v1/plan", plan("plan_own", "What the daemon's own file would change."), plan::own)
        .read_with_body(
            "/v1/plan",
            plan("plan", "What a configuration would change; nothing is.")
                .query::<apply::FileQuery>()
                .taking_text("application/yaml", FILE_BYTES_MAX),
            plan::plan,
        )
}

fn routes_that_change(routes: Routes) -> Routes {
    let apply = "Puts a configuration into force, all of it or nothing.";
    routes.change(
        Method::POST,
        "/v1/apply",
        Operation::answering::<proto::Applied>("apply", apply)
            .query::<apply::FileQuery>()
            .taking_text("application/yaml", FILE_BYTES_MAX)
            .refused(StatusCode::CONFLICT, "it needs a restart, or there is no room under `limits`")
            .refused(StatusCode::UNPROCESSABLE_ENTITY, "the configuration has errors")
            .refused(StatusCode::SERVICE_UNAVAILABLE, "earlier ones take too long")
            .refused(StatusCode::GATEWAY_TIMEOUT, "in force, but a worker has not taken it up"),
        apply::apply,
    )
}

/// The router of all resources.
pub(crate) fn router(state: Arc<State>) -> Router {
    routes()
        .into_router()
        .fallback(no_such_resource)
        .method_not_allowed_fallback(no_such_method)
        .with_state(state)
}

type Here = Shared<Arc<State>>;

/// On a thread of its own: a hundred thousand real servers take a moment, in which others are
/// answered.
async fn services(Shared(state): Here) -> Response {
    let text = tokio::task::spawn_blocking(move || serde_json::to_vec(&view::services(&state)));
    match text.await {
        Ok(Ok(text)) => ([(CONTENT_TYPE, "application/json")], text).into_response(),
        Ok(Err(error)) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping".to_owned()),
    }
}

async fn flows(Shared(state): Here, query: Result<Query<FlowQuery>, QueryRejection>) -> Response {
    let limit = match query {
        Ok(Query(query)) => query.limit,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error.body_text()),
    };
    let listing = listing::start(&state, Command::ListFlows);
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
    let error = "this resource does not take that method; the header Allow has those it takes";
    refuse(StatusCode::METHOD_NOT_ALLOWED, error.to_owned())
}

pub(crate) fn refuse(status: StatusCode, error: String) -> Response {
    (status, Json(Refusal { error, errors: Vec::new() })).into_response()
}

#[cfg(test)]
pub(crate) use view::services as services_of;

#[cfg(test)]
mod described;
#[cfg(test)]
mod tests;
