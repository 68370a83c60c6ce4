//! A port for metrics alone (`metrics: {listen: ...}`), which may be opened, moved and closed while
//! the daemon runs.
//!
//! It is opened before a configuration comes into force, so that one whose address cannot be had
//! is refused as a whole, and served from then on.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::scrape;
use crate::api::refuse;
use crate::serve::{Access, Admins, Server, listen};
use crate::state::State;

/// The address cannot be had.
#[derive(Debug, thiserror::Error)]
#[error(
    "metrics cannot be served at {address}: {source}. Choose another address of this host and a \
     free port with `metrics: {{listen: ...}}`, or leave it out."
)]
pub struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

/// An open port. Clients that connect wait until they are served.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    address: SocketAddr,
    listener: Arc<StdListener>,
}

/// Where metrics are served besides the API, if anywhere.
#[derive(Debug)]
pub(crate) struct Door(watch::Sender<Option<Opened>>);

impl Default for Door {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Door {
    /// What is to be used for `wanted`: the port that is open, or one that is opened now.
    pub(crate) fn open(&self, wanted: Option<SocketAddr>) -> Result<Option<Opened>, ListenError> {
        let Some(address) = wanted else { return Ok(None) };
        let now = self.0.borrow().clone();
        if let Some(opened) = now.filter(|opened| opened.address == address) {
            return Ok(Some(opened));
        }
        let listener = listen(address).map_err(|source| ListenError { address, source })?;
        Ok(Some(Opened { address, listener: Arc::new(listener) }))
    }

    /// Uses what was opened, and closes what is not used any more.
    pub(crate) fn put_into_use(&self, opened: Option<Opened>) {
        self.0.send_if_modified(|now| {
            let address = |opened: &Option<Opened>| opened.as_ref().map(|opened| opened.address);
            let is_other = address(now) != address(&opened);
            if is_other {
                match address(&opened) {
                    Some(address) => tracing::info!("metrics: serving at http://{address}/metrics"),
                    None => tracing::info!("metrics: not serving any more but by the API"),
                }
                *now = opened;
            }
            is_other
        });
    }
}

/// Serves whoever connects to the port in use.
pub(crate) async fn serve(state: &Arc<State>) -> Infallible {
    let router = Router::new()
        .route("/metrics", get(scrape::metrics))
        .fallback(async || {
            let error = "this port has /metrics and nothing else".to_owned();
            refuse(StatusCode::NOT_FOUND, error)
        })
        .with_state(Arc::clone(state));
    let server = Server::new(router, Arc::new(Access::only(Admins::default())));
    let mut door = state.metrics.door.0.subscribe();
    loop {
        let opened = door.borrow_and_update().clone();
        tokio::select! {
            never = serve_at(&server, opened) => match never {},
            // The other end lives as long as the state.
            _ = door.changed() => {}
        }
    }
}

async fn serve_at(server: &Server, opened: Option<Opened>) -> Infallible {
    let Some(Opened { address, listener }) = opened else { return pending().await };
    match listener.try_clone().and_then(TcpListener::from_std) {
        Ok(listener) => server.serve_readers(&listener).await,
        Err(error) => {
            tracing::error!("metrics: {address} cannot be served: {error}");
            pending().await
        }
    }
}
