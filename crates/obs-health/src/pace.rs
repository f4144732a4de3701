//! How far a peer may fall behind.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Bytes a second, the default of a least rate: Kestrel's, for both directions.
pub(crate) const MIN_RATE: u32 = 240;

/// A budget of time to wait for a peer: waiting takes from it, bytes give to it at the least rate. A peer
/// that stops is late after the whole budget, one that is too slow after a little more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaitBudget {
    whole: Duration,
    /// Bytes a second; with zero any byte gives the whole budget back.
    min_rate: u32,
    left: Duration,
}

impl WaitBudget {
    pub(crate) fn new(whole: Duration, min_rate: u32) -> Self {
        Self { whole, min_rate, left: whole }
    }

    pub(crate) fn left(&self) -> Duration {
        self.left
    }

    pub(crate) fn spend(&mut self, waited: Duration) {
        self.left = self.left.saturating_sub(waited);
    }

    pub(crate) fn earn(&mut self, bytes: usize) {
        if self.left < self.whole && bytes > 0 {
            let earned = match u64::from(self.min_rate) {
                0 => self.whole,
                rate => Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / rate),
            };
            self.left = self.left.saturating_add(earned).min(self.whole);
        }
    }

    /// Nothing is awaited of the peer: the next wait has the whole budget.
    pub(crate) fn reset(&mut self) {
        self.left = self.whole;
    }
}

/// A [`WaitBudget`] with its timer.
#[derive(Debug)]
pub(crate) struct Pace {
    budget: WaitBudget,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Pace {
    pub(crate) fn new(budget: WaitBudget) -> Self {
        Self { budget, waiting: None }
    }

    /// Comes when the peer is too late.
    pub(crate) fn wait(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let left = self.budget.left();
        let (_, timer) = self
            .waiting
            .get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(left))));
        timer.as_mut().poll(context)
    }

    /// The peer is waited for no more: it sent or took this many bytes.
    pub(crate) fn progress(&mut self, bytes: usize) {
        if let Some((since, _)) = self.waiting.take() {
            self.budget.spend(since.elapsed());
        }
        self.budget.earn(bytes);
    }

    /// Nothing is awaited of the peer.
    pub(crate) fn reset(&mut self) {
        self.waiting = None;
        self.budget.reset();
    }
}

/// How long a peer may let nothing come. One timer for the whole connection: it is set anew only where it comes
/// too early, not at every request.
#[derive(Debug)]
pub(crate) struct IdleLimit {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl IdleLimit {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, timer: None }
    }

    /// Comes when the peer has been idle for the limit; `since` answers since when it is, if it is.
    pub(crate) fn wait(
        &mut self,
        context: &mut Context<'_>,
        since: impl Fn() -> Option<Instant>,
    ) -> Poll<()> {
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        while timer.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            let idle = since();
            if idle.is_some_and(|since| now.saturating_duration_since(since) >= limit) {
                return Poll::Ready(());
            }
            let limit = limit.max(Duration::from_millis(1));
            let Some(end) = idle.unwrap_or(now).checked_add(limit) else { return Poll::Pending };
            timer.as_mut().reset(end);
        }
        Poll::Pending
    }
}
