//! The tokio runtime: how busy its workers are, and how long its queues.

use std::sync::Arc;

use obs_context::{Sample, SampleKind, Source};
use tokio::runtime::Handle;

use crate::registry::Registry;

/// Shows what a tokio runtime tells of itself, as far as stable tokio does: `tokio_workers`,
/// `tokio_alive_tasks`, `tokio_global_queue_depth`, and for each worker `tokio_worker_busy_seconds_total`
/// and `tokio_worker_parks_total`.
///
/// `rate(tokio_worker_busy_seconds_total[1m])` is a worker's utilisation; a growing queue is saturation.
/// A registry shows one runtime.
pub fn tokio(registry: &Registry, runtime: Handle) {
    registry.mount_once("tokio", Arc::new(Runtime(runtime)));
}

struct Runtime(Handle);

impl Source for Runtime {
    fn collect(&self, sink: &mut dyn FnMut(Sample<'_>)) {
        let metrics = self.0.metrics();
        let mut gauge = |name, help, value: usize| {
            let kind = SampleKind::Gauge;
            sink(Sample { name, help, kind, labels: &[], value: value as f64 });
        };
        gauge("tokio_workers", "Worker threads.", metrics.num_workers());
        gauge("tokio_alive_tasks", "Tasks that are not over.", metrics.num_alive_tasks());
        let depth = metrics.global_queue_depth();
        gauge("tokio_global_queue_depth", "Tasks that wait in the common queue.", depth);
        self.by_worker(
            sink,
            "tokio_worker_busy_seconds_total",
            "Time that the worker spent on tasks.",
            &|worker| metrics.worker_total_busy_duration(worker).as_secs_f64(),
        );
        self.by_worker(
            sink,
            "tokio_worker_parks_total",
            "How often the worker had nothing to do.",
            &|worker| metrics.worker_park_count(worker) as f64,
        );
    }
}

impl Runtime {
    fn by_worker(
        &self,
        sink: &mut dyn FnMut(Sample<'_>),
        name: &'static str,
        help: &'static str,
        value: &dyn Fn(usize) -> f64,
    ) {
        for worker in 0..self.0.metrics().num_workers() {
            let labels = &[("worker", &*worker.to_string())];
            let value = value(worker);
            sink(Sample { name, help, kind: SampleKind::Counter, labels, value });
        }
    }
}
