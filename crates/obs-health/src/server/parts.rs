//! An answer's body, handed to HTTP/2 in parts.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

/// In bytes, as large as HTTP/2's usual frame. Hyper takes a part once the peer takes a byte of it, and
/// keeps the rest: a body given as one would count as sent at once.
const MAX_PART: usize = 16 * 1024;

/// What an HTTP/2 stream waits for, according to the last poll of its body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WaitsFor {
    /// For the body's next part, or for nothing.
    Application,
    /// For the peer to take this many bytes.
    Peer(usize),
}

thread_local! {
    static LAST_POLL: Cell<Option<WaitsFor>> = const { Cell::new(None) };
}

/// Runs `poll`, and returns what the last poll of a body in it waits for.
pub(crate) fn track_body_poll<T>(poll: impl FnOnce() -> T) -> (T, Option<WaitsFor>) {
    let outer = LAST_POLL.replace(None);
    let polled = poll();
    (polled, LAST_POLL.replace(outer))
}

pin_project! {
    #[derive(Debug)]
    pub(crate) struct PartedBody<B: Body> {
        #[pin]
        body: B,
        is_http2: bool,
        rest: Option<B::Data>,
    }
}

impl<B: Body> PartedBody<B> {
    pub(crate) fn new(body: B, is_http2: bool) -> Self {
        Self { body, is_http2, rest: None }
    }
}

impl<B: Body> Body for PartedBody<B> {
    type Data = Part<B::Data>;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Part<B::Data>>, B::Error>>> {
        let this = self.project();
        if !*this.is_http2 {
            return this.body.poll_frame(context).map_ok(|frame| frame.map_data(Part::Whole));
        }
        let polled = match this.rest.take() {
            Some(rest) => Poll::Ready(Some(Ok(Frame::data(rest)))),
            None => this.body.poll_frame(context),
        };
        let polled = polled.map_ok(|frame| frame.map_data(|data| part(data, this.rest)));
        let waits_for = match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                frame.data_ref().map(|data| WaitsFor::Peer(data.remaining()))
            }
            _ => None,
        };
        LAST_POLL.set(Some(waits_for.unwrap_or(WaitsFor::Application)));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.as_ref().map_or(0, |rest| rest.remaining() as u64);
        let hint = self.body.size_hint();
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower().saturating_add(rest));
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper.saturating_add(rest));
        }
        whole
    }
}

fn part<D: Buf>(mut data: D, rest: &mut Option<D>) -> Part<D> {
    if data.remaining() <= MAX_PART {
        return Part::Whole(data);
    }
    let part = Part::Copied(data.copy_to_bytes(MAX_PART));
    *rest = Some(data);
    part
}

/// A part of a body's data. Of [`Bytes`] it costs no copy.
#[derive(Debug)]
pub(crate) enum Part<D> {
    Whole(D),
    Copied(Bytes),
}

impl<D: Buf> Buf for Part<D> {
    fn remaining(&self) -> usize {
        match self {
            Self::Whole(data) => data.remaining(),
            Self::Copied(data) => data.remaining(),
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::Whole(data) => data.chunk(),
            Self::Copied(data) => data.chunk(),
        }
    }

    fn chunks_vectored<'a>(&'a self, into: &mut [std::io::IoSlice<'a>]) -> usize {
        match self {
            Self::Whole(data) => data.chunks_vectored(into),
            Self::Copied(data) => data.chunks_vectored(into),
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Whole(data) => data.advance(count),
            Self::Copied(data) => data.advance(count),
        }
    }

    fn copy_to_bytes(&mut self, length: usize) -> Bytes {
        match self {
            Self::Whole(data) => data.copy_to_bytes(length),
            Self::Copied(data) => data.copy_to_bytes(length),
        }
    }
}
