//! The store's own metrics.

use obs_context::{Sample, SampleKind, Source};

use super::Store;

impl Source for Store {
    fn collect(&self, sink: &mut dyn FnMut(Sample<'_>)) {
        let stats = self.stats();
        let mut emit = |name, help, kind, values: &[(&str, u64)]| {
            for (what, value) in values {
                let labels = &[("what", *what)];
                sink(Sample { name, help, kind, labels, value: *value as f64 });
            }
        };
        emit(
            "obs_console_stored",
            "Things that the console keeps now.",
            SampleKind::Gauge,
            &[
                ("traces", stats.stored.traces),
                ("spans", stats.stored.spans),
                ("logs", stats.stored.logs),
                ("errors", stats.stored.errors),
                ("series", stats.stored.series),
            ],
        );
        emit(
            "obs_console_received_total",
            "Things that the console was sent and took.",
            SampleKind::Counter,
            &[
                ("spans", stats.received.spans),
                ("logs", stats.received.logs),
                ("errors", stats.received.errors),
                ("samples", stats.received.samples),
            ],
        );
        emit(
            "obs_console_evicted_total",
            "Things that the console forgot to make room.",
            SampleKind::Counter,
            &[
                ("traces", stats.evicted.traces),
                ("spans", stats.evicted.spans),
                ("logs", stats.evicted.logs),
                ("errors", stats.evicted.errors),
                ("series", stats.evicted.series),
                ("connections", stats.evicted.connections),
            ],
        );
        emit(
            "obs_console_rejected_total",
            "Things that the console was sent and did not take.",
            SampleKind::Counter,
            &[
                ("requests", stats.rejected.requests),
                ("spans", stats.rejected.spans),
                ("logs", stats.rejected.logs),
                ("errors", stats.rejected.errors),
                ("samples", stats.rejected.samples),
                ("attributes", stats.rejected.attributes),
            ],
        );
    }
}
