//! How long the page takes with much to show, as the browser itself measures it. Nothing here is a bound of
//! milliseconds: what is asserted is that it comes, and that the number of elements does not grow with it.

#![allow(clippy::print_stderr, reason = "the measures are printed")]
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

#[path = "support/browser.rs"]
mod browser;
#[path = "support/shop.rs"]
mod shop;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use browser::{Browser, ColorScheme};
use obs_console::{Limits, Span};
use obs_context::SpanId;
use serde_json::json;
use shop::Order;
use support::builder;

/// More than are ever in sight.
const MAX_ELEMENTS: u64 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn trace_of_ten_thousand_spans_renders_few_elements() {
    let Some(browser) = Browser::open(ColorScheme::Light).await else { return };
    let mut limits = Limits::default();
    limits.spans_per_trace = 20_000;
    let running = builder().limits(limits).start().await.unwrap();
    let order = Order { millis: 1_000, ..Order::new(1, 201) };
    let parent = order.spans().remove(3);
    let children = (0..9_993).map(|at| Span {
        span_id: SpanId::new(1_000 + at),
        parent_span_id: Some(parent.span_id),
        name: format!("item {at}").into(),
        start_unix_nanos: parent.start_unix_nanos + at * 50_000,
        duration_nanos: 40_000,
        ..parent.clone()
    });
    running.store().add_spans(order.spans().into_iter().chain(children));
    browser.visit(&running, &format!("/requests?open={}", order.id())).await;
    browser.sees(".requesthead", "10,000 spans").await;
    browser.sees(".span.row", "item 3").await;
    let script = "return [document.querySelectorAll('.span.row').length,
        performance.getEntriesByName('request shown').at(-1)?.duration ?? -1]";
    let measured = browser.run(script, Vec::new()).await;
    eprintln!("10,000 spans are shown in {:.0} ms", measured[1].as_f64().unwrap());
    assert!(measured[0].as_u64().unwrap() < MAX_ELEMENTS, "{measured}");

    let start = std::time::Instant::now();
    browser.types(".find", "item 9992\u{e007}").await;
    browser.sees(".row[aria-selected=true]", "item 9992").await;
    eprintln!("one of them is found in {} ms", start.elapsed().as_millis());
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn list_of_hundred_thousand_lines_renders_few_elements() {
    let Some(browser) = Browser::open(ColorScheme::Light).await else { return };
    let mut limits = Limits::default();
    limits.log_bytes = 1 << 30;
    let running = builder().limits(limits).start().await.unwrap();
    let order = Order::new(1, 201);
    let line =
        |at: u64| order.line(4, "orders", "info", "counted", at / 100, &json!({ "number": at }));
    running.store().add_logs((0..100_000).map(line));
    browser.visit(&running, "/logs").await;
    browser.sees(".logrow", "number=99999").await;
    // As a hand at the scroll bar does, until the first line is here; the time of each frame is taken.
    let script = "const done = arguments[0]; const list = document.querySelector('.list'); const frames = [];
        let last = performance.now(); const begun = last;
        function frame() {
            const now = performance.now(); frames.push(now - last); last = now;
            list.scrollTop -= 2400;
            const whole = document.querySelector('.listnote').textContent === '100,000 lines' && list.scrollTop === 0;
            if (!whole && now - begun < 100000) { requestAnimationFrame(frame); return; }
            frames.sort((one, other) => one - other);
            const part = (share) => frames[Math.floor(share * (frames.length - 1))];
            done({ whole, ms: now - begun, frames: frames.length, median: part(0.5), p99: part(0.99), longest: part(1),
                elements: document.querySelectorAll('.logrow').length });
        }
        requestAnimationFrame(frame);";
    let measured = browser.run_async(script, Vec::new()).await;
    eprintln!("100,000 lines are scrolled: {measured}");
    assert_eq!(measured["whole"], json!(true), "{measured}");
    assert!(measured["elements"].as_u64().unwrap() < MAX_ELEMENTS, "{measured}");
    browser.sees(".logrow", "number=0").await;
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn page_responds_under_load_of_spans() {
    let Some(browser) = Browser::open(ColorScheme::Light).await else { return };
    let running = builder().start().await.unwrap();
    let (store, ended) = (Arc::clone(running.store()), Arc::new(AtomicBool::new(false)));
    let until = Arc::clone(&ended);
    // Seven spans a request, 715 requests a second: 5,000 spans a second.
    let source = std::thread::spawn(move || {
        let mut sent = 0_u128;
        while !until.load(Ordering::Relaxed) {
            for _ in 0..72 {
                sent += 1;
                Order::new(sent, 201).send(&store);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        sent
    });
    browser.visit(&running, "/requests").await;
    browser.sees(".row.requests", "POST /orders/{id}").await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let script = "const times = performance.getEntriesByType('resource').filter((it) => it.name.includes('/api/requests'))
        .map((it) => it.duration).sort((one, other) => one - other);
        const part = (share) => times[Math.floor(share * (times.length - 1))];
        return { answers: times.length, median: part(0.5), p95: part(0.95), longest: part(1) }";
    let measured = browser.run(script, Vec::new()).await;
    browser.click(".row.requests", "POST /orders/{id}").await;
    browser.sees(".requesthead h2", "POST /orders/{id}").await;
    ended.store(true, Ordering::Relaxed);
    let sent = source.join().unwrap();
    eprintln!("under load ({} spans): {measured}", sent * 7);
    assert!(measured["answers"].as_u64().unwrap() > 3, "{measured}");
    running.shutdown().await;
}
