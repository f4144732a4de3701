//! Logging: JSON lines into a writer that throws them away.

mod others;
mod peers;
mod work;

use tracing::info_span;
use tracing_subscriber::layer::SubscriberExt;

use crate::measure::nanoseconds;
use crate::row::Row;
use work::{in_one_span, user_created, with, with_ours, with_theirs};

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

/// A subscriber that takes nothing.
fn with_bare(work: fn() -> f64) -> f64 {
    let filter = tracing_subscriber::filter::LevelFilter::INFO;
    with(tracing_subscriber::registry().with(filter), work)
}

fn event() -> f64 {
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
