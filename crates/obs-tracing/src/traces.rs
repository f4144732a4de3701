//! The application's handle of a pipeline.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use obs_context::{Sample, SampleKind, Source};
use obs_otlp::{Closer, Setting};

use crate::handle::Handle;
use crate::live::LiveSpan;
use crate::pipeline::Pipeline;
use crate::propagate::Propagators;
use crate::record::Tail;
use crate::sample::{Ceiling, Sampler, SpanBudgetStatus, now};

/// The default timeout of a shutdown.
const DROP_TIMEOUT: Duration = Duration::from_secs(2);

/// The pipeline behind a [`TraceLayer`](crate::TraceLayer): flush it, shut it down, count, change its
/// sampler. Dropping it shuts the pipeline down, in 2 s at most.
#[must_use = "dropping it shuts the pipeline down: keep it until the service ends"]
pub struct Traces {
    handle: Handle,
    /// `None` where nothing is exported.
    closing: Option<Closer>,
    settings: Vec<Setting>,
    ignored: Vec<String>,
}

/// What a flush or a shutdown achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it tells whether spans were lost"]
pub struct Delivery {
    /// Spans that a collector accepted, since the call began.
    pub delivered: u64,
    /// Spans that were dropped, since the call began: no collector has them, nor ever will, but for the unknown ones.
    pub lost: u64,
    /// Of the lost ones, those whose request was under way at the deadline of the shutdown: a collector may have them.
    pub unknown: u64,
    /// Whether every span that had ended before the call has an outcome. When not, a
    /// flush's spans are still being tried.
    pub complete: bool,
}

/// What became of the spans of a pipeline so far.
///
/// `started = exported + dropped + sampled_out + in_flight()`: every span is in one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Spans created.
    pub started: u64,
    /// Spans that a collector accepted.
    pub exported: u64,
    /// Spans that were to be exported and never will: refused by the collector, given up, no room.
    pub dropped: u64,
    /// Spans that were not kept: their trace is not sampled, or there is no exporter.
    pub sampled_out: u64,
    /// Of these, spans that tail mode recorded and had no room for: see [`Tail::memory`].
    pub tail_evicted: u64,
    /// Times that a rule of [`Tail::when`] panicked: its trace was kept.
    pub rule_panics: u64,
    /// Attempts of an export that failed, whether or not a later one succeeded.
    pub export_failures: u64,
    /// Of the dropped spans, those that a collector refused in an answer that accepted the rest.
    pub rejected: u64,
    /// Of the dropped spans, those whose request was under way at the deadline of the shutdown: a collector may
    /// have them.
    pub unknown: u64,
    /// Bytes of the requests that were accepted, as sent, without headers.
    pub exported_bytes: u64,
}

/// What the spans of one name cost: returned by [`Traces::costs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanCost {
    /// The span's name in the code; `request` and `send` are the HTTP spans, `sqlx::query` the queries.
    pub name: &'static str,
    /// Spans that were encoded for export.
    pub spans: u64,
    /// Their bytes, uncompressed.
    pub bytes: u64,
}

impl Counts {
    /// Spans that are open, or ended and on their way.
    pub const fn in_flight(&self) -> u64 {
        self.started.saturating_sub(self.exported + self.dropped + self.sampled_out)
    }
}

impl Traces {
    pub(crate) fn new(
        handle: Handle,
        closing: Option<Closer>,
        settings: Vec<Setting>,
        ignored: Vec<String>,
    ) -> Self {
        Self { handle, closing, settings, ignored }
    }

    /// Waits until every span that has ended by now is delivered or lost, at most this long. It
    /// blocks the thread, so that it works without any runtime; the export goes on in its own thread.
    pub fn flush(&self, timeout: Duration) -> Delivery {
        self.handle.warn_after_fork();
        let deadline = after(timeout);
        let before = counts(self.pipeline());
        self.pipeline().drain();
        let complete = self.pipeline().queue.wait_settled(deadline);
        self.delivery_since(before, complete)
    }

