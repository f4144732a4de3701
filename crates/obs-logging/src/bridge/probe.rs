//! Whether somebody else's logger does what the bridge does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use log::{Log, Record};
use tracing_core::span::{Attributes, Id};
use tracing_core::{Dispatch, Event, Metadata, Subscriber, span};

use crate::log_record::is_bridge;

/// Sends one record to the logger, on this thread, and looks whether it comes to the subscriber.
pub(super) fn reaches_subscriber(logger: &dyn Log) -> bool {
    let seen = Arc::new(AtomicBool::new(false));
    let probe = Dispatch::new(Probe(Arc::clone(&seen)));
    tracing::dispatcher::with_default(&probe, || {
        let target = "obs_logging::bridge";
        let record = Record::builder()
            .level(log::Level::Error)
            .target(target)
            .args(format_args!("whether records of `log` come to `tracing`"))
            .build();
        logger.log(&record);
    });
    seen.load(Ordering::Relaxed)
}

/// Nothing else sees the record.
struct Probe(Arc<AtomicBool>);

impl Subscriber for Probe {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        if is_bridge(event.metadata()) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
