//! The tool's side of the API: one request, one answer.

mod connection;
mod refusal;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime;
use tokio::time::timeout;

use crate::error::CtrlError;
use refusal::Refused;

pub(crate) use connection::Connection;

/// How long the daemon may take to answer, or to go on with an answer. Listings wait for each other
/// for up to 30 s.
const PATIENCE: Duration = Duration::from_secs(40);

/// Parameters of a request: names and values.
pub(crate) type Parameters = [(String, String)];

/// What goes along with a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    bytes: Vec<u8>,
    media_type: Option<&'static str>,
}

impl Content {
    /// The text of a configuration file.
    pub(crate) const fn yaml(bytes: Vec<u8>) -> Self {
        Self { bytes, media_type: Some("application/yaml") }
    }

    /// JSON.
    pub(crate) fn json(value: &impl Serialize) -> Self {
        // Nothing that is sent can fail to be written as JSON: its keys are strings.
        let bytes = serde_json::to_vec(value).unwrap_or_default();
        Self { bytes, media_type: Some("application/json") }
    }
}

/// What takes an answer piece by piece.
type Take<'a> = &'a mut dyn FnMut(&[u8]) -> io::Result<()>;

/// A daemon to talk to.
#[derive(Clone, Debug)]
pub(crate) struct Daemon(Address);

#[derive(Clone, Debug)]
enum Address {
    Socket(PathBuf),
    Tcp { authority: String, token: String },
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Address::Socket(path) => write!(f, "{}", path.display()),
            Address::Tcp { authority, .. } => write!(f, "http://{authority}"),
        }
    }
}

impl Daemon {
    /// The daemon that serves this socket.
    pub(crate) const fn at(socket: PathBuf) -> Self {
        Self(Address::Socket(socket))
    }

    /// Whether it is on this machine.
    pub(crate) const fn is_here(&self) -> bool {
        matches!(self.0, Address::Socket(_))
    }

    /// Asks for `target` and hands the answer to `take` piece by piece.
    pub(crate) fn get(
        &self,
        target: &str,
        parameters: &Parameters,
        take: Take<'_>,
    ) -> Result<(), CtrlError> {
        self.send_to(Method::GET, target, parameters, Content::default(), take)
    }

    /// Asks for `target` and returns the answer whole.
    pub(crate) fn fetch(
        &self,
        target: &str,
        parameters: &Parameters,
    ) -> Result<Vec<u8>, CtrlError> {
        self.send(Method::GET, target, parameters, Content::default())
    }

    /// Asks for `target` and returns the answer, understood.
    pub(crate) fn ask<T: DeserializeOwned>(
        &self,
        target: &str,
        parameters: &Parameters,
    ) -> Result<T, CtrlError> {
        let answer = self.fetch(target, parameters)?;
        self.understand(&answer)
    }

    /// Sends a request with `body` to `target` and returns the answer whole.
    pub(crate) fn send(
        &self,
        method: Method,
        target: &str,
        parameters: &Parameters,
        body: Content,
    ) -> Result<Vec<u8>, CtrlError> {
        let mut whole = Vec::new();
        self.send_to(method, target, parameters, body, &mut |piece| {
            whole.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(whole)
    }

    /// Reads an answer.
    pub(crate) fn understand<T: DeserializeOwned>(&self, answer: &[u8]) -> Result<T, CtrlError> {
        serde_json::from_slice(answer).map_err(|error| self.not_understood(&error))
    }

    fn send_to(
        &self,
        method: Method,
        target: &str,
        parameters: &Parameters,
        body: Content,
        take: Take<'_>,
    ) -> Result<(), CtrlError> {
        let (verb, path) = (method.clone(), target);
        match self.talk(method, &with_parameters(target, parameters), body, take)? {
            Ok(()) => Ok(()),
            Err(refused) => Err(self.explain(&verb, path, refused)),
        }
    }

    /// Sends a request and hands the answer to `take`, or returns the refusal.
    fn talk(
        &self,
        method: Method,
        target: &str,
        body: Content,
        take: Take<'_>,
    ) -> Result<Result<(), Refused>, CtrlError> {
        let request = self.request(method, target, body)?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(CtrlError::Runtime)?.block_on(async {
            match &self.0 {
                Address::Socket(path) => {
                    let stream = self.within_time(UnixStream::connect(path)).await?;
                    let stream = stream.map_err(|error| self.unreachable(&error))?;
                    self.exchange(stream, request, take).await
                }
                Address::Tcp { authority, .. } => {
                    let stream = self.within_time(TcpStream::connect(authority)).await?;
                    let stream = stream.map_err(|error| self.unreachable(&error))?;
                    self.exchange(stream, request, take).await
                }
            }
        })
    }

    fn request(
        &self,
        method: Method,
        target: &str,
        body: Content,
    ) -> Result<Request<Full<Bytes>>, CtrlError> {
        let mut request = Request::builder().method(method).uri(target);
        request = match &self.0 {
            Address::Socket(_) => request.header(HOST, "localhost"),
            Address::Tcp { authority, token } => {
                request.header(HOST, authority).header(AUTHORIZATION, format!("Bearer {token}"))
            }
        };
        if let Some(media_type) = body.media_type {
            request = request.header(CONTENT_TYPE, media_type);
        }
        request.body(Full::from(body.bytes)).map_err(|error| self.no_answer(error.to_string()))
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        request: Request<Full<Bytes>>,
        take: Take<'_>,
    ) -> Result<Result<(), Refused>, CtrlError> {
        let (mut sender, connection) = self.within(http1::handshake(TokioIo::new(stream))).await?;
        tokio::spawn(connection);
        let mut response = self.within(sender.send_request(request)).await?;
        let status = response.status();
        if !status.is_success() {
            return Ok(Err(self.refused(status, response.into_body()).await));
        }
        let body = response.body_mut();
        while let Some(frame) = self.within(next_frame(body)).await? {
            if let Some(piece) = frame.data_ref() {
                take(piece).map_err(CtrlError::Output)?;
            }
        }
        Ok(Ok(()))
    }

    /// What the daemon says about a request that it refused.
    async fn refused(&self, status: StatusCode, body: Incoming) -> Refused {
        let body = self.within(body.collect()).await.map(|body| body.to_bytes());
        Refused::new(status, body.as_deref().unwrap_or_default())
    }

    /// Waits for `answer`, but not forever.
    async fn within<T, E: fmt::Display>(
        &self,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CtrlError> {
        let answer = self.within_time(answer).await?;
        answer.map_err(|error| self.no_answer(error.to_string()))
    }

    async fn within_time<T>(&self, answer: impl Future<Output = T>) -> Result<T, CtrlError> {
        let late = |_| self.no_answer(format!("nothing came for {} s", PATIENCE.as_secs()));
        timeout(PATIENCE, answer).await.map_err(late)
    }
}

async fn next_frame(body: &mut Incoming) -> Result<Option<Frame<Bytes>>, hyper::Error> {
    body.frame().await.transpose()
}

/// A text as part of a target.
pub(crate) fn encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

fn with_parameters(target: &str, parameters: &Parameters) -> String {
    let pairs = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    let pairs: Vec<_> = pairs.collect();
    if pairs.is_empty() { target.to_owned() } else { format!("{target}?{}", pairs.join("&")) }
}

#[cfg(test)]
mod tests;
