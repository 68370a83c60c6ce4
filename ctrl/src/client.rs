//! The tool's side of the control socket: one request, one answer.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, Response, http};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::runtime;
use tokio::time::timeout;

use crate::api::proto::Refusal;
use crate::error::CtrlError;

/// How long the daemon may take to answer, or to go on with an answer. Listings wait for each other
/// for up to 30 s.
const PATIENCE: Duration = Duration::from_secs(40);

/// Asks the daemon at `socket` for `target` and hands the answer to `take` piece by piece.
pub(crate) fn get(
    socket: &Path,
    target: &str,
    take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), CtrlError> {
    let request = Request::get(target).header(HOST, "localhost").body(Full::default());
    match talk(socket, request, take)? {
        None => Ok(()),
        Some(refusal) => Err(Daemon(socket.to_path_buf()).error(refusal.error)),
    }
}

/// Asks the daemon at `socket` for `target` and returns the answer whole.
pub(crate) fn get_whole(socket: &Path, target: &str) -> Result<Vec<u8>, CtrlError> {
    let mut whole = Vec::new();
    get(socket, target, &mut |piece| {
        whole.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(whole)
}

/// Sends `body` to `target` of the daemon at `socket`, with parameters, and returns the answer.
pub(crate) fn post(
    socket: &Path,
    target: &str,
    parameters: &[(&str, &str)],
    body: Vec<u8>,
) -> Result<Vec<u8>, CtrlError> {
    let encoded = |(name, value): &(&str, &str)| {
        format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC))
    };
    let parameters: Vec<_> = parameters.iter().map(encoded).collect();
    let target = format!("{target}?{}", parameters.join("&"));
    let request = Request::post(target).header(HOST, "localhost").body(Full::from(body));
    let mut whole = Vec::new();
    let refusal = talk(socket, request, &mut |piece| {
        whole.extend_from_slice(piece);
        Ok(())
    })?;
    match refusal {
        None => Ok(whole),
        Some(refusal) => {
            let is_report = !refusal.errors.is_empty();
            Err(CtrlError::Refused { text: refusal.error, is_report })
        }
    }
}

/// Reads an answer of the daemon at `socket`.
pub(crate) fn understand<T: DeserializeOwned>(
    socket: &Path,
    answer: &[u8],
) -> Result<T, CtrlError> {
    serde_json::from_slice(answer).map_err(|error| CtrlError::Answer {
        socket: socket.to_path_buf(),
        why: format!("it is not what this version of rvs expects ({error})"),
    })
}

/// Sends a request and hands the answer to `take` piece by piece, or returns the refusal.
fn talk(
    socket: &Path,
    request: http::Result<Request<Full<Bytes>>>,
    take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<Option<Refusal>, CtrlError> {
    let daemon = Daemon(socket.to_path_buf());
    let request = request.map_err(|error| daemon.error(error.to_string()))?;
    let runtime =
        runtime::Builder::new_current_thread().enable_all().build().map_err(CtrlError::Runtime)?;
    runtime.block_on(exchange(&daemon, request, take))
}

/// The daemon, for errors.
struct Daemon(PathBuf);

impl Daemon {
    fn error(&self, why: impl Into<String>) -> CtrlError {
        CtrlError::Answer { socket: self.0.clone(), why: why.into() }
    }

    fn unreachable(&self, error: &io::Error) -> CtrlError {
        let socket = self.0.clone();
        let kind = error.kind();
        if matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) {
            CtrlError::NoDaemon { socket }
        } else if kind == io::ErrorKind::PermissionDenied {
            CtrlError::Denied { socket }
        } else {
            self.error(error.to_string())
        }
    }

    /// Waits for `answer`, but not forever.
    async fn within<T, E: std::fmt::Display>(
        &self,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CtrlError> {
        match timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.error(error.to_string())),
            Err(_) => Err(self.error(format!("nothing came for {} s", PATIENCE.as_secs()))),
        }
    }
}

async fn exchange(
    daemon: &Daemon,
    request: Request<Full<Bytes>>,
    take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<Option<Refusal>, CtrlError> {
    let stream =
        UnixStream::connect(&daemon.0).await.map_err(|error| daemon.unreachable(&error))?;
    let handshake = http1::handshake(TokioIo::new(stream));
    let (mut sender, connection) = daemon.within(handshake).await?;
    tokio::spawn(connection);
    let mut response = daemon.within(sender.send_request(request)).await?;
    if !response.status().is_success() {
        return Ok(Some(refusal(daemon, response).await));
    }
    let body = response.body_mut();
    while let Some(frame) = daemon.within(next_frame(body)).await? {
        if let Some(piece) = frame.data_ref() {
            take(piece).map_err(CtrlError::Output)?;
        }
    }
    Ok(None)
}

async fn next_frame(body: &mut Incoming) -> Result<Option<Frame<Bytes>>, hyper::Error> {
    body.frame().await.transpose()
}

/// What the daemon says about a request that it refused.
async fn refusal(daemon: &Daemon, response: Response<Incoming>) -> Refusal {
    let status = response.status();
    let plain = Refusal { error: status.to_string(), errors: Vec::new() };
    let Ok(body) = daemon.within(response.into_body().collect()).await else { return plain };
    serde_json::from_slice(&body.to_bytes()).unwrap_or(plain)
}
