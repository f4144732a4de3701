//! Logging: JSON lines into a writer that throws them away.

mod others;
mod peers;

use std::io;

use obs_logging::{Builder, Delivery, Format, Logging, Output};
use tracing::{Subscriber, info, info_span, subscriber::set_global_default};
use tracing_subscriber::layer::SubscriberExt;

use crate::measure::nanoseconds;
use crate::row::Row;

const PEER: &str = "tracing-subscriber json";

pub(crate) fn rows() -> Vec<Row> {
    let row =
        |work, bar, ours, theirs| Row { pillar: "logging", work, peer: PEER, bar, ours, theirs };
    let mut rows = vec![
        row("event without context", 1.0 / 7.0, || with_ours(event), || with_theirs(event)),
        row(
            "event in one span",
            1.0 / 15.0,
            || with_ours(in_one_span),
            || with_theirs(in_one_span),
        ),
        row(
            "event in three spans",
            1.0 / 18.0,
            || with_ours(in_three_spans),
            || with_theirs(in_three_spans),
        ),
        row(
            "request: a span and three events",
            1.0 / 11.0,
            || with_ours(request),
            || with_theirs(request),
        ),
        row("disabled event", 1.1, || with_ours(disabled), || with_bare(disabled))
            .against("bare tracing"),
    ];
    rows.extend(peers::rows());
    rows.extend(others::rows());
    rows
}

impl Row {
    fn against(mut self, peer: &'static str) -> Self {
        self.peer = peer;
        self
    }
}

fn with_ours(work: fn() -> f64) -> f64 {
    let (layer, _logging): (_, Logging) = Builder::new()
        .format(Format::Json)
        .filter("info")
        .output(Output::writer(io::sink()))
        .delivery(Delivery::Blocking)
        .build()
        .expect("a filter and a writer are all it needs");
    with(tracing_subscriber::registry().with(layer), work)
}

fn with_theirs(work: fn() -> f64) -> f64 {
    let layer = tracing_subscriber::fmt::layer().json().with_writer(io::sink);
    let filter = tracing_subscriber::filter::LevelFilter::INFO;
    with(tracing_subscriber::registry().with(filter).with(layer), work)
}

/// A subscriber that takes nothing.
fn with_bare(work: fn() -> f64) -> f64 {
    let filter = tracing_subscriber::filter::LevelFilter::INFO;
    with(tracing_subscriber::registry().with(filter), work)
}

fn with(subscriber: impl Subscriber + Send + Sync, work: fn() -> f64) -> f64 {
    set_global_default(subscriber).expect("each contender has its own process");
    work()
}

fn user_created() {
    info!(user_id = 123_u64, name = "Alice", ratio = 0.25, "user created");
}

fn event() -> f64 {
    nanoseconds(user_created)
}

fn in_one_span() -> f64 {
    let span =
        info_span!("request", request_id = "0190f6a8-5a5f-7ccc", method = "GET", path = "/orders");
    let _entered = span.enter();
    nanoseconds(user_created)
}

fn in_three_spans() -> f64 {
    let request =
        info_span!("request", request_id = "0190f6a8-5a5f-7ccc", method = "GET", path = "/orders");
    let _request = request.enter();
    let order = info_span!("order", order_id = 42_u64, customer = "c-17", total = 12.5);
    let _order = order.enter();
    let charge = info_span!("charge", attempt = 1_u64, card = "visa", retry = false);
    let _charge = charge.enter();
    nanoseconds(user_created)
}

fn request() -> f64 {
    nanoseconds(|| {
        let span = info_span!(
            "request",
            request_id = "0190f6a8-5a5f-7ccc",
            method = "GET",
            path = "/orders"
        );
        let _entered = span.enter();
        user_created();
        user_created();
        user_created();
    })
}

fn disabled() -> f64 {
    nanoseconds(|| tracing::debug!(user_id = 123_u64, name = "Alice", "not wanted"))
}
