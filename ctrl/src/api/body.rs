//! Bodies of requests: taken in whole, within a limit and a time, before a handler begins.
//!
//! So a client that sends slowly, too much or only half of it costs a little memory and nothing
//! else, and no handler has to think of it.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes};
use tokio::time::timeout;

use super::refuse;

/// Most bytes of a body, but for whole configurations. Limits are whole MiB.
pub(super) const BODY_BYTES_MAX: usize = 1 << 20;
/// How long a body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(60);

/// Takes in the body of `request`, at most `bytes_max` of it, and goes on with it.
pub(super) async fn take_in(bytes_max: usize, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    match whole(body, bytes_max).await {
        Ok(body) => next.run(Request::from_parts(head, Body::from(body))).await,
        Err((status, error)) => refuse(status, error),
    }
}

async fn whole(body: Body, bytes_max: usize) -> Result<Bytes, (StatusCode, String)> {
    let too_long = || {
        let error = format!("the body of this request has at most {} MiB", bytes_max >> 20);
        (StatusCode::PAYLOAD_TOO_LARGE, error)
    };
    // What announces too much is not even begun.
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(too_long());
    }
    match timeout(BODY_PATIENCE, Limited::new(body, bytes_max).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_long()),
        Ok(Err(error)) => Err((StatusCode::BAD_REQUEST, format!("the body broke off: {error}"))),
        Err(_) => {
            let error = format!("the body did not arrive within {} s", BODY_PATIENCE.as_secs());
            Err((StatusCode::REQUEST_TIMEOUT, error))
        }
    }
}
