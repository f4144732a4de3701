//! The output that sends records.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use obs_otlp::{Blocking, Outcome, Warning};

use super::encode;
use crate::output::{DeliveryOutcome, Records};

/// The least time between two passes, so that a request carries more lines than headers.
const MIN_INTERVAL: Duration = Duration::from_millis(200);

/// Takes lines and sends them as records.
pub(crate) struct Exporter {
    /// Where there is nothing to send to, nothing is.
    pub(super) blocking: Option<Blocking>,
    pub(super) resource: Vec<u8>,
    pub(super) event_key: String,
    pub(super) rejected: Arc<AtomicU64>,
    pub(super) lost: u64,
    pub(super) warning: Warning,
    pub(super) ignored: Vec<String>,
    pub(super) sent_last: Option<Instant>,
    /// Whether the lines of one pass have begun to be sent.
    pub(super) is_sending: bool,
}

impl Records for Exporter {
    fn deliver(&mut self, lines: &[u8], count: u64) -> DeliveryOutcome {
        obs_otlp::warn_of_ignored(&std::mem::take(&mut self.ignored));
        let Some(blocking) = &mut self.blocking else {
            return DeliveryOutcome { lost: count, ..DeliveryOutcome::default() };
        };
        if !std::mem::replace(&mut self.is_sending, true) {
            let passed = self.sent_last.map_or(MIN_INTERVAL, |last| last.elapsed());
            blocking.wait(MIN_INTERVAL.saturating_sub(passed));
        }
        let (request, start) = encode::request(&self.resource, &self.event_key, lines);
        let (warning, lost) = (&mut self.warning, self.lost);
        let outcome =
            blocking.deliver(request, start, &mut |reason| warning.report(reason, 0, lost));
        self.sent_last = Some(Instant::now());
        let (fate, reason) = match outcome {
            Outcome::Delivered { rejected, message } => {
                let rejected = rejected.min(count);
                self.rejected.fetch_add(rejected, Ordering::Relaxed);
                let delivered = count - rejected;
                (DeliveryOutcome { delivered, lost: rejected, unknown: 0 }, message)
            }
            Outcome::Lost { reason } => {
                (DeliveryOutcome { lost: count, ..DeliveryOutcome::default() }, reason)
            }
            Outcome::Unknown { reason } => {
                (DeliveryOutcome { lost: count, unknown: count, delivered: 0 }, reason)
            }
        };
        self.lost += fate.lost;
        if fate.lost > 0 || !reason.is_empty() {
            self.warning.report(&reason, fate.lost, self.lost);
        }
        fate
    }

    fn end_of_pass(&mut self) {
        self.is_sending = false;
    }
}
