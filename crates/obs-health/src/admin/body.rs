//! An answer's body, handed to hyper in parts.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

/// Hyper takes the next part once it has room: a body given as one counts as sent at once.
const MAX_PART: usize = 16 * 1024;

#[derive(Debug)]
pub(crate) struct AnswerBody {
    left: Bytes,
    /// Of the handler that made it: kept while the answer takes memory.
    _place: Option<OwnedSemaphorePermit>,
}

impl AnswerBody {
    pub(crate) fn new(body: Bytes) -> Self {
        Self { left: body, _place: None }
    }

    pub(crate) fn holding(self, place: OwnedSemaphorePermit) -> Self {
        Self { _place: Some(place), ..self }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let part = self.left.len().min(MAX_PART);
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(part)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}
