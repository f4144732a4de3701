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
    /// Taken by the drop alone.
    inner: Option<(Exporter, Runtime)>,
    closing: Closing,
    /// The process that it was made in.
    generation: u32,
}

impl Blocking {
    /// `closing` says when deliveries have to be over.
    ///
    /// # Errors
    ///
    /// The process may open no more files.
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
        failing: &mut (dyn FnMut(&str) + Send),
    ) -> Outcome {
        let lost = |reason: &str| Outcome::Lost { reason: reason.to_owned() };
        if self.is_inherited() {
            return lost("a forked child exports nothing: build the exporter after the fork");
        }
        if Handle::try_current().is_ok() {
            return lost("after the shutdown nothing is exported");
        }
        let Some((exporter, runtime)) = &self.inner else { return lost("it is over") };
        let closing = &mut self.closing;
        if closing.deadline().is_some_and(|deadline| deadline <= std::time::Instant::now()) {
            return lost("after the shutdown nothing is exported");
        }
        let package = exporter.pack(buffer, start);
        runtime.block_on(async {
            // What came while the runtime stood still is seen first: a connection that was closed, a ping.
            for _ in 0..2 {
                tokio::task::yield_now().await;
            }
            exporter.deliver(&package, closing, failing).await
        })
    }

    /// Waits so long, or until a shutdown has begun.
    pub fn wait(&mut self, wait: Duration) {
        if let (Some((_, runtime)), false) = (&self.inner, self.is_inherited())
            && !wait.is_zero()
            && Handle::try_current().is_err()
        {
            let _ = runtime.block_on(async { timeout(wait, self.closing.known()).await });
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
            // Its sockets are in the parent's epoll: to drop them here would deafen the parent.
            std::mem::forget((exporter, runtime));
            return;
        }
        drop(exporter);
        runtime.shutdown_background(); // a look-up of a name may still be under way
    }
}

impl fmt::Debug for Blocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking").field("inherited", &self.is_inherited()).finish_non_exhaustive()
    }
}
