//! What a line costs, beside tracing-subscriber's JSON on the same work. Writers are null.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::io;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use obs_logging::{Builder, Delivery, Format, Output, WhenFull};
use tracing::{Dispatch, debug, info, info_span};
use tracing_subscriber::layer::SubscriberExt;

fn ours(delivery: Delivery) -> (Dispatch, obs_logging::Logging) {
    let (layer, logging) = Builder::new()
        .format(Format::Json)
        .filter("info")
        .output(Output::writer(io::sink()))
        .delivery(delivery)
        .build()
        .expect("nothing of this can fail");
    (Dispatch::new(tracing_subscriber::registry().with(layer)), logging)
}

fn peer() -> Dispatch {
    let layer = tracing_subscriber::fmt::layer().json().with_writer(io::sink);
    let filter = tracing_subscriber::filter::LevelFilter::INFO;
    Dispatch::new(tracing_subscriber::registry().with(filter).with(layer))
}

fn event() {
    info!(user_id = 123_u64, name = "Alice", ratio = 0.25, "user created");
}

fn request() {
    let span =
        info_span!("request", request_id = "0190f6a8-5a5f-7ccc", method = "GET", path = "/orders");
    let _entered = span.enter();
    event();
    event();
    event();
}

fn compare(
    c: &mut Criterion,
    name: &str,
    delivery: Delivery,
    work: impl Fn(&mut criterion::Bencher<'_>),
) {
    let mut group = c.benchmark_group(name);
    group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(300));
    let (dispatch, _logging) = ours(delivery);
    tracing::dispatcher::with_default(&dispatch, || group.bench_function("obs", &work));
    tracing::dispatcher::with_default(&peer(), || group.bench_function("fmt-json", &work));
    group.finish();
}

fn lines(c: &mut Criterion) {
    let blocking = Delivery::Blocking;
    compare(c, "no context", blocking, |b| b.iter(event));
    compare(c, "one span", blocking, |b| {
        let _span = info_span!(
            "request",
            request_id = "0190f6a8-5a5f-7ccc",
            method = "GET",
            path = "/orders"
        )
        .entered();
        b.iter(event);
    });
    compare(c, "three spans", blocking, |b| {
        let _span = info_span!(
            "request",
            request_id = "0190f6a8-5a5f-7ccc",
            method = "GET",
            path = "/orders"
        )
        .entered();
        let _span =
            info_span!("order", order_id = 7_u64, customer = "acme", items = 3_u64).entered();
        let _span =
            info_span!("payment", provider = "bank", attempt = 1_u64, amount = 12.5).entered();
        b.iter(event);
    });
    compare(c, "request", blocking, |b| b.iter(request));
    compare(c, "disabled", blocking, |b| {
        b.iter(|| debug!(user_id = 123_u64, name = "Alice", "unwanted"));
    });
    let queued = Delivery::NonBlocking { buffer_bytes: 8 << 20, when_full: WhenFull::Block };
    compare(c, "one span, queued", queued, |b| {
        let _span = info_span!(
            "request",
            request_id = "0190f6a8-5a5f-7ccc",
            method = "GET",
            path = "/orders"
        )
        .entered();
        b.iter(event);
    });
}

criterion_group!(benches, lines);
criterion_main!(benches);
