//! The crate's own metrics.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use obs_context::{Sample, SampleKind, Source};

use crate::core::Core;
use crate::sink::Loss;

pub(crate) struct ErrorMetrics(pub(crate) Arc<Core>);

const ERRORS_METRIC: &str = "errors_total";
const DROPPED_METRIC: &str = "obs_errors_dropped_total";

impl Source for ErrorMetrics {
    fn collect(&self, emit: &mut dyn FnMut(Sample<'_>)) {
        let core = &self.0;
        let mut count = |name, help, labels: &[(&'static str, &str)], value: u64| {
            emit(Sample { name, help, kind: SampleKind::Counter, labels, value: value as f64 });
        };
        for (name, errors) in core.places.types() {
            count(
                ERRORS_METRIC,
                "Panics, ERROR events, 5xx and captured errors.",
                &[("type", &name)],
                errors,
            );
        }
        let Some(queue) = &core.queue else { return };
        count("obs_errors_reported_total", "Errors that the sink has.", &[], queue.delivered());
        let help = "Errors that nobody was told of.";
        for loss in Loss::ALL {
            count(DROPPED_METRIC, help, &[("reason", loss.as_str())], queue.lost(loss));
        }
        count(DROPPED_METRIC, help, &[("reason", "limited")], core.counts.limited.load(Relaxed));
        count(
            DROPPED_METRIC,
            help,
            &[("reason", "sampled")],
            core.counts.sampled_out.load(Relaxed),
        );
        count(
            "obs_errors_breadcrumbs_dropped_total",
            "Log events that were not kept for the error that may come.",
            &[],
            core.requests.dropped(),
        );
    }
}