    /// Delivers what can be delivered in this time, and ends the export. Whatever the collector does,
    /// the call is over by then, and every span is counted as delivered or lost. Spans that end later
    /// are counted as dropped. Later calls have nothing to do.
    pub fn shutdown(&self, timeout: Duration) -> Delivery {
        self.handle.warn_after_fork();
        let deadline = after(timeout);
        let before = counts(self.pipeline());
        let Some(closing) = &self.closing else { return self.delivery_since(before, true) };
        self.pipeline().drain();
        if self.pipeline().queue.close() {
            // The export thread gives up a little earlier, so that its last word is heard.
            let margin = (timeout / 10).min(Duration::from_millis(200));
            closing.close_by(deadline - margin);
        }
        let complete = self.pipeline().queue.wait_finished(deadline);
        self.delivery_since(before, complete)
    }

    /// What became of the spans so far.
    pub fn counts(&self) -> Counts {
        counts(self.pipeline())
    }

    /// The pipeline's numbers for a metrics registry: `obs_spans_started_total` and its kin.
    pub fn source(&self) -> Arc<dyn Source> {
        Arc::new(TraceMetrics(self.handle.clone()))
    }

    /// The spans that are open now and that are recorded, the oldest first, at most `limit` of them.
    ///
    /// It looks through all open spans, each shard of them under its lock: for a person who asks what
    /// the service is doing, not for a request's path.
    pub fn live(&self, limit: usize) -> Vec<LiveSpan> {
        let mut live = Vec::new();
        let now = fastant::Instant::now();
        self.pipeline().table.for_each(|record| {
            if record.span_context.recording && record.end.is_none() {
                live.push(LiveSpan::of(record, now));
            }
        });
        live.sort_by_key(|span| std::cmp::Reverse(span.age));
        live.truncate(limit);
        live
    }

    /// The span of this id, where it is open and recorded. It is looked up in a table: for an error's report,
    /// say.
    pub fn live_span(&self, id: &tracing::Id) -> Option<LiveSpan> {
        let now = fastant::Instant::now();
        let live = |record: &mut Box<crate::record::Record>| {
            let is_live = record.span_context.recording && record.end.is_none();
            is_live.then(|| LiveSpan::of(record, now))
        };
        self.pipeline().table.with(id.into_u64(), live).flatten()
    }

    /// What each callsite's spans cost so far, by the name in the code, the dearest first.
    pub fn costs(&self) -> Vec<SpanCost> {
        let costs = self.pipeline().costs();
        let mut costs: Vec<_> =
            costs.iter().map(|(&name, &(spans, bytes))| SpanCost { name, spans, bytes }).collect();
        costs.sort_by_key(|cost| (std::cmp::Reverse(cost.bytes), cost.name));
        costs
    }

    /// The budget, and what it does now; `None` where there is none, or nothing is exported: see
    /// [`Builder::span_budget`](crate::Builder::span_budget).
    pub fn budget(&self) -> Option<SpanBudgetStatus> {
        self.pipeline().ceiling.as_ref().map(|ceiling| ceiling.status(now()))
    }

    /// Decides upon new traces with this sampler from now on.
    pub fn set_sampler(&self, sampler: Sampler) {
        self.pipeline().rules.change(|rule| rule.sampler = sampler);
    }

    /// The sampler of this moment.
    pub fn sampler(&self) -> Sampler {
        self.pipeline().rules.current().sampler.clone()
    }

    /// Decides with these rules upon the ends of new traces that the sampler turns down; `None` ends tail
    /// mode.
    pub fn set_tail(&self, tail: Option<Tail>) {
        self.pipeline().rules.change(|rule| rule.tail = tail.map(Arc::new));
    }

