//! The thread that pushes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use obs_otlp::{Blocking, Outcome, Resource, Warning};

use super::shared::{Counters, Shared};
use crate::registry::Registry;

pub(super) struct Worker {
    pub(super) blocking: Blocking,
    pub(super) shared: Arc<Shared>,
    pub(super) registry: Registry,
    pub(super) resource: Resource,
    pub(super) interval: Duration,
    pub(super) counters: Counters,
    pub(super) warning: Warning,
    pub(super) ignored: Vec<String>,
}

impl Worker {
    pub(super) fn run(mut self) {
        let mut next = Instant::now() + self.interval;
        loop {
            let mut state = self.shared.lock();
            while !state.ended && state.requested == state.completed && Instant::now() < next {
                let left = next.saturating_duration_since(Instant::now());
                state = self.shared.wait(state, left);
            }
            if state.ended {
                return;
            }
            let requested = state.requested;
            drop(state);
            let succeeded = self.push();
            let mut state = self.shared.lock();
            (state.completed, state.succeeded) = (requested, succeeded);
            self.shared.changed.notify_all();
            next = Instant::now() + self.interval;
        }
    }

    fn push(&mut self) -> bool {
        obs_otlp::warn_of_ignored(&std::mem::take(&mut self.ignored));
        let body = self.registry.encode_otlp(&self.resource);
        let (warning, failed) = (&mut self.warning, &self.counters.failed);
        let outcome =
            self.blocking.deliver(body, 0, &mut |reason| warning.report(reason, 0, failed.value()));
        match outcome {
            Outcome::Delivered { rejected, message } => {
                self.counters.delivered.inc();
                self.counters.rejected.inc_by(rejected);
                if rejected > 0 || !message.is_empty() {
                    self.warning.report(&message, rejected, self.counters.rejected.value());
                }
                return true;
            }
            Outcome::Lost { reason } => {
                self.counters.failed.inc();
                self.warning.report(&reason, 1, self.counters.failed.value());
            }
            Outcome::Unknown { reason } => {
                self.counters.unknown.inc();
                self.warning.report(&reason, 1, self.counters.unknown.value());
            }
        }
        false
    }
}
