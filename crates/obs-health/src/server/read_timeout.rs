//! A stream whose peer must go on sending what it has begun.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::server::counts::Closed;
use crate::server::phase::Phase;

/// Fails a read at the limit of the connection's [`Phase`].
pub(crate) struct ReadTimeout<S> {
    stream: S,
    phase: Phase,
    head: Duration,
    body: Duration,
    timer: Option<(Closed, Pin<Box<Sleep>>)>,
    expired: Arc<OnceLock<Closed>>,
}

impl<S> ReadTimeout<S> {
    pub(crate) fn new(stream: S, phase: Phase, head: Duration, body: Duration) -> Self {
        Self { stream, phase, head, body, timer: None, expired: Arc::default() }
    }

    /// Set to the limit that has failed a read.
    pub(crate) fn expired(&self) -> Arc<OnceLock<Closed>> {
        Arc::clone(&self.expired)
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(awaited) = self.phase.awaited() else {
            self.timer = None;
            return Poll::Pending;
        };
        let limit = if awaited == Closed::Head { self.head } else { self.body };
        let running = self.timer.take().filter(|(limit, _)| *limit == awaited);
        let (_, timer) =
            self.timer.insert(running.unwrap_or((awaited, Box::pin(tokio::time::sleep(limit)))));
        if timer.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        let _first = self.expired.set(awaited);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer stopped sending")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(context, buffer) else {
            return self.wait(context);
        };
        self.phase.read(&buffer.filled()[before..]);
        // A head has one limit as a whole, a body one for each pause.
        self.timer = self.timer.take().filter(|(limit, _)| *limit == Closed::Head);
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadTimeout<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
