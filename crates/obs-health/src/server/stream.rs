//! A connection's stream, which is open until the last owner drops it: after an upgrade that is the
//! application, not the server.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::server::stop::Ordered;

pub(crate) struct Tracked<S> {
    stream: S,
    /// Of the side that reads and of the side that writes: after an upgrade each may be a task of its own.
    abort_read: Ordered,
    abort_write: Ordered,
    _open: TaskTrackerToken,
    _place: OwnedSemaphorePermit,
}

impl<S> Tracked<S> {
    pub(crate) fn new(
        stream: S,
        [abort_read, abort_write]: [Ordered; 2],
        open: TaskTrackerToken,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self { stream, abort_read, abort_write, _open: open, _place: place }
    }
}

fn check(abort: &mut Ordered, context: &mut Context<'_>) -> io::Result<()> {
    match Pin::new(abort).poll(context) {
        Poll::Pending => Ok(()),
        Poll::Ready(()) => {
            Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the service shuts down"))
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tracked<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        check(&mut self.abort_read, context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tracked<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        check(&mut self.abort_write, context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        check(&mut self.abort_write, context)?;
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
