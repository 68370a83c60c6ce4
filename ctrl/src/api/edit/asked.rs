//! What all requests for changes have in common: what they wait for, and which generation they
//! mean.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, Query};
use axum::http::header::IF_MATCH;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use conf::edit::Draft;
use schemars::JsonSchema;
use serde::Deserialize;

use super::plan::{PlanError, Planner};
use super::refusal::{self, ChangeError};
use crate::api::proto::{EditList, EditSpec, Edited};
use crate::api::refuse;
use crate::edit::{self, Failed, Patience, Stale};
use crate::state::State;

/// Most edits of a list, so that others are answered soon.
pub(super) const EDITS_MAX: usize = 10_000;
/// How long a request waits for the workers if it does not say, in seconds.
const WAIT_S: u64 = 5;
/// The longest it can wait, in seconds.
const WAIT_S_MAX: u64 = 60;

/// What a change may be asked with.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeQuery {
    /// Wait until the workers run the change, but at most so many seconds, up to 60; 5 if left out.
    wait_s: Option<u64>,
}

/// A request for a change, without its body.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) state: Arc<State>,
    wait: Duration,
    /// The generation that the client thinks is in force.
    pub(super) generation: Option<u64>,
}

impl FromRequestParts<Arc<State>> for Asked {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<State>,
    ) -> Result<Self, Self::Rejection> {
        let malformed = |error| refuse(StatusCode::BAD_REQUEST, error);
        let query = Query::<ChangeQuery>::from_request_parts(parts, state).await;
        let Query(query) = query.map_err(IntoResponse::into_response)?;
        let wait_s = query.wait_s.unwrap_or(WAIT_S);
        if wait_s > WAIT_S_MAX {
            return Err(malformed(format!("`wait_s` is more than {WAIT_S_MAX}")));
        }
        let generation = generation(&parts.headers).ok_or_else(|| {
            malformed("`If-Match` is not a generation, such as `If-Match: \"7\"`".to_owned())
        })?;
        Ok(Self { state: Arc::clone(state), wait: Duration::from_secs(wait_s), generation })
    }
}

/// The generation that `If-Match` names, if it is there; `None` if it is no generation.
fn generation(headers: &HeaderMap) -> Option<Option<u64>> {
    let Some(value) = headers.get(IF_MATCH) else { return Some(None) };
    match value.to_str().ok()?.trim() {
        "*" => Some(None),
        text => text.trim_matches('"').parse().ok().map(Some),
    }
}

impl Asked {
    /// Carries out one edit.
    pub(super) async fn carry_out(self, edit: EditSpec) -> Response {
        let outcome = self.edit(&[edit]).await;
        outcome.unwrap_or_else(|error| refusal::of_change(&error, false))
    }

    /// Carries out a list of edits, all or nothing.
    pub(super) async fn carry_out_all(self, list: EditList) -> Response {
        if list.edits.len() > EDITS_MAX {
            return refusal::of_plan(&PlanError::TooMany(list.edits.len()));
        }
        let outcome = self.edit(&list.edits).await;
        outcome.unwrap_or_else(|error| refusal::of_change(&error, true))
    }

    async fn edit(&self, edits: &[EditSpec]) -> Result<Response, Failed<ChangeError>> {
        let plan = |draft: &Draft, in_force: Option<u64>| {
            if self.generation.is_some() && self.generation != in_force {
                let now = self.state.in_force.load().generation;
                return Err(ChangeError::Stale(Stale { now }));
            }
            Planner::new(draft).edits(edits)
        };
        let patience = Patience::Until(self.wait);
        let edit::Edited { running, generation } =
            edit::edit_with(&self.state, "the API", patience, plan).await?;
        Ok(Json(Edited { running, generation }).into_response())
    }
}
