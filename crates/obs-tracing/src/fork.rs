//! A pipeline in a forked child. Its export thread stayed in the parent, and so did threads that may hold its
//! locks, so the child uses none of it. Open and waiting spans are exported by the parent; the child continues
//! with a pipeline that exports nothing and counts its spans as dropped.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use obs_context::fork_generation;

use crate::open::Table;
use crate::pipeline::Pipeline;
use crate::queue::Queue;

impl Pipeline {
    /// Whether a parent process made it.
    #[inline]
    pub(crate) fn is_inherited(&self) -> bool {
        self.generation != fork_generation()
    }

    /// This pipeline or, in a forked child, the one in its place.
    #[inline]
    pub(crate) fn in_this_process(self: &Arc<Self>) -> &Arc<Self> {
        if self.is_inherited() { self.latest_after_fork() } else { self }
    }

    #[cold]
    fn latest_after_fork(self: &Arc<Self>) -> &Arc<Self> {
        let mut pipeline = self;
        while pipeline.is_inherited() {
            pipeline = pipeline.after_fork.get_or_init(|| Arc::new(pipeline.after_fork()));
        }
        pipeline
    }

    /// It has the same id: the spans that the forking thread was in go on being parents.
    fn after_fork(&self) -> Self {
        let queue = Queue::new(1, 0, 1);
        queue.close();
        queue.finish();
        Self {
            id: self.id,
            generation: fork_generation(),
            after_fork: Default::default(),
            exporting: self.exporting,
            limits: self.limits,
            propagators: self.propagators,
            database: self.database.clone(),
            copy_level: self.copy_level,
            #[cfg(feature = "otel-sdk")]
            activates_context: self.activates_context,
            rules: self.rules.after_fork(),
            ceiling: None,
            tail: Arc::default(),
            table: Table::new(self.open_spans),
            open_spans: self.open_spans,
            queue,
            totals: Default::default(),
            costs: Default::default(),
            buffers: Default::default(),
        }
    }

    /// Says once that the spans of a forked child go nowhere. Not where a span begins or ends, which is
    /// in the middle of the subscriber's work.
    pub(crate) fn warn_after_fork(&self) {
        static WARNED: AtomicU32 = AtomicU32::new(0);
        let here = fork_generation();
        if !self.exporting || !self.is_inherited() || WARNED.swap(here, Relaxed) == here {
            return;
        }
        tracing::warn!(
            target: "obs_tracing",
            "spans of a forked child are not exported, only counted as dropped: build the pipeline after the fork"
        );
    }
}
