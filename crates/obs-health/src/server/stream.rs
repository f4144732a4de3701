//! The two directions of an application's connection: the limits of its peer, and the abort of what the
//! application keeps after an upgrade.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::counts::Closed;
use crate::lifecycle::stop::Stopped;
use crate::pace::Pace;
use crate::server::phase::Phase;
use crate::watched::{Reads, Writes};
use crate::write_limit::WriteLimit;

/// Fails a read at the limit of the connection's [`Phase`].
pub(crate) struct ReadLimit {
    abort: Stopped,
    phase: Phase,
    awaited: Option<Closed>,
    head: Pace,
    body: Pace,
    expired: Arc<OnceLock<Closed>>,
    _guards: ConnectionGuards,
}

/// Open until the last owner drops the stream: after an upgrade that is the application.
pub(crate) struct ConnectionGuards {
    pub(crate) _open: TaskTrackerToken,
    pub(crate) _place: OwnedSemaphorePermit,
}

impl ReadLimit {
    pub(crate) fn new(
        abort: Stopped,
        phase: Phase,
        head: Duration,
        body: Pace,
        guards: ConnectionGuards,
    ) -> Self {
        Self {
            abort,
            phase,
            awaited: None,
            head: Pace::new(head, 0),
            body,
            expired: Arc::default(),
            _guards: guards,
        }
    }

    /// Set to the limit that has failed a read.
    pub(crate) fn expired(&self) -> Arc<OnceLock<Closed>> {
        Arc::clone(&self.expired)
    }
}

impl Reads for ReadLimit {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        check(&mut self.abort, context)
    }

    fn read(&mut self, bytes: &[u8]) {
        // A head has one limit as a whole.
        if self.phase.read(bytes) {
            self.head.reset();
        }
        if self.awaited == Some(Closed::Body) {
            self.body.progress(bytes.len());
        }
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let awaited = self.phase.awaited();
        if awaited != self.awaited {
            self.awaited = awaited;
            self.head.reset();
            self.body.reset();
        }
        let Some(awaited) = awaited else { return Poll::Pending };
        let pace = if awaited == Closed::Head { &mut self.head } else { &mut self.body };
        ready!(pace.wait(context));
        let _first = self.expired.set(awaited);
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the peer stopped sending"))
    }
}

/// Fails a write at the limit, or at the abort: after an upgrade each side may be a task of its own.
pub(crate) struct WriteSide {
    abort: Stopped,
    limit: WriteLimit,
}

impl WriteSide {
    pub(crate) fn new(abort: Stopped, limit: WriteLimit) -> Self {
        Self { abort, limit }
    }
}

impl Writes for WriteSide {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        check(&mut self.abort, context)
    }

    fn wrote(&mut self, bytes: usize) {
        self.limit.wrote(bytes);
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        self.limit.wait(context)
    }
}

fn check(abort: &mut Stopped, context: &mut Context<'_>) -> io::Result<()> {
    match Pin::new(abort).poll(context) {
        Poll::Pending => Ok(()),
        Poll::Ready(()) => {
            Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the service shuts down"))
        }
    }
}
