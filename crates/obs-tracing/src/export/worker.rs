//! The export thread: it owns its runtime, so that it works under any other or none.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};
use std::vec;

use obs_otlp::{Closing, Outcome, Signal, Warning};
use tokio::time::sleep;

use super::encode::RequestHead;
use super::transport::{PreparedRequest, Transport};
use crate::pipeline::Pipeline;
use crate::pool;
use crate::record::{Chunk, Record};
use crate::sample::drop_unused_tails;

/// Below the 4 MiB that gRPC servers accept by default.
const MAX_REQUEST_BYTES: usize = 1024 * 1024;
const WARNING_INTERVAL: Duration = Duration::from_secs(30);

/// How the export thread works.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExportSettings {
    /// The longest that an ended span waits for others.
    pub(crate) delay: Duration,
    /// Spans in one request.
    pub(crate) batch: usize,
    /// For a request to an exporter of the application's.
    pub(crate) timeout: Duration,
}

pub(crate) struct Worker {
    pipeline: Arc<Pipeline>,
    transport: Transport,
    head: RequestHead,
    export_settings: ExportSettings,
    /// When everything has to be over, once it is known.
    closing: Closing,
    /// The chunk that requests are being made of, and its records that were encoded.
    chunk: vec::IntoIter<Box<Record>>,
    encoded: Chunk,
    warning: Warning,
    /// Variables that were left out, reported once there is a subscriber.
    ignored: Vec<String>,
    /// The number of rules' panics at the last warning.
    reported_panics: u64,
    warned_of_panics: Option<Instant>,
    /// Of how many shed traces the last warning told.
    known_shed: u64,
    warned_of_shed: Option<Instant>,
}

