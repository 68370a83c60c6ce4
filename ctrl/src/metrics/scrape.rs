//! One answer to `/metrics`, made and sent piece by piece.
//!
//! A task of its own makes the pieces, no more than the client takes. A client that is too slow for
//! all of them gets an answer that breaks off, which HTTP tells it, and holds up nobody meanwhile.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use hyper::body::{Bytes, Frame};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{SCRAPES_MAX, collect};
use crate::api::refuse;
use crate::state::State;

/// What the text is.
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How long a client may take for all of it; Prometheus gives up after 10 s itself.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pieces that may wait for the client.
const PIECES_WAITING: usize = 2;

/// What comes from the task.
#[derive(Debug)]
enum Piece {
    /// More text.
    Text(Bytes),
    /// That was all.
    End,
}

/// The handler.
pub(crate) async fn metrics(Shared(state): Shared<Arc<State>>) -> Response {
    let Some(place) = state.metrics.begin() else {
        let error = format!("{SCRAPES_MAX} scrapes are under way already; try again");
        return refuse(StatusCode::SERVICE_UNAVAILABLE, error);
    };
    let (pieces, sent) = mpsc::channel(PIECES_WAITING);
    tokio::spawn(async move {
        if timeout(PATIENCE, send(&state, pieces)).await.is_err() {
            tracing::debug!("a scrape was given up: its client reads too slowly");
        }
        drop(place);
    });
    ([(CONTENT_TYPE, MEDIA_TYPE)], Body::new(Answer { sent, has_ended: false })).into_response()
}

/// Makes all pieces, for as long as somebody takes them.
async fn send(state: &State, pieces: mpsc::Sender<Piece>) {
    for text in collect(state).await {
        if pieces.send(Piece::Text(text.into())).await.is_err() {
            return;
        }
        // There may be room without a pause for very long.
        tokio::task::yield_now().await;
    }
    // The client may be gone.
    let _ = pieces.send(Piece::End).await;
}

/// The body of an answer.
#[derive(Debug)]
struct Answer {
    sent: mpsc::Receiver<Piece>,
    has_ended: bool,
}

/// An answer has ended before its end.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the scrape was given up")]
struct BrokenOff;

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = self.get_mut();
        if this.has_ended {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(this.sent.poll_recv(context)) {
            Some(Piece::Text(text)) => Some(Ok(Frame::data(text))),
            Some(Piece::End) => {
                this.has_ended = true;
                None
            }
            None => Some(Err(BrokenOff)),
        })
    }
}
