//! The two directions of an application's connection: the limits of its peer, and the abort of what the
//! application keeps after an upgrade.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::counts::{Closed, StreamReset};
use crate::health::Health;
use crate::lifecycle::stop::Stopped;
use crate::pace::{IdleLimit, Pace, WaitBudget};
use crate::server::http2_bodies::Http2Bodies;
use crate::server::phase::Phase;
use crate::watched::{INSERTED_LENGTH, Reads, Writes};
use crate::write_limit::WriteLimit;

/// Fails a read at the limit of the connection's [`Phase`], and resets the HTTP/2 streams of bodies that
/// are late.
pub(crate) struct ReadLimit {
    abort: Stopped,
    phase: Phase,
    awaited: Option<Closed>,
    idle: IdleLimit,
    head: Pace,
    body: Pace,
    expired: Arc<OnceLock<Closed>>,
    http2: Http2Bodies,
    http2_timer: Option<(Instant, Pin<Box<Sleep>>)>,
    health: Health,
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
        body: WaitBudget,
        (http2, health): (Http2Bodies, Health),
        guards: ConnectionGuards,
    ) -> Self {
        Self {
            abort,
            phase,
            awaited: None,
            idle: IdleLimit::new(idle),
            head: Pace::new(WaitBudget::new(head, 0)),
            body: Pace::new(body),
            expired: Arc::default(),
            http2,
            http2_timer: None,
            health,
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
        self.http2.read(bytes);
        // A head has one limit as a whole.
        if self.phase.read(bytes) {
            self.head.reset();
        }
        if self.awaited == Some(Closed::Body) {
            self.body.progress(bytes.len());
        }
    }

    fn inserted(&mut self) -> Option<[u8; INSERTED_LENGTH]> {
        let frame = self.http2.reset_late()?;
        self.health.server_counts().stream_reset(StreamReset::Body);
        Some(frame)
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        self.wait_for_http2(context);
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

impl ReadLimit {
    /// Has the task read again at the time of [`Http2Bodies::reset_late`].
    fn wait_for_http2(&mut self, context: &mut Context<'_>) {
        let Some(deadline) = self.http2.next_deadline(context.waker()) else {
            self.http2_timer = None;
            return;
        };
        if self.http2_timer.as_ref().is_none_or(|(set, _)| *set != deadline) {
            self.http2_timer = Some((deadline, Box::pin(tokio::time::sleep_until(deadline))));
        }
        if let Some((_, timer)) = &mut self.http2_timer
            && timer.as_mut().poll(context).is_ready()
        {
            self.http2_timer = None;
            context.waker().wake_by_ref();
        }
    }
}

/// Fails a write at the limit, or at the abort: after an upgrade each side may be a task of its own.
pub(crate) struct WriteSide {
    abort: Stopped,
    limit: WriteLimit,
    http2: Http2Bodies,
}

impl WriteSide {
    pub(crate) fn new(abort: Stopped, limit: WriteLimit, http2: Http2Bodies) -> Self {
        Self { abort, limit, http2 }
    }
}

impl Writes for WriteSide {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        check(&mut self.abort, context)
    }

    fn sent(&mut self, bytes: &[u8]) {
        self.http2.wrote(bytes);
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
