//! Requests that change single things, which admins may make.
//!
//! Every request becomes a list of edits (`asked.rs`); `plan.rs` makes of it what the desk
//! understands, `refusal.rs` says no. What is accepted goes on whether or not the client waits
//! ([`crate::edit`]).

mod asked;
mod plan;
mod refusal;

use axum::extract::Path;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Json, Response};
use schemars::JsonSchema;

use super::operation::Operation;
use super::proto::{
    EditList, EditSpec, Edited, RealServerChange, RealServerSpec, ServiceSpec, TimeoutsSpec, Zero,
};
use super::routes::Routes;
use crate::edit;
use asked::{Asked, ChangeQuery};

const SERVICE: &str = "/v1/services/{service}";
const REAL_SERVER: &str = "/v1/services/{service}/real-servers/{address}";

/// Adds what changes single things.
pub(super) fn routes(routes: Routes) -> Routes {
    director(real_servers(services(routes)))
}

/// A change that answers when the workers run it.
fn change(id: &'static str, summary: &'static str) -> Operation {
    Operation::answering::<Edited>(id, summary)
        .query::<ChangeQuery>()
        .conditional()
        .refused(StatusCode::NOT_FOUND, "there is no such service or real server")
        .refused(StatusCode::CONFLICT, "it is there already, or there is no room under `limits`")
        .refused(StatusCode::UNPROCESSABLE_ENTITY, "it would break a rule of configurations")
}

/// A change with a body.
fn change_by<T: JsonSchema>(id: &'static str, summary: &'static str) -> Operation {
    change(id, summary).taking::<T>()
}

fn services(routes: Routes) -> Routes {
    routes
        .change(
            Method::POST,
            "/v1/services",
            change_by::<ServiceSpec>("add-service", "Adds a service."),
            async |asked: Asked, Json(settings): Json<ServiceSpec>| {
                asked.carry_out(EditSpec::AddService { settings }).await
            },
        )
        .change(
            Method::PUT,
            SERVICE,
            change_by::<ServiceSpec>("set-service", "Sets all of a service but real servers."),
            async |asked: Asked, Path(service): Path<String>, Json(settings): Json<_>| {
                asked.carry_out(EditSpec::SetService { service, settings }).await
            },
        )
        .change(
            Method::DELETE,
            SERVICE,
            change("remove-service", "Removes a service and its real servers."),
            async |asked: Asked, Path(service): Path<String>| {
                asked.carry_out(EditSpec::RemoveService { service }).await
            },
        )
}

fn real_servers(routes: Routes) -> Routes {
    type End = (String, String);
    routes
        .change(
            Method::POST,
            "/v1/services/{service}/real-servers",
            change_by::<RealServerSpec>("add-real-server", "Adds a real server to a service."),
            async |asked: Asked, Path(service): Path<String>, Json(real_server): Json<_>| {
                asked.carry_out(EditSpec::AddRealServer { service, real_server }).await
            },
        )
        .change(
            Method::PATCH,
            REAL_SERVER,
            change_by::<RealServerChange>("set-real-server", "Changes a real server."),
            async |asked: Asked, Path((service, address)): Path<End>, Json(settings): Json<_>| {
                asked.carry_out(EditSpec::SetRealServer { service, address, settings }).await
            },
        )
        .change(
            Method::DELETE,
            REAL_SERVER,
            change("remove-real-server", "Removes a real server from a service."),
            async |asked: Asked, Path((service, address)): Path<End>| {
                asked.carry_out(EditSpec::RemoveRealServer { service, address }).await
            },
        )
}

fn director(routes: Routes) -> Routes {
    let none = (StatusCode::NOT_FOUND, "there is no such service");
    let behind = (StatusCode::SERVICE_UNAVAILABLE, "a worker does not run what is in force yet");
    routes
        .change(
            Method::PUT,
            "/v1/timeouts",
            change_by::<TimeoutsSpec>("set-timeouts", "Sets idle times of the director."),
            async |asked: Asked, Json(timeouts): Json<TimeoutsSpec>| {
                asked.carry_out(EditSpec::SetTimeouts { timeouts }).await
            },
        )
        .change(
            Method::POST,
            "/v1/edits",
            change_by::<EditList>("edit", "Makes changes in this order, all or nothing."),
            async |asked: Asked, Json(list): Json<EditList>| asked.carry_out_all(list).await,
        )
        .change(
            Method::POST,
            "/v1/zero",
            Operation::answering::<Edited>("zero", "Has counters and rates begin anew.")
                .taking::<Zero>()
                .conditional()
                .refused(none.0, none.1)
                .refused(behind.0, behind.1),
            zero,
        )
}

async fn zero(asked: Asked, Json(Zero { service }): Json<Zero>) -> Response {
    let Asked { state, generation, .. } = asked;
    let key = service.map(|text| state.desk.read(|draft| plan::service_key(draft, &text)));
    let key = match key.transpose() {
        Ok(key) => key,
        Err(error) => return refusal::of_plan(&error),
    };
    match edit::zero(&state, key, generation).await {
        Ok(()) => {
            let generation = state.in_force.load().generation;
            Json(Edited { running: true, generation }).into_response()
        }
        Err(error) => refusal::of_zero(&error),
    }
}

#[cfg(test)]
mod tests;
