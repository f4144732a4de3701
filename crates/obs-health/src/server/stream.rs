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
use crate::pace::{IdleLimit, Pace};
use crate::server::phase::Phase;
use crate::watched::{Reads, Writes};
use crate::write_limit::WriteLimit;

/// Fails a read at the limit of the connection's [`Phase`].
pub(crate) struct ReadLimit {
    abort: Stopped,
    phase: Phase,
    awaited: Option<Closed>,
    idle: IdleLimit,
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
        idle: Duration,
        head: Duration,
        body: Pace,
        guards: ConnectionGuards,
    ) -> Self {
        Self {
            abort,
            phase,
            awaited: None,
            idle: IdleLimit::new(idle),
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
        // Hyper may read no more before the exchange ends: the limit of idle connections is begun meanwhile.
        ready!(match awaited {
            None => self.idle.wait(context, || self.phase.idle_since()),
            Some(Closed::Head) => self.head.wait(context),
            Some(_) => self.body.wait(context),
        });
        let _first = self.expired.set(awaited.unwrap_or(Closed::Idle));
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
