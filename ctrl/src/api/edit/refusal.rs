//! Why a change is refused, as an answer.

use axum::http::StatusCode;
use axum::response::Response;
use conf::edit::{EditError, Refused};

use super::plan::PlanError;
use crate::api::refuse;
use crate::edit::{Failed, Stale, ZeroError};

/// Why a list of edits cannot be made of a request.
#[derive(Debug)]
pub(super) enum ChangeError {
    /// The client means another generation.
    Stale(Stale),
    /// The edit at this place cannot be understood.
    Plan(usize, PlanError),
}

/// The refusal of a change, with the place of the edit if it was one of a list.
pub(super) fn of_change(error: &Failed<ChangeError>, is_list: bool) -> Response {
    let (index, status, text) = match error {
        Failed::Plan(ChangeError::Stale(stale)) => {
            return refuse(StatusCode::PRECONDITION_FAILED, stale.to_string());
        }
        Failed::Plan(ChangeError::Plan(index, error)) => {
            (index, plan_status(error), error.to_string())
        }
        Failed::Edit(Refused { index, error }) => (index, status(error), error.to_string()),
    };
    refuse(status, if is_list { format!("edits[{index}]: {text}") } else { text })
}

/// The refusal of what cannot be understood.
pub(super) fn of_plan(error: &PlanError) -> Response {
    refuse(plan_status(error), error.to_string())
}

/// The refusal of counters that were to begin anew.
pub(super) fn of_zero(error: &ZeroError) -> Response {
    let status = match error {
        ZeroError::Edit(error) => status(error),
        ZeroError::Stale(_) => StatusCode::PRECONDITION_FAILED,
        ZeroError::Apply(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    refuse(status, error.to_string())
}

fn plan_status(error: &PlanError) -> StatusCode {
    if matches!(error, PlanError::NoSuchService(_)) {
        StatusCode::NOT_FOUND
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    }
}

fn status(error: &EditError) -> StatusCode {
    use EditError::{
        NameTaken, NoRoom, NoSuchRealServer, NoSuchService, RealServerExists, ServiceExists,
        ServiceNotDefined,
    };
    if matches!(error, NoSuchService(_) | ServiceNotDefined(_) | NoSuchRealServer { .. }) {
        StatusCode::NOT_FOUND
    } else if matches!(
        error,
        ServiceExists(_) | RealServerExists { .. } | NameTaken { .. } | NoRoom { .. }
    ) {
        StatusCode::CONFLICT
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    }
}
