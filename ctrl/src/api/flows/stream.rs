//! `/v1/flows`: an answer without a bound, sent as it comes.
//!
//! The text is one JSON object, [`Flows`](crate::api::proto::Flows), whatever its length. If the
//! listing fails in the middle the body ends without the closing part, and HTTP tells the client.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use dataplane::control::Report;
use hyper::body::{Body, Bytes, Frame};

use super::Names;
use crate::listing::{Batch, Listing, ListingError};

/// Why a stream broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    /// The listing failed.
    #[error(transparent)]
    Listing(#[from] ListingError),
    /// A flow has no form in JSON, which cannot be.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// The body of an answer.
#[derive(Debug)]
pub(super) struct FlowStream {
    listing: Listing,
    names: Names,
    /// How many more may be listed.
    left: usize,
    /// How many were not.
    more: u64,
    begun: bool,
    ended: bool,
    first: bool,
}

impl FlowStream {
    /// At most `limit` flows of `listing`.
    pub(super) fn new(listing: Listing, names: Names, limit: Option<usize>) -> Self {
        let left = limit.unwrap_or(usize::MAX);
        Self { listing, names, left, more: 0, begun: false, ended: false, first: true }
    }

    /// The text of a batch; empty if all of it is beyond the limit.
    fn text_of(&mut self, batch: &Batch) -> Result<Vec<u8>, StreamError> {
        let mut text = Vec::new();
        for report in &batch.reports {
            let Report::Flow(report) = report else { continue };
            if self.left == 0 {
                self.more += 1;
                continue;
            }
            self.left -= 1;
            if !self.first {
                text.push(b',');
            }
            self.first = false;
            serde_json::to_writer(&mut text, &self.names.flow(batch.lcore, report))?;
        }
        Ok(text)
    }
}

impl Body for FlowStream {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        let this = self.get_mut();
        let frame = |text: Vec<u8>| Poll::Ready(Some(Ok(Frame::data(Bytes::from(text)))));
        if !this.begun {
            this.begun = true;
            return frame(b"{\"flows\":[".to_vec());
        }
        if this.ended {
            return Poll::Ready(None);
        }
        loop {
            match ready!(this.listing.poll_recv(context)) {
                Some(Ok(batch)) => match this.text_of(&batch) {
                    Ok(text) if text.is_empty() => {}
                    Ok(text) => return frame(text),
                    Err(error) => return Poll::Ready(Some(Err(error))),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => {
                    this.ended = true;
                    return frame(format!("],\"more\":{}}}", this.more).into_bytes());
                }
            }
        }
    }
}
