//! The page for everyone: no serious finding of axe-core, and nothing cut off in a narrow window.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

#[path = "support/browser.rs"]
mod browser;
#[path = "support/shop.rs"]
mod shop;
mod support;

use std::time::Duration;

use browser::{Browser, ColorScheme};
use obs_console::{Running, Target};
use obs_testing::skipped;
use serde_json::{Value, json};
use shop::Order;
use support::{Admin, builder};

async fn start() -> (Running, Admin) {
    let order = Order::new(1, 201);
    let admin = Admin::start(&order.metrics(1));
    let running = builder()
        .scrape([Target::new("orders", &admin.url()).unwrap()])
        .scrape_interval(Duration::from_millis(200))
        .start()
        .await
        .unwrap();
    order.send(running.store());
    Order::new(2, 500).send(running.store());
    tokio::time::sleep(Duration::from_millis(500)).await;
    *admin.metrics.lock().unwrap() = order.metrics(9);
    tokio::time::sleep(Duration::from_millis(700)).await;
    (running, admin)
}

/// Every view, and what has to be in sight of it before it is judged.
fn views() -> Vec<(String, &'static str)> {
    let open = |trace, lane: &str| {
        format!("/requests?open={}&lane={lane}&status=200", Order::new(trace, 0).id())
    };
    let metric = "/metrics?service=orders&family=http_request_duration_seconds";
    let mut views = vec![
        ("/requests?status=5xx&~service=orders".into(), ".row.requests"),
        ("/requests?q=nobody".into(), ".empty"),
        ("/logs?col=amount".into(), ".logrow"),
        ("/errors".into(), ".errorrow"),
        (metric.into(), "path.series, figure"),
        ("/map".into(), ".map"),
        ("/health".into(), ".strip"),
        ("/store".into(), ".card"),
    ];
    views.extend(
        ["span", "logs", "metrics", "health", "profile"].map(|lane| (open(1, lane), "#lane > *")),
    );
    views.push((open(2, "errors"), "#lane .stack"));
    views
}

async fn findings(look: ColorScheme) {
    let Some(axe) = std::env::var_os("OBS_AXE") else {
        skipped("axe-core is missing (npm pack axe-core; OBS_AXE is the path of its axe.min.js)");
        return;
    };
    let axe = std::fs::read_to_string(axe).unwrap();
    let Some(browser) = Browser::open(look).await else { return };
    let (running, _admin) = start().await;
    let mut found = Vec::new();
    for (view, css) in views() {
        browser.visit(&running, &view).await;
        browser
            .until(css, "return Boolean(document.querySelector(arguments[0]))", vec![css.into()])
            .await;
        browser.run(&axe, Vec::new()).await;
        let script = "const done = arguments[0]; axe.run(document).then(({ violations }) => done(violations
            .filter(({ impact }) => impact === 'serious' || impact === 'critical')
            .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((it) => `${it.html.slice(0, 160)} ${it.failureSummary.slice(0, 200)}`).join(' | ')}`)))";
        let serious = browser.run_async(script, Vec::new()).await;
        found.extend(serious.as_array().unwrap().iter().map(|it| format!("{view}: {it}")));
    }
    running.shutdown().await;
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn views_in_light_colours_have_no_serious_axe_finding() {
    findings(ColorScheme::Light).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_in_dark_colours_have_no_serious_axe_finding() {
    findings(ColorScheme::Dark).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn narrow_window_cuts_nothing_off() {
    let Some(browser) = Browser::open(ColorScheme::Narrow).await else { return };
    let (running, _admin) = start().await;
    for (view, css) in views() {
        browser.visit(&running, &view).await;
        browser
            .until(css, "return Boolean(document.querySelector(arguments[0]))", vec![css.into()])
            .await;
        let widths = "return [document.documentElement.scrollWidth, innerWidth]";
        let widths = browser.run(widths, Vec::new()).await;
        assert_eq!(widths, json!([400, 400]), "{view}");
    }
    // One thing at a time: the request covers the list, and Escape brings it back.
    browser.visit(&running, "/requests").await;
    browser.click(".row.requests", "201").await;
    browser.sees("h2", "POST /orders/{id}").await;
    browser.misses(".row.requests .outcome", "201").await;
    browser.press("\u{e00c}").await;
    browser.sees(".row.requests", "201").await;
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_have_text_for_meaning_of_colour() {
    let Some(browser) = Browser::open(ColorScheme::Light).await else { return };
    let (running, _admin) = start().await;
    browser.visit(&running, "/requests").await;
    browser.sees(".row.requests", "✓").await;
    browser.sees(".row.requests", "✕").await;
    let script = "return [...document.querySelectorAll('.row.requests .outcome i')].map((it) => it.getAttribute('aria-label')).sort()";
    assert_eq!(browser.run(script, Vec::new()).await, json!(["error", "ok"]));
    browser.visit(&running, "/logs").await;
    browser.sees(".logrow", "ERROR").await;
    let script = "return [...document.querySelectorAll('.service')].every((it) => it.innerText.trim() !== '')";
    assert_eq!(browser.run(script, Vec::new()).await, Value::Bool(true));
    running.shutdown().await;
}
