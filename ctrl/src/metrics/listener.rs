//! A port for metrics alone (`metrics: {listen: ...}`).

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

use super::{Exporter, scrape};
use crate::api::refuse;
use crate::serve::{Access, Admins, Door, Opened, Server};
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

/// What `door` is to use for `wanted`: the port that is open, or one that is opened now.
pub(crate) fn open(door: &Door, wanted: Option<SocketAddr>) -> Result<Option<Opened>, ListenError> {
    let Some(address) = wanted else { return Ok(None) };
    door.open(wanted).map_err(|source| ListenError { address, source })
}

impl Exporter {
    /// Uses what was opened, and closes what is not used any more.
    pub(crate) fn put_into_use(&self, opened: Option<Opened>) {
        match self.door.put_into_use(opened) {
            Some(Some(address)) => tracing::info!("metrics: serving at http://{address}/metrics"),
            Some(None) => tracing::info!("metrics: not serving any more but by the API"),
            None => {}
        }
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
    server.serve_readers(&state.metrics.door).await
}
