//! Delivery for threads without a runtime.

use std::fmt;

use std::time::Duration;

use obs_guard::{fork_generation, watch_forks};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::timeout;

use crate::closing::Closing;
use crate::error::Error;
use crate::exporter::Exporter;
use crate::outcome::Outcome;

/// An exporter with a runtime of its own, for a thread of the pillar's.
///
/// In a forked child nothing is sent: the connections are the parent's.
pub struct Blocking {
    /// `None` only while it is dropped.
    inner: Option<(Exporter, Runtime)>,
    closing: Closing,
    /// The fork generation of the process that made it.
    generation: u32,
}

impl Blocking {
    /// `closing` sets the deadline of deliveries.
    ///
    /// # Errors
    ///
    /// The process has reached its limit of open files.
    pub fn new(exporter: Exporter, closing: Closing) -> Result<Self, Error> {
        watch_forks();
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| {
            let cause = format!("the exporter cannot be started: {error}");
            Error::new(cause, "raise the limit on open files of the process")
        })?;
        Ok(Self { inner: Some((exporter, runtime)), closing, generation: fork_generation() })
    }

    /// Sends what [`Exporter::pack`] makes of the request; as [`Exporter::deliver`], for a thread that may wait. On a thread of a runtime, in a forked child and past the
    /// deadline nothing is sent, and all of it is lost.
    pub fn deliver(
        &mut self,
        buffer: Vec<u8>,
        start: usize,
        on_failure: &mut (dyn FnMut(&str) + Send),
    ) -> Outcome {
        let lost = |reason: &str| Outcome::Lost { reason: reason.to_owned() };
        if self.is_inherited() {
            return lost("a forked child exports nothing: build the exporter after the fork");
        }
        if Handle::try_current().is_ok() {
            return lost("after the shutdown nothing is exported");
        }
        let Some((exporter, runtime)) = &self.inner else { return lost("the exporter is closed") };
        let closing = &mut self.closing;
        if closing.deadline().is_some_and(|deadline| deadline <= std::time::Instant::now()) {
            return lost("after the shutdown nothing is exported");
        }
        let body = exporter.pack(buffer, start);
        runtime.block_on(async {
            // First process what arrived while the runtime was parked: a closed connection, a ping.
            for _ in 0..2 {
                tokio::task::yield_now().await;
            }
            exporter.deliver(&body, closing, on_failure).await
        })
    }

    /// Waits for this long, or until a shutdown begins.
    pub fn wait(&mut self, wait: Duration) {
        if let (Some((_, runtime)), false) = (&self.inner, self.is_inherited())
            && !wait.is_zero()
            && Handle::try_current().is_err()
        {
            let _ = runtime.block_on(async { timeout(wait, self.closing.begun()).await });
        }
    }

    fn is_inherited(&self) -> bool {
        self.generation != fork_generation()
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        let Some((exporter, runtime)) = self.inner.take() else { return };
        if self.is_inherited() {
            // Its sockets are in the parent's epoll set: dropping them here would remove them there.
            std::mem::forget((exporter, runtime));
            return;
        }
        drop(exporter);
        runtime.shutdown_background(); // a name lookup may still be running
    }
}

impl fmt::Debug for Blocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking").field("inherited", &self.is_inherited()).finish_non_exhaustive()
    }
}
