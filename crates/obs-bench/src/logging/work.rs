//! The event that contenders write, and the subscribers that take it.

use std::io;

use obs_logging::{Builder, Delivery, Format, Logging, Output};
use tracing::{Subscriber, info, info_span, subscriber::set_global_default};
use tracing_subscriber::layer::SubscriberExt;

use crate::measure::nanoseconds;

pub(super) fn with_ours(work: fn() -> f64) -> f64 {
    let (layer, _logging): (_, Logging) = Builder::new()
        .format(Format::Json)
        .filter("info")
        .output(Output::writer(io::sink()))
        .delivery(Delivery::Blocking)
        .build()
        .expect("a filter and a writer are all it needs");
    with(tracing_subscriber::registry().with(layer), work)
}

pub(super) fn with_theirs(work: fn() -> f64) -> f64 {
    let layer = tracing_subscriber::fmt::layer().json().with_writer(io::sink);
    let filter = tracing_subscriber::filter::LevelFilter::INFO;
    with(tracing_subscriber::registry().with(filter).with(layer), work)
}

pub(super) fn with(subscriber: impl Subscriber + Send + Sync, work: fn() -> f64) -> f64 {
    set_global_default(subscriber).expect("each contender has its own process");
    work()
}

pub(super) fn user_created() {
    info!(user_id = 123_u64, name = "Alice", ratio = 0.25, "user created");
}

pub(super) fn in_one_span() -> f64 {
    let span =
        info_span!("request", request_id = "0190f6a8-5a5f-7ccc", method = "GET", path = "/orders");
    let _entered = span.enter();
    nanoseconds(user_created)
}
