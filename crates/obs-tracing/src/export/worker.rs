//! The export thread: it owns its runtime, so that it works under any other or none.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;
use std::vec;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::encode::Head;
use super::outcome::Outcome;
use super::transport::{Parcel, Transport};
use crate::pipeline::{self, Pipeline};
use crate::record::{Chunk, Record};
use crate::sample::drop_unused_tails;

/// Below the 4 MiB that gRPC servers accept by default.
const LARGEST_REQUEST: usize = 1024 * 1024;
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
const BETWEEN_WARNINGS: Duration = Duration::from_secs(30);

/// How the export thread works.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The longest that an ended span waits for others.
    pub(crate) delay: Duration,
    /// Spans in one request.
    pub(crate) batch: usize,
    /// For one attempt.
    pub(crate) timeout: Duration,
    /// For all attempts of one request.
    pub(crate) retry_for: Duration,
}

pub(crate) struct Worker {
    pipeline: Arc<Pipeline>,
    transport: Transport,
    head: Head,
    pace: Pace,
    /// When everything has to be over, once it is known.
    closing: watch::Receiver<Option<Instant>>,
    /// The chunk that requests are being made of, and its records that were encoded.
    chunk: vec::IntoIter<Box<Record>>,
    encoded: Chunk,
    warned: Option<Instant>,
    /// Of how many panics of rules the last warning told.
    known_panics: u64,
    warned_of_panics: Option<Instant>,
}

