//! Other loggers, and lines that a thread of their own writes.

use std::io;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use obs_logging::{Builder, Delivery, Format, Output, WhenFull};
use rustix::time::{ClockId, clock_gettime};
use slog::Drain;
use tracing::{Subscriber, subscriber::set_global_default};
use tracing_subscriber::layer::SubscriberExt;

use super::work::{in_one_span, user_created, with, with_ours, with_theirs};
use crate::measure::nanoseconds;
use crate::row::Row;

/// Enough that starting and flushing weigh nothing.
const LINES: u32 = 400_000;
const THREADS: u32 = 4;

pub(super) fn rows() -> Vec<Row> {
    let row =
        |work, peer, bar, ours, theirs| Row { pillar: "logging", work, peer, bar, ours, theirs };
    let json = "tracing-subscriber json";
    vec![
        row("event in one span", "slog-json", 0.5, || with_ours(in_one_span), slog_json),
        // The page has no bar for this one: it is here to be seen.
        row(
            "event in one span",
            "json-subscriber",
            f64::INFINITY,
            || with_ours(in_one_span),
            json_subscriber,
        ),
        row("event in one span, four threads", json, 1.0 / 15.0, our_shared_writer, || {
            with_theirs(on_four_threads)
        }),
        row("sustained, flushed", "tracing-appender", 1.0 / 12.0, our_queue, their_queue),
    ]
}

fn slog_json() -> f64 {
    let drain = Mutex::new(slog_json::Json::default(io::sink())).fuse();
    let logger = slog::Logger::root(
        drain,
        slog::o!("request_id" => "0190f6a8-5a5f-7ccc", "method" => "GET", "path" => "/orders"),
    );
    nanoseconds(|| {
        slog::info!(logger, "user created"; "user_id" => 123_u64, "name" => "Alice", "ratio" => 0.25);
    })
}

fn json_subscriber() -> f64 {
    let layer = json_subscriber::layer().with_writer(io::sink);
    let filter = tracing_subscriber::filter::LevelFilter::INFO;
    with(tracing_subscriber::registry().with(filter).with(layer), in_one_span)
}

/// Neither side has a lock: `io::Sink` is a writer that threads may share, and the peer is given one for
/// every event.
fn our_shared_writer() -> f64 {
    let (layer, _logging) = Builder::new()
        .format(Format::Json)
        .output(Output::shared_writer(io::sink()))
        .delivery(Delivery::Blocking)
        .build()
        .expect("a filter and a writer are all it needs");
    with(tracing_subscriber::registry().with(layer), on_four_threads)
}

/// CPU time of the whole process, since the threads share what they wait for.
fn on_four_threads() -> f64 {
    let begun = cpu_time();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let span = tracing::info_span!(
                    "request",
                    request_id = "0190f6a8-5a5f-7ccc",
                    method = "GET",
                    path = "/orders"
                );
                let _entered = span.enter();
                (0..LINES / THREADS).for_each(|_| user_created());
            });
        }
    });
    since(begun)
}

fn our_queue() -> f64 {
    let (layer, logging) = Builder::new()
        .format(Format::Json)
        .output(Output::writer(io::sink()))
        .delivery(Delivery::NonBlocking { buffer_bytes: 8 << 20, when_full: WhenFull::Block })
        .build()
        .expect("a filter and a writer are all it needs");
    sustained(tracing_subscriber::registry().with(layer), || {
        let report = logging.shutdown(Duration::from_secs(60));
        assert!(report.complete && report.dropped == 0, "{report:?}");
    })
}

fn their_queue() -> f64 {
    let builder = tracing_appender::non_blocking::NonBlockingBuilder::default().lossy(false);
    let (writer, guard) = builder.finish(io::sink());
    let layer = tracing_subscriber::fmt::layer().json().with_writer(writer);
    let filter = tracing_subscriber::filter::LevelFilter::INFO;
    sustained(tracing_subscriber::registry().with(filter).with(layer), || drop(guard))
}

/// CPU time of the whole process for each line, the writer's thread and the flush included.
fn sustained(subscriber: impl Subscriber + Send + Sync, flush: impl FnOnce()) -> f64 {
    set_global_default(subscriber).expect("each contender has its own process");
    let span = tracing::info_span!("request", request_id = "0190f6a8-5a5f-7ccc", method = "GET");
    let _entered = span.enter();
    let begun = cpu_time();
    (0..LINES).for_each(|_| user_created());
    flush();
    since(begun)
}

/// Nanoseconds a line.
fn since(begun: Duration) -> f64 {
    cpu_time().saturating_sub(begun).as_nanos() as f64 / f64::from(LINES)
}

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
