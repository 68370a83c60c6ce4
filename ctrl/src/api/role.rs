//! Who asks, and what they may do.
//!
//! `serve/` finds out who asks and notes it in each request; what changes something is refused here
//! to everybody but admins, whatever the request is.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, WWW_AUTHENTICATE};
use axum::middleware::Next;
use axum::response::Response;
use serde::Serialize;

use super::refuse;

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Read everything.
    ReadOnly,
    /// Change things, too.
    Admin,
}

impl Role {
    /// Its word in files and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::Admin => "admin",
        }
    }
}

/// The client of a request, as `serve/` noted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// What it may do.
    pub(crate) role: Role,
    /// Whether a token says so, rather than the user that the client runs as.
    pub(crate) by_token: bool,
}

/// Lets requests of admins pass and refuses all others. A request without a note is nobody's.
pub(super) async fn admins_only(request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    if peer.is_some_and(|peer| peer.role == Role::Admin) {
        return next.run(request).await;
    }
    let (who, way_out) = if peer.is_some_and(|peer| peer.by_token) {
        ("this token", "use one of an admin")
    } else {
        ("this user", "ask as root, or have `control: {admins: [...]}` name the user")
    };
    let (method, target) = (request.method(), request.uri().path());
    tracing::warn!("API: {method} {target:?} refused: {who} may read only");
    let error = format!("{who} may read only, and {method} {target} changes something: {way_out}");
    let mut response = refuse(StatusCode::FORBIDDEN, error);
    if peer.is_some_and(|peer| peer.by_token) {
        let challenge = "Bearer realm=\"rvs\", error=\"insufficient_scope\"";
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}