impl Worker {
    /// Starts the thread. `connect` makes the transport, on the thread's runtime.
    pub(crate) fn start(
        pipeline: Arc<Pipeline>,
        head: Head,
        pace: Pace,
        closing: watch::Receiver<Option<Instant>>,
        connect: impl FnOnce() -> Result<Transport, String> + Send + 'static,
    ) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = move || {
            runtime.block_on(async {
                let _finish = Finish(Arc::clone(&pipeline));
                match connect() {
                    Ok(transport) => {
                        let worker = Self {
                            pipeline,
                            transport,
                            head,
                            pace,
                            closing,
                            chunk: Vec::new().into_iter(),
                            encoded: Vec::new(),
                            warned: None,
                            known_panics: 0,
                            warned_of_panics: None,
                        };
                        worker.run().await;
                    }
                    Err(reason) => {
                        tracing::warn!(target: "obs_tracing", reason, "spans cannot be exported");
                    }
                }
            });
            // Connections may still be in the middle of something: they are not waited for.
            runtime.shutdown_background();
        };
        thread::Builder::new().name("obs-tracing".to_owned()).spawn(work)?;
        Ok(())
    }

    async fn run(mut self) {
        while self.closing.borrow_and_update().is_none() {
            tokio::select! {
                () = self.pipeline.queue.woken() => {}
                () = sleep(self.pace.delay) => {}
                changed = self.closing.changed() => if changed.is_err() { break },
            }
            self.pipeline.drain();
            self.warn_of_panics();
            drop_unused_tails();
            while let Some((parcel, spans)) = self.next_request() {
                self.deliver(parcel, spans).await;
            }
        }
        while let Some((parcel, spans)) = self.next_request() {
            self.deliver(parcel, spans).await;
        }
        self.transport.end();
    }

    /// Encodes as many of the spans that wait as one request takes.
    fn next_request(&mut self) -> Option<(Parcel, usize)> {
        let mut draft = None;
        loop {
            let Some(record) = self.chunk.next() else {
                pipeline::recycle(std::mem::take(&mut self.encoded));
                match self.pipeline.queue.pop() {
                    Some(chunk) => self.chunk = chunk.into_iter(),
                    None => break,
                }
                continue;
            };
            let draft = draft.get_or_insert_with(|| self.transport.draft(&self.head));
            draft.add(&record);
            self.encoded.push(record);
            if draft.spans() >= self.pace.batch || draft.len() >= LARGEST_REQUEST {
                break;
            }
        }
        let draft = draft?;
        let spans = draft.spans();
        self.pipeline.add_costs(draft.costs());
        Some((self.transport.pack(draft, &self.head), spans))
    }

    /// Sends until the request's fate is known.
    async fn deliver(&mut self, parcel: Parcel, spans: usize) {
        let begun = Instant::now();
        let mut backoff = FIRST_BACKOFF;
        loop {
            let attempt = timeout(self.pace.timeout, self.transport.send(&parcel));
            let outcome = tokio::select! {
                outcome = attempt => outcome.unwrap_or_else(|_| Outcome::Retry {
                    after: None,
                    reason: format!("no answer within {:?}", self.pace.timeout),
                }),
                () = deadline(self.closing.clone()) => {
                    return self.lose(spans, "shut down before the collector had answered");
                }
            };
            let totals = &self.pipeline.totals;
            let (after, reason) = match outcome {
                Outcome::Accepted { rejected, message } => {
                    totals.bytes.fetch_add(parcel.len() as u64, Relaxed);
                    return self.accepted(spans, rejected, &message);
                }
                Outcome::Refused { reason } => {
                    totals.failures.fetch_add(1, Relaxed);
                    return self.lose(spans, &reason);
                }
                Outcome::Retry { after, reason } => (after, reason),
            };
            totals.failures.fetch_add(1, Relaxed);
            let wait = after.unwrap_or_else(|| jittered(backoff));
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
            if begun.elapsed().saturating_add(wait) > self.pace.retry_for {
                return self.lose(spans, &reason);
            }
            self.warn(&reason, 0);
            if !self.wait(wait).await {
                return self.lose(spans, &reason);
            }
        }
    }

    /// Waits before the next attempt; a shutdown cuts it short. `false` when there is no time left.
    async fn wait(&mut self, wait: Duration) -> bool {
        let mut closing = self.closing.clone();
        let known = *closing.borrow_and_update();
        match known {
            None => tokio::select! {
                () = sleep(wait) => true,
                _ = closing.changed() => true,
            },
            Some(end) => tokio::select! {
                () = sleep(wait) => true,
                () = sleep_until(end) => false,
            },
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

    fn lose(&mut self, spans: usize, reason: &str) {
        self.pipeline.totals.dropped.fetch_add(spans as u64, Relaxed);
        self.pipeline.queue.settle(spans);
        self.warn(reason, spans as u64);
    }

    /// Told from here: where a span ends, a log line could end up in that very span.
    fn warn_of_panics(&mut self) {
        let panics = self.pipeline.tail.panics.load(Relaxed);
        if panics == self.known_panics || is_recent(self.warned_of_panics) {
            return;
        }
        self.known_panics = panics;
        self.warned_of_panics = Some(Instant::now());
        tracing::warn!(
            target: "obs_tracing",
            panics,
            "a rule of Tail::when panicked, so its traces are kept: mend the function, its panics are in the log"
        );
    }

    /// One line now and then, with all that was lost so far.
    fn warn(&mut self, reason: &str, lost_now: u64) {
        if is_recent(self.warned) {
            return;
        }
        self.warned = Some(Instant::now());
        let lost = self.pipeline.totals.dropped.load(Relaxed);
        tracing::warn!(
            target: "obs_tracing",
            reason,
            lost_now,
            lost,
            "spans are not delivered: check that the collector runs where OTEL_EXPORTER_OTLP_ENDPOINT says"
        );
    }
}

fn is_recent(warned: Option<Instant>) -> bool {
    warned.is_some_and(|warned| warned.elapsed() < BETWEEN_WARNINGS)
}

/// Completes at the deadline of the shutdown, once there is one.
async fn deadline(mut closing: watch::Receiver<Option<Instant>>) {
    loop {
        let known = *closing.borrow_and_update();
        match known {
            Some(end) => return sleep_until(end).await,
            None if closing.changed().await.is_err() => return,
            None => {}
        }
    }
}

/// Between half of it and all of it, so that a fleet does not come back at the same moment.
fn jittered(backoff: Duration) -> Duration {
    backoff / 2 + backoff.mul_f64(obs_context::random_u64() as f64 / u64::MAX as f64 / 2.0)
}

/// Whatever ends the thread, nobody waits for it any longer.
struct Finish(Arc<Pipeline>);

impl Drop for Finish {
    fn drop(&mut self) {
        self.0.queue.close();
        while let Some(chunk) = self.0.queue.pop() {
            let spans = chunk.len();
            self.0.totals.dropped.fetch_add(spans as u64, Relaxed);
            self.0.queue.settle(spans);
            pipeline::recycle(chunk);
        }
        self.0.queue.finish();
    }
}
