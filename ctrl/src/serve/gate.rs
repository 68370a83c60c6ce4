//! What every request meets before its handler, and every answer after it.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue,
    ORIGIN, SERVER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Request, StatusCode, Version};
use axum::response::Response;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use super::access::Access;
use super::connection::Came;
use crate::api::{Peer, Role, refuse};

/// What credentials begin with, in any case.
const BEARER: &[u8] = b"Bearer ";
/// Most bytes that are told of a refusal that is not in our own form.
const REFUSAL_BYTES_MAX: usize = 16 << 10;

/// Headers of every answer: who answers, that answers are not for keeping, and that they are what
/// they say they are.
const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (SERVER, HeaderValue::from_static("rvs")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// The way to the handlers.
#[derive(Debug)]
pub(super) struct Gate {
    handlers: TowerToHyperService<Router>,
    access: Arc<Access>,
}

impl Gate {
    pub(super) fn new(router: Router, access: Arc<Access>) -> Self {
        Self { handlers: TowerToHyperService::new(router), access }
    }

    /// The answer to `request` of a client that came in this way.
    pub(super) async fn answer(&self, came: Came, request: Request<Incoming>) -> Response {
        let mut response = match self.let_in(came, request) {
            Ok(request) => {
                let handled: Result<Response, Infallible> = self.handlers.call(request).await;
                in_our_form(handled.unwrap_or_else(|never| match never {})).await
            }
            Err(refusal) => refusal.into_response(),
        };
        response.headers_mut().extend(HEADERS);
        response
    }

    /// `request` with a note of who asks, if it may go on.
    fn let_in(&self, came: Came, request: Request<Incoming>) -> Result<Request<Body>, Refused> {
        let headers = request.headers();
        let hosts = headers.get_all(HOST).iter().count();
        if hosts > 1 || (hosts == 0 && request.version() > Version::HTTP_10) {
            // RFC 9112, section 3.2.
            let why = "a request has one Host header, whatever it says";
            return Err(Refused::because(StatusCode::BAD_REQUEST, why));
        }
        if headers.contains_key(ORIGIN) {
            let why = "the API is not for pages in browsers: requests with an Origin are refused";
            return Err(Refused::because(StatusCode::FORBIDDEN, why));
        }
        let peer = match came {
            Came::BySocket(role) => Peer { role, by_token: false },
            Came::ByTcp => Peer { role: self.role_by_token(headers)?, by_token: true },
            Came::ToRead => Peer { role: Role::ReadOnly, by_token: false },
        };
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        Ok(request)
    }

    /// What the token of a request allows (RFC 6750).
    fn role_by_token(&self, headers: &HeaderMap) -> Result<Role, Refused> {
        let unknown = |why, challenge| Refused {
            status: StatusCode::UNAUTHORIZED,
            why,
            challenge: Some(challenge),
        };
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let Some(credentials) = given.next() else {
            let why = "over TCP a request needs a token: `Authorization: Bearer TOKEN`";
            return Err(unknown(why, "Bearer realm=\"rvs\""));
        };
        let token = match credentials.as_bytes().split_at_checked(BEARER.len()) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(BEARER) => Some(token),
            _ => None,
        };
        if let (Some(token), None) = (token, given.next())
            && let Some(role) = self.access.role_by_token(token.trim_ascii())
        {
            return Ok(role);
        }
        let why = "this token is not known here";
        Err(unknown(why, "Bearer realm=\"rvs\", error=\"invalid_token\""))
    }
}

/// A request that does not get to a handler.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    why: &'static str,
    /// What the client is asked for.
    challenge: Option<&'static str>,
}

impl Refused {
    const fn because(status: StatusCode, why: &'static str) -> Self {
        Self { status, why, challenge: None }
    }

    fn into_response(self) -> Response {
        let mut response = refuse(self.status, self.why.to_owned());
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

/// `response` with its refusal in our form, should it be one of the library's.
async fn in_our_form(response: Response) -> Response {
    let status = response.status();
    let is_json = |kind: &HeaderValue| kind.as_bytes().starts_with(b"application/json");
    let is_ours = response.headers().get(CONTENT_TYPE).is_some_and(is_json);
    if is_ours || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut head, mut body) = response.into_parts();
    let mut text = Vec::new();
    while text.len() < REFUSAL_BYTES_MAX
        && let Some(Ok(frame)) = body.frame().await
    {
        text.extend(frame.into_data().unwrap_or_default());
    }
    text.truncate(REFUSAL_BYTES_MAX);
    let error = String::from_utf8_lossy(&text).into_owned();
    let error = if error.is_empty() { status.to_string() } else { error };
    let (ours, body) = refuse(status, error).into_parts();
    // That of the other text.
    head.headers.remove(CONTENT_LENGTH);
    head.headers.extend(ours.headers);
    Response::from_parts(head, body)
}
