//! One connection: HTTP/1.1, request after request, until its client or its time ends it.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::header::{CONNECTION, HeaderValue, RETRY_AFTER};
use axum::http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::gate::Gate;
use super::patience::Patient;
use super::places::{CONNECTIONS_MAX, Place};
use crate::api::{Role, refuse};

/// How long the head of a request may take, and how long a connection may be idle before it.
pub(super) const HEAD_PATIENCE: Duration = Duration::from_secs(30);
/// The same for a connection that is refused.
const REFUSED_PATIENCE: Duration = Duration::from_secs(2);
/// Most bytes of the head of a request.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// How a client came in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Came {
    /// By the control socket, as a user with this role.
    BySocket(Role),
    /// Over TCP, where each request has a token.
    ByTcp,
    /// By a port that shows nothing but what all may read.
    ToRead,
}

/// Serves the client at the other end of `stream`.
pub(super) async fn serve<S>(stream: S, came: Came, gate: &Gate, place: Place)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let is_refused = matches!(place, Place::Refused { .. });
    let service = service_fn(move |request: Request<Incoming>| async move {
        Ok::<_, Infallible>(if is_refused { no_place() } else { gate.answer(came, request).await })
    });
    let patience = if is_refused { REFUSED_PATIENCE } else { HEAD_PATIENCE };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Patient::new(stream)), service);
    if let Err(error) = connection.await {
        tracing::debug!("API: a connection ended early: {error}");
    }
    drop(place);
}

/// The answer when there is no place.
fn no_place() -> axum::response::Response {
    let error = format!(
        "there are too many connections already, {CONNECTIONS_MAX} at most and fewer for users \
         who are no admins; try again"
    );
    let mut response = refuse(StatusCode::SERVICE_UNAVAILABLE, error);
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