    /// The rules of tail mode at this moment.
    pub fn tail(&self) -> Option<Tail> {
        self.pipeline().rules.current().tail.as_deref().cloned()
    }

    /// Every setting, with its value and where that came from. Headers are named without their values.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Environment variables that were left out because of what they hold: each as a sentence with its remedy. The
    /// export thread logs them, too.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// The formats that `OTEL_PROPAGATORS` or the code asked for: for the HTTP spans, and for messages.
    pub fn propagators(&self) -> Propagators {
        self.pipeline().propagators
    }

    fn pipeline(&self) -> &Arc<Pipeline> {
        self.handle.pipeline()
    }

    fn delivery_since(&self, before: Counts, complete: bool) -> Delivery {
        let now = self.counts();
        Delivery {
            delivered: now.exported - before.exported,
            lost: now.dropped - before.dropped,
            unknown: now.unknown - before.unknown,
            complete,
        }
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        let _ = self.shutdown(DROP_TIMEOUT);
        if self.handle.is_inherited() {
            std::mem::forget(self.closing.take()); // its lock may be the export thread's, who stayed behind
        }
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

/// A wait that ends past what the clock can say is one without an end: a year is as good.
fn after(wait: Duration) -> Instant {
    const MAX_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    Instant::now() + wait.min(MAX_WAIT)
}

fn counts(pipeline: &Pipeline) -> Counts {
    let totals = &pipeline.totals;
    // What is counted last is read first, so that no sum ever exceeds `started`.
    let (exported, dropped) = (totals.exported.load(Relaxed), totals.dropped.load(Relaxed));
    let (started, sampled_out) = pipeline.started_and_sampled_out();
    Counts {
        started,
        exported,
        dropped,
        sampled_out,
        tail_evicted: pipeline.tail.evicted.load(Relaxed),
        rule_panics: pipeline.tail.panics.load(Relaxed),
        export_failures: totals.failures.load(Relaxed),
        rejected: totals.rejected.load(Relaxed),
        unknown: totals.unknown.load(Relaxed),
        exported_bytes: totals.bytes.load(Relaxed),
    }
}

struct TraceMetrics(Handle);

impl Source for TraceMetrics {
    fn collect(&self, sink: &mut dyn FnMut(Sample<'_>)) {
        let pipeline = self.0.pipeline();
        let counts = counts(pipeline);
        let shed = pipeline.ceiling.as_ref().map(Ceiling::shed);
        let shed = shed.map(|shed| {
            ("obs_traces_shed_total", "Traces that the span budget turned down.", shed)
        });
        let counters = [
            ("obs_spans_started_total", "Spans created.", counts.started),
            ("obs_spans_exported_total", "Spans that a collector accepted.", counts.exported),
            (
                "obs_spans_dropped_total",
                "Spans that were to be exported and were lost.",
                counts.dropped,
            ),
            (
                "obs_spans_sampled_out_total",
                "Spans of traces that are not kept.",
                counts.sampled_out,
            ),
            (
                "obs_spans_tail_evicted_total",
                "Spans that tail mode recorded and had no room for.",
                counts.tail_evicted,
            ),
            (
                "obs_span_rule_panics_total",
                "Panics of rules that decide upon traces at their end.",
                counts.rule_panics,
            ),
            (
                "obs_span_export_failures_total",
                "Attempts of an export that failed.",
                counts.export_failures,
            ),
            (
                "obs_span_export_bytes_total",
                "Bytes of span exports that were accepted.",
                counts.exported_bytes,
            ),
        ];
        for (name, help, value) in counters.into_iter().chain(shed) {
            let kind = SampleKind::Counter;
            sink(Sample { name, help, kind, labels: &[], value: value as f64 });
        }
        sink(Sample {
            name: "obs_spans_in_flight",
            help: "Spans that are open, or ended and not yet exported.",
            kind: SampleKind::Gauge,
            labels: &[],
            value: counts.in_flight() as f64,
        });
    }
}
