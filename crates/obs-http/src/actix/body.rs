//! Bodies of actix-web's in the terms of `http_body`, and back.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{Exchange, ObservedBody};

pin_project! {
    /// A body of actix-web's, for the watch to poll.
    pub struct HttpBody<B> {
        #[pin]
        inner: Option<B>,
        size: BodySize,
    }
}

impl<B: MessageBody> HttpBody<B> {
    pub(super) fn new(inner: B) -> Self {
        Self { size: inner.size(), inner: Some(inner) }
    }

    pub(super) fn empty() -> Self {
        Self { inner: None, size: BodySize::None }
    }
}

impl<B: MessageBody> Body for HttpBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let Some(inner) = self.project().inner.as_pin_mut() else { return Poll::Ready(None) };
        inner.poll_next(context).map_ok(Frame::data)
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.size, BodySize::None | BodySize::Sized(0))
    }

    fn size_hint(&self) -> SizeHint {
        match self.size {
            BodySize::None => SizeHint::with_exact(0),
            BodySize::Sized(bytes) => SizeHint::with_exact(bytes),
            BodySize::Stream => SizeHint::default(),
        }
    }
}

pin_project! {
    /// The body of a watched response.
    pub struct ActixBody<B: MessageBody, X: Exchange> {
        #[pin]
        inner: ObservedBody<HttpBody<B>, X>,
        size: BodySize,
    }
}

impl<B: MessageBody, X: Exchange> ActixBody<B, X> {
    pub(super) fn new(inner: ObservedBody<HttpBody<B>, X>) -> Self {
        let size = match inner.size_hint().exact() {
            Some(0) if inner.is_end_stream() => BodySize::Sized(0),
            Some(bytes) => BodySize::Sized(bytes),
            None => BodySize::Stream,
        };
        Self { inner, size }
    }
}

impl<B: MessageBody, X: Exchange> MessageBody for ActixBody<B, X> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, B::Error>>> {
        let mut inner = self.project().inner;
        loop {
            match ready!(inner.as_mut().poll_frame(context)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                // Of actix-web's bodies there are no trailers.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => return Poll::Ready(Some(Ok(data))),
                    Err(_) => continue,
                },
            }
        }
    }
}

impl<B, X> fmt::Debug for ActixBody<B, X>
where
    B: MessageBody,
    X: Exchange,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActixBody").field("size", &self.size).finish_non_exhaustive()
    }
}

impl<B> fmt::Debug for HttpBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpBody").field("size", &self.size).finish_non_exhaustive()
    }
}