impl Worker {
    /// Starts the thread.
    pub(crate) fn start(
        pipeline: Arc<Pipeline>,
        head: RequestHead,
        export_settings: ExportSettings,
        closing: Closing,
        transport: Transport,
        ignored: Vec<String>,
    ) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = move || {
            runtime.block_on(async {
                let _finish = FinishGuard(Arc::clone(&pipeline));
                let warning = Warning::new(Signal::Traces, transport.endpoint());
                let worker = Self {
                    pipeline,
                    transport,
                    head,
                    export_settings,
                    closing,
                    chunk: Vec::new().into_iter(),
                    encoded: Vec::new(),
                    warning,
                    ignored,
                    reported_panics: 0,
                    warned_of_panics: None,
                    known_shed: 0,
                    warned_of_shed: None,
                };
                worker.run().await;
            });
            // Connections may still be in the middle of something: they are not waited for.
            runtime.shutdown_background();
        };
        thread::Builder::new().name("obs-tracing".to_owned()).spawn(work)?;
        Ok(())
    }

    async fn run(mut self) {
        while !self.closing.is_closing() {
            tokio::select! {
                () = self.pipeline.queue.woken() => {}
                () = sleep(self.export_settings.delay) => {}
                () = self.closing.begun() => {}
            }
            obs_otlp::warn_of_ignored(&std::mem::take(&mut self.ignored));
            self.pipeline.drain();
            self.warn_of_panics();
            self.warn_of_shed_traces();
            drop_unused_tails();
            while let Some((request, spans)) = self.next_request() {
                self.deliver(request, spans).await;
            }
        }
        while let Some((request, spans)) = self.next_request() {
            self.deliver(request, spans).await;
        }
        self.transport.end();
    }

    /// Encodes as many of the spans that wait as one request takes.
    fn next_request(&mut self) -> Option<(PreparedRequest, usize)> {
        let mut builder = None;
        loop {
            let Some(record) = self.chunk.next() else {
                pool::recycle(std::mem::take(&mut self.encoded));
                match self.pipeline.queue.pop() {
                    Some(chunk) => self.chunk = chunk.into_iter(),
                    None => break,
                }
                continue;
            };
            let builder = builder.get_or_insert_with(|| self.transport.builder(&self.head));
            builder.add(&record);
            self.encoded.push(record);
            if builder.spans() >= self.export_settings.batch || builder.len() >= MAX_REQUEST_BYTES {
                break;
            }
        }
        let builder = builder?;
        let spans = builder.spans();
        self.pipeline.add_costs(builder.costs());
        if let Some(ceiling) = &self.pipeline.ceiling {
            ceiling.encoded(spans as u64, builder.len() as u64);
        }
        Some((self.transport.pack(builder, &self.head), spans))
    }

    /// Sends until the request has an outcome, and counts it.
    async fn deliver(&mut self, request: PreparedRequest, spans: usize) {
        let pipeline = Arc::clone(&self.pipeline);
        let totals = &pipeline.totals;
        let warning = &mut self.warning;
        let mut on_failure = |reason: &str| {
            totals.failures.fetch_add(1, Relaxed);
            warning.report(reason, 0, totals.dropped.load(Relaxed));
        };
        let sent = self.transport.deliver(
            &request,
            self.export_settings.timeout,
            &mut self.closing,
            &mut on_failure,
        );
        match sent.await {
            Outcome::Delivered { rejected, message } => {
                totals.bytes.fetch_add(request.len() as u64, Relaxed);
                self.accepted(spans, rejected, &message);
            }
            Outcome::Lost { reason } => self.count_lost(spans, &reason),
            Outcome::Unknown { reason } => {
                totals.unknown.fetch_add(spans as u64, Relaxed); // before whoever waits for them is told
                self.count_lost(spans, &reason);
            }
        }
    }

    fn accepted(&mut self, spans: usize, rejected: u64, message: &str) {
        let rejected = rejected.min(spans as u64);
        let totals = &self.pipeline.totals;
        totals.exported.fetch_add(spans as u64 - rejected, Relaxed);
        totals.rejected.fetch_add(rejected, Relaxed);
        totals.dropped.fetch_add(rejected, Relaxed);
        self.pipeline.queue.settle(spans);
        if rejected > 0 || !message.is_empty() {
            self.warn(message, rejected);
        }
    }

    fn count_lost(&mut self, spans: usize, reason: &str) {
        self.pipeline.totals.dropped.fetch_add(spans as u64, Relaxed);
        self.pipeline.queue.settle(spans);
        self.warn(reason, spans as u64);
    }

    /// Reported from here: where a span ends, a log line could be copied into that span.
    fn warn_of_panics(&mut self) {
        let panics = self.pipeline.tail.panics.load(Relaxed);
        if panics == self.reported_panics
            || self.warned_of_panics.is_some_and(|warned| warned.elapsed() < WARNING_INTERVAL)
        {
            return;
        }
        self.reported_panics = panics;
        self.warned_of_panics = Some(Instant::now());
        tracing::warn!(
            target: "obs_tracing",
            panics,
            "a rule of Tail::when panicked, so its traces are kept: mend the function, its panics are in the log"
        );
    }

    fn warn_of_shed_traces(&mut self) {
        let Some(ceiling) = &self.pipeline.ceiling else { return };
        let shed = ceiling.shed();
        if shed == self.known_shed
            || self.warned_of_shed.is_some_and(|warned| warned.elapsed() < WARNING_INTERVAL)
        {
            return;
        }
        let new = shed - std::mem::replace(&mut self.known_shed, shed);
        self.warned_of_shed = Some(Instant::now());
        tracing::warn!(
            target: "obs_tracing",
            shed_traces = new,
            budget = %ceiling.budget(),
            "spans are past their budget and whole traces are shed, those with errors are kept: \
             sample less (OTEL_TRACES_SAMPLER), make fewer spans, or raise the budget"
        );
    }

    fn warn(&mut self, reason: &str, lost_now: u64) {
        let lost = self.pipeline.totals.dropped.load(Relaxed);
        self.warning.report(reason, lost_now, lost);
    }
}

/// Releases all waiters when the thread ends for any reason.
struct FinishGuard(Arc<Pipeline>);

impl Drop for FinishGuard {
    fn drop(&mut self) {
        self.0.queue.close();
        while let Some(chunk) = self.0.queue.pop() {
            let spans = chunk.len();
            self.0.totals.dropped.fetch_add(spans as u64, Relaxed);
            self.0.queue.settle(spans);
            pool::recycle(chunk);
        }
        self.0.queue.finish();
    }
}
