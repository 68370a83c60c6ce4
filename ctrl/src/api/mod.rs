//! The API: HTTP/1.1 and JSON, described in `docs/API.md` and `docs/openapi.json`.
//!
//! `routes()` is the list of all resources. `proto/` has the messages, `view.rs` fills them in;
//! `flows/` lists, counts and ends flows. Who may come in, and how long they may
//! take, is seen to in `serve/`.

mod apply;
mod body;
mod config;
mod edit;
pub(crate) mod flows;
mod local_ports;
mod openapi;
mod operation;
mod plan;
pub mod proto;
mod query;
mod reach;
mod role;
mod routes;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State as Shared};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use conf::FILE_BYTES_MAX;

use crate::listing::ListingError;
use crate::metrics::{self, MEDIA_TYPE};
use crate::select::{FlowFilter, NoSuchService, ServiceFilter};
use crate::state::State;
use operation::Operation;
use proto::{NO_SUCH_RESOURCE, Refusal};
use routes::Routes;

pub(crate) use role::Peer;
pub use role::Role;

/// All resources.
fn routes() -> Routes {
    let routes = Routes::default();
    routes_that_change(routes_about_files(routes_to_flows(routes_that_read(routes))))
}

fn routes_that_read(routes: Routes) -> Routes {
    let no_service = "there is no such service";
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
            Operation::answering::<proto::Services>("services", "Services and real servers.")
                .query::<ServiceFilter>()
                .refused(StatusCode::NOT_FOUND, no_service),
            async |Shared(state): Here, Query(filter): Services| {
                aside(move || view::chosen_services(&state, &filter).map(Json)).await
            },
        )
        .read(
            "/v1/real-servers",
            Operation::answering::<proto::RealServers>("real-servers", "Real servers in one list.")
                .query::<ServiceFilter>()
                .refused(StatusCode::NOT_FOUND, no_service),
            async |Shared(state): Here, Query(filter): Services| {
                aside(move || view::real_servers(&state, &filter).map(Json)).await
            },
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
            "/metrics",
            Operation::sending("metrics", "All counters, in OpenMetrics.", MEDIA_TYPE)
                .refused(StatusCode::SERVICE_UNAVAILABLE, "too many scrapes at a time"),
            metrics::metrics,
        )
        .read(
            "/v1/neighbors",
            Operation::answering::<proto::Neighbors>("neighbors", "Neighbours of all workers.")
                .refused(StatusCode::SERVICE_UNAVAILABLE, SLOW),
            reach::neighbors,
        )
        .read(
            "/v1/routes",
            Operation::answering::<proto::Routes>("routes", "Routes and their gateways.")
                .refused(StatusCode::SERVICE_UNAVAILABLE, SLOW),
            reach::routes,
        )
}

fn routes_to_flows(routes: Routes) -> Routes {
    let ended = "Ends flows; nobody is told.";
    routes
        .read(
            "/v1/flows",
            Operation::answering::<proto::Flows>("flows", "Flows, sent while they are listed.")
                .query::<FlowFilter>()
                .query::<flows::ListOptions>()
                .refused(StatusCode::NOT_FOUND, "there is no such service or worker")
                .refused(StatusCode::SERVICE_UNAVAILABLE, SLOW),
            flows::list,
        )
        .read(
            "/v1/flows/count",
            Operation::answering::<proto::FlowCount>("count-flows", "How many flows there are.")
                .query::<FlowFilter>()
                .query::<flows::CountOptions>()
                .refused(StatusCode::NOT_FOUND, "there is no such service or worker")
                .refused(StatusCode::SERVICE_UNAVAILABLE, SLOW),
            flows::count,
        )
        .change(
            Method::DELETE,
            "/v1/flows",
            Operation::answering::<proto::FlowsEnded>("end-flows", ended)
                .query::<FlowFilter>()
                .query::<flows::EndOptions>()
                .refused(StatusCode::NOT_FOUND, "there is no such service or worker")
                .refused(StatusCode::SERVICE_UNAVAILABLE, "earlier listings take too long")
                .refused(StatusCode::GATEWAY_TIMEOUT, "a worker does not answer; some have ended"),
            flows::end,
        )
        .read(
            "/v1/local-ports",
            Operation::answering::<proto::LocalPorts>("local-ports", "Local ports in use.")
                .query::<ServiceFilter>()
                .refused(StatusCode::NOT_FOUND, "there is no such service")
                .refused(StatusCode::SERVICE_UNAVAILABLE, SLOW),
            local_ports::local_ports,
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
    let routes = routes.change(
        Method::POST,
        "/v1/apply",
        Operation::answering::<proto::Applied>("apply", apply)
            .query::<apply::FileQuery>()
            .taking_text("application/yaml", FILE_BYTES_MAX)
            .refused(
                StatusCode::CONFLICT,
                "it needs a restart, there is no room under `limits`, or clients cannot be let in \
                 as it says",
            )
            .refused(StatusCode::UNPROCESSABLE_ENTITY, "the configuration has errors")
            .refused(StatusCode::SERVICE_UNAVAILABLE, "earlier ones take too long")
            .refused(StatusCode::GATEWAY_TIMEOUT, "in force, but a worker has not taken it up"),
        apply::apply,
    );
    edit::routes(routes)
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
type Services = Query<ServiceFilter>;

/// Why listings are refused.
const SLOW: &str = "a worker does not answer, or earlier listings take too long";

/// What `work` answers, which is done on a thread of its own: a hundred thousand real servers take
/// a moment, in which others are answered.
async fn aside<R: IntoResponse>(work: impl FnOnce() -> R + Send + 'static) -> Response {
    let answer = tokio::task::spawn_blocking(move || work().into_response()).await;
    let stopping = "the daemon is stopping";
    answer.unwrap_or_else(|_| refuse(StatusCode::SERVICE_UNAVAILABLE, stopping.to_owned()))
}

impl IntoResponse for NoSuchService {
    fn into_response(self) -> Response {
        refuse(StatusCode::NOT_FOUND, self.to_string())
    }
}

impl IntoResponse for ListingError {
    fn into_response(self) -> Response {
        refuse(StatusCode::SERVICE_UNAVAILABLE, self.to_string())
    }
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
