//! Why a daemon did not do what it was asked, as errors that say what to do.
//!
//! A daemon of another release may lack a resource, a method, a parameter or a field. That is told
//! from other refusals by its version, which is asked for then.

use std::io;

use hyper::{Method, StatusCode};
use serde::Deserialize;

use super::{Address, Content, Daemon};
use crate::api::proto::{NO_SUCH_RESOURCE, Refusal};
use crate::error::CtrlError;

/// The version of this tool.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A refusal with its status.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    refusal: Refusal,
}

/// What every release tells of itself.
#[derive(Deserialize)]
struct Version {
    version: String,
}

impl Refused {
    /// A refusal by its body; one that is not ours is told by its status.
    pub(super) fn new(status: StatusCode, body: &[u8]) -> Self {
        let plain = |_| Refusal { error: status.to_string(), errors: Vec::new() };
        Self { status, refusal: serde_json::from_slice(body).unwrap_or_else(plain) }
    }
}

impl Daemon {
    /// The error for a request that was refused.
    pub(super) fn explain(&self, method: &Method, target: &str, refused: Refused) -> CtrlError {
        let Refused { status, refusal: Refusal { error, errors } } = refused;
        if status == StatusCode::BAD_REQUEST
            && let Some(version) = self.differing()
        {
            return self.other_release(version, error);
        }
        let lacks = || {
            let version = self.version().unwrap_or_else(|| "unknown".to_owned());
            self.other_release(version, format!("it does not know {method} {target}"))
        };
        match status {
            StatusCode::NOT_FOUND if is_lacking(&error, status) => lacks(),
            StatusCode::METHOD_NOT_ALLOWED => lacks(),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                CtrlError::Denied { daemon: self.to_string(), advice: format!("{error}.") }
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                CtrlError::Busy(error)
            }
            _ => CtrlError::Refused { text: error, is_report: !errors.is_empty() },
        }
    }

    /// The error for an answer that lacks what this version of the tool needs.
    pub(super) fn not_understood(&self, error: &serde_json::Error) -> CtrlError {
        if error.is_data()
            && let Some(version) = self.differing()
        {
            return self.other_release(version, error.to_string());
        }
        self.no_answer(format!("it is not what this version of rvs expects ({error})"))
    }

    pub(super) fn no_answer(&self, why: impl Into<String>) -> CtrlError {
        CtrlError::Answer { daemon: self.to_string(), why: why.into() }
    }

    pub(super) fn unreachable(&self, error: &io::Error) -> CtrlError {
        use io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied};
        let daemon = self.to_string();
        if matches!(self.0, Address::Tcp { .. }) {
            let advice = format!("{error}. Does its configuration have it listen there?");
            return CtrlError::NoDaemon { daemon, advice };
        }
        let kind = error.kind();
        if kind == PermissionDenied {
            let advice = "run as root, as the user that `rvs run` runs as, or as one that \
                          `control: {mode: ..., group: ...}` in its configuration lets in."
                .to_owned();
            return CtrlError::Denied { daemon, advice };
        }
        if !matches!(kind, NotFound | ConnectionRefused) {
            return self.no_answer(error.to_string());
        }
        let advice = "is `rvs run` running? If it serves another socket (`control: {socket: ...}` \
                      in its configuration), name that with --socket or RVS_SOCKET."
            .to_owned();
        CtrlError::NoDaemon { daemon, advice }
    }

    fn other_release(&self, version: String, why: String) -> CtrlError {
        CtrlError::OtherRelease { daemon: self.to_string(), version, why }
    }

    /// The daemon's version, if it tells and is another than that of this tool.
    fn differing(&self) -> Option<String> {
        self.version().filter(|version| version != VERSION)
    }

    /// The daemon's version, if it tells.
    fn version(&self) -> Option<String> {
        let mut body = Vec::new();
        let take = &mut |piece: &[u8]| {
            body.extend_from_slice(piece);
            Ok(())
        };
        self.talk(Method::GET, "/v1/status", Content::default(), take).ok()?.ok()?;
        serde_json::from_slice(&body).ok().map(|Version { version }| version)
    }
}

/// Whether it is the resource that is not there, and not what a request names.
fn is_lacking(error: &str, status: StatusCode) -> bool {
    error == NO_SUCH_RESOURCE || error == status.to_string()
}
