//! One request on the page, seen through every lane.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

#[path = "support/browser.rs"]
mod browser;
#[path = "support/shop.rs"]
mod shop;
mod support;

use std::time::Duration;

use browser::{Browser, ColorScheme};
use obs_console::Target;
use shop::Order;
use support::{Admin, TOKEN, builder};

const ROW: &str = ".row.requests";

#[tokio::test(flavor = "multi_thread")]
async fn request_view_shows_each_lane() {
    let Some(browser) = Browser::open(ColorScheme::Light).await else { return };
    let order = Order::new(0xabc, 201);
    let admin = Admin::start(&order.metrics(1));
    let running = builder()
        .scrape([Target::new("orders", &admin.url()).unwrap()])
        .scrape_interval(Duration::from_millis(200))
        .start()
        .await
        .unwrap();
    order.send(running.store());
    tokio::time::sleep(Duration::from_millis(500)).await;
    *admin.metrics.lock().unwrap() = order.metrics(21);

    browser.visit(&running, "/requests").await;
    browser.sees(ROW, "POST /orders/{id}").await;
    assert!(!browser.address().await.contains(TOKEN), "the token stays in the address");
    browser.sees(ROW, "201").await;
    browser.sees(ROW, "gateway").await;
    browser.sees(ROW, "100 ms").await;
    browser.click(ROW, "POST /orders/{id}").await;

    browser.sees("h2", "POST /orders/{id}").await;
    browser.sees(".requesthead", &order.id()).await;
    browser.sees(".requesthead", "7 spans").await;
    for (name, took) in [
        ("process_order", "70.0 ms"),
        ("SELECT orders", "10.0 ms"),
        ("POST /charge/{id}", "30.0 ms"),
    ] {
        let script = "return [...document.querySelectorAll('.span.row')]
            .some((it) => it.innerText.includes(arguments[0]) && it.innerText.includes(arguments[1]))";
        browser.until(&format!("{name} took {took}"), script, vec![name.into(), took.into()]).await;
    }
    // Every log line is pinned to the time axis of its span.
    let pins = "return document.querySelectorAll('.span.row .pin.info').length === 3";
    browser.until("three pins", pins, Vec::new()).await;

    browser.click("[role=tab]", "Logs").await;
    browser.sees("#lane .row", "card charged").await;
    browser.sees("#lane .row", "amount=89.5").await;
    browser.sees("#lane .row", "order.status=completed").await;
    browser.click("#lane .row", "card charged").await;
    browser.sees("#lane .linefields", "payments-1").await;

    browser.click("[role=tab]", "Metrics").await;
    browser.sees("#lane td", "http_requests_total").await;
    browser.sees("#lane td", "◆").await;

    browser.click("[role=tab]", "Health").await;
    browser.sees("#lane .card", "✓ ready").await;
    browser.sees("#lane .card", "✓ live").await;
    browser.sees("#lane .card dl", "db").await;

    browser.click("[role=tab]", "Errors").await;
    browser.sees("#lane", "No error").await;

    // This admin server has no profiles: the page says so, and what to do.
    browser.click("[role=tab]", "Profile").await;
    browser.sees("#lane .empty", "No profile").await;

    browser.click(".span.row", "SELECT orders").await;
    browser.sees("#tab-span[aria-selected=true]", "Span").await;
    browser.sees("#lane dd", "SELECT status FROM orders").await;
    browser.sees("#lane dd", "orders-1").await;
    assert!(browser.address().await.contains("span=0000000000000005"), "a span is in the address");
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_request_shows_error_and_stack() {
    let Some(browser) = Browser::open(ColorScheme::Dark).await else { return };
    let running = builder().start().await.unwrap();
    Order::new(7, 500).send(running.store());

    browser.visit(&running, "/requests").await;
    browser.click(ROW, "500").await;
    browser.sees("#tab-errors[aria-selected=true]", "Errors").await;
    browser.sees("#lane h3", "Database: the query failed").await;
    browser.sees("#lane .causes", "no such table: reports").await;
    browser.sees("#lane .stack", "src/report.rs:42").await;
    browser.click("#lane summary", "Before it").await;
    browser.sees("#lane details", "loading the report").await;

    // The same among all errors, and back to the request.
    browser.press("ge").await;
    browser.click(".errorrow", "Database: the query failed").await;
    browser.sees(".detail .stack", "orders::report::load").await;
    browser.click(".detail a", "Open the request").await;
    browser.sees(".requesthead h2", "POST /fail").await;
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waterfall_is_searched_and_folded() {
    let Some(browser) = Browser::open(ColorScheme::Light).await else { return };
    let running = builder().start().await.unwrap();
    let order = Order::new(9, 201);
    order.send(running.store());
    browser.visit(&running, &format!("/requests?open={}", order.id())).await;
    browser.sees(".span.row", "payments").await;

    browser.types(".find", "sqlite\u{e007}").await;
    browser.sees(".waterfall .bar", "1 of 7").await;
    browser.sees(".row[aria-selected=true]", "SELECT orders").await;
    browser.types(".find", "\u{e003}\u{e003}\u{e003}\u{e003}\u{e003}\u{e003}card charged").await;
    // A span is found by its log lines too.
    browser.sees(".span.row.match", "POST /charge/{id}").await;

    browser.click(".span.row", "process_order").await;
    browser.press("\u{e012}").await;
    browser.misses(".span.row", "SELECT orders").await;
    browser.press("\u{e014}").await;
    browser.sees(".span.row", "SELECT orders").await;

    browser.click(".check", "Critical path").await;
    let script = "return document.querySelectorAll('.critical').length > 3";
    browser.until("the critical path", script, Vec::new()).await;
    running.shutdown().await;
}
