//! A stream with something that watches each of its directions.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// An HTTP/2 frame without a payload.
pub(crate) const INSERTED_LENGTH: usize = 9;

/// Watches what is read.
pub(crate) trait Reads: Unpin {
    /// Before each read. An error is the read's.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()>;

    /// These bytes were read.
    fn read(&mut self, bytes: &[u8]);

    /// Bytes to read as though the peer had sent them now.
    fn inserted(&mut self) -> Option<[u8; INSERTED_LENGTH]>;

    /// There is nothing to read. An error is the read's.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Error>;
}

/// Watches what is written.
pub(crate) trait Writes: Unpin {
    /// Before each write. An error is the write's.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()>;

    /// These bytes were written.
    fn sent(&mut self, bytes: &[u8]);

    /// The peer has taken this many bytes.
    fn wrote(&mut self, bytes: usize);

    /// The peer takes none. An error is the write's.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Error>;
}

#[derive(Debug)]
pub(crate) struct Watched<S, R, W> {
    stream: S,
    reads: R,
    writes: W,
    /// A flush or a shutdown has waited since the last write.
    is_flushing: bool,
}

impl<S, R: Reads, W: Writes> Watched<S, R, W> {
    pub(crate) fn new(stream: S, reads: R, writes: W) -> Self {
        Self { stream, reads, writes, is_flushing: false }
    }

    fn insert(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        if buffer.remaining() < INSERTED_LENGTH {
            return false;
        }
        let Some(bytes) = self.reads.inserted() else { return false };
        buffer.put_slice(&bytes);
        true
    }

    fn written(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            self.is_flushing = false;
            self.writes.wrote(written.as_ref().map_or(0, |bytes| *bytes));
            return Poll::Ready(written);
        }
        Poll::Ready(Err(ready!(self.writes.wait(context))))
    }

    /// A stream with a buffer of its own, such as TLS, waits for its peer here.
    fn flushed(
        &mut self,
        flushed: Poll<io::Result<()>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(flushed) = flushed {
            if std::mem::take(&mut self.is_flushing) {
                self.writes.wrote(0);
            }
            return Poll::Ready(flushed);
        }
        self.is_flushing = true;
        Poll::Ready(Err(ready!(self.writes.wait(context))))
    }
}

impl<S: AsyncRead + Unpin, R: Reads, W: Writes> AsyncRead for Watched<S, R, W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.reads.check(context)?;
        let before = buffer.filled().len();
        if self.insert(buffer) {
            return Poll::Ready(Ok(()));
        }
        let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(context, buffer) else {
            return Poll::Ready(Err(ready!(self.reads.wait(context))));
        };
        self.reads.read(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin, R: Reads, W: Writes> AsyncWrite for Watched<S, R, W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes.check(context)?;
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(length)) = written {
            self.writes.sent(bytes.get(..length).unwrap_or(bytes));
        }
        self.written(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writes.check(context)?;
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        if let Poll::Ready(Ok(mut left)) = written {
            for slice in slices {
                let length = left.min(slice.len());
                self.writes.sent(&slice[..length]);
                left -= length;
            }
        }
        self.written(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.flushed(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.flushed(shut, context)
    }
}
