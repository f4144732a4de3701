//! The page's other views, and what hostile telemetry can do to them: nothing.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

#[path = "support/browser.rs"]
mod browser;
#[path = "support/shop.rs"]
mod shop;
mod support;

use std::time::Duration;

use browser::{Browser, ColorScheme};
use obs_console::{ErrorCause, LogLine, Span, Target};
use serde_json::json;
use shop::{Order, attributes};
use support::{Admin, builder};

#[tokio::test(flavor = "multi_thread")]
async fn logs_view_filters_pages_and_links_to_requests() {
    let Some(browser) = Browser::open(ColorScheme::Light).await else { return };
    let running = builder().start().await.unwrap();
    let order = Order::new(1, 201);
    for at in 0..2_500 {
        let level = if at % 100 == 0 { "warn" } else { "info" };
        let fields = json!({ "number": at, "shelf": format!("s-{at}") });
        running.store().add_logs([order.line(4, "orders", level, "counted", at, &fields)]);
    }
    browser.visit(&running, "/logs").await;
    browser.sees(".listnote", "1,000+ lines").await;
    browser.sees(".logrow", "number=2499").await;

    // Up to the first one, page by page.
    let to_top = "document.querySelector('.list').scrollTop = 0;
        return document.querySelector('.listnote').innerText === '2,500 lines'";
    browser.until("all lines", to_top, Vec::new()).await;
    browser.sees(".logrow", "number=0").await;

    // What comes while one reads is held back.
    running.store().add_logs([order.line(4, "orders", "info", "a late one", 9_000, &json!({}))]);
    browser.sees(".news", "1 new").await;
    browser.click(".news", "1 new").await;
    browser.sees(".logrow", "a late one").await;

    let warnings = "const it = document.querySelector('.filters select'); it.value = 'warn';
        it.dispatchEvent(new Event('change'))";
    browser.run(warnings, Vec::new()).await;
    browser.sees(".listnote", "25 lines").await;
    browser.misses(".logrow", "INFO").await;

    browser.click(".logrow", "number=2400").await;
    browser.sees(".linepanel dd", "s-2400").await;
    let column =
        "[...document.querySelectorAll('.linepanel dt')].find((it) => it.innerText === 'shelf')
        .nextElementSibling.querySelectorAll('a')[1].click()";
    browser.run(column, Vec::new()).await;
    browser.sees(".columns", "shelf").await;
    browser.sees(".logrow .cell", "s-2400").await;
    browser.click(".linepanel a", "Open the request").await;
    browser.sees(".requesthead", &order.id()).await;
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_view_plots_series_and_exemplars_open_requests() {
    let Some(browser) = Browser::open(ColorScheme::Dark).await else { return };
    let order = Order::new(0xabc, 201);
    let admin = Admin::start(&order.metrics(1));
    let running = builder()
        .scrape([Target::new("orders", &admin.url()).unwrap()])
        .scrape_interval(Duration::from_millis(200))
        .start()
        .await
        .unwrap();
    order.send(running.store());
    browser.visit(&running, "/metrics").await;
    for count in 2..8 {
        *admin.metrics.lock().unwrap() = order.metrics(count * 10);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    browser.click(".family", "http_request_duration_seconds").await;
    browser.sees(".plots figcaption", "Quantiles").await;
    browser.sees(".plots .legend", "p95").await;
    browser.sees(".plots figcaption", "Rate").await;
    let drawn = "return document.querySelector('.plots path.series').getTotalLength() > 50";
    browser.until("a line", drawn, Vec::new()).await;
    let by = "const it = document.querySelector('.plots select'); it.value = 'status';
        it.dispatchEvent(new Event('change'))";
    browser.run(by, Vec::new()).await;
    browser.sees(".plots .legend", "201 p95").await;

    let open = "const it = document.querySelector('.exemplar'); it?.dispatchEvent(new MouseEvent('click'));
        return Boolean(it)";
    browser.until("an exemplar", open, Vec::new()).await;
    browser.sees(".requesthead", &order.id()).await;
    browser.sees("#tab-metrics[aria-selected=true]", "Metrics").await;
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn map_health_and_store_views_show_state() {
    let Some(browser) = Browser::open(ColorScheme::Light).await else { return };
    let admin = Admin::start("# EOF\n");
    let running = builder()
        .scrape([Target::new("orders", &admin.url()).unwrap()])
        .scrape_interval(Duration::from_millis(200))
        .start()
        .await
        .unwrap();
    for trace in 1..=9 {
        Order::new(trace, 201).send(running.store());
    }
    Order::new(10, 500).send(running.store());

    browser.visit(&running, "/map").await;
    for name in ["gateway", "orders", "payments", "sqlite"] {
        let script = "return [...document.querySelectorAll('.node .name')]
            .some((it) => it.textContent === arguments[0])";
        browser.until(name, script, vec![name.into()]).await;
    }
    let row = "return [...document.querySelectorAll('.mapbody tr')]
        .some((it) => it.innerText.startsWith('gateway\\torders\\t10 calls'))";
    browser.until("gateway calls orders ten times", row, Vec::new()).await;

    browser.press("gh").await;
    browser.sees(".card", "✓ ready").await;
    *admin.ready.lock().unwrap() = (503, r#"{"ready":false,"checks":{"db":"timeout"}}"#.into());
    browser.sees(".card", "✕ not ready").await;
    browser.sees(".checks", "db: timeout").await;
    browser.sees("nav .badge", "1").await;
    browser.sees(".period", "▲").await;

    browser.press("gs").await;
    let kept = "return [...document.querySelectorAll('.card tr')]
        .some((it) => it.innerText.startsWith('Traces\\t10\\t10,000'))";
    browser.until("ten traces of ten thousand", kept, Vec::new()).await;
    running.shutdown().await;
}

/// What a browser must never run, nor let turn the text around it.
const HOSTILE: &str = "<img src=x onerror=\"window.hit=1\"><script>window.hit=2</script>'\"`${window.hit=3}\u{202e}gnp.exe\u{0}\n\u{1b}[31m</textarea>";

#[tokio::test(flavor = "multi_thread")]
async fn hostile_telemetry_is_shown_as_text_in_each_view() {
    let Some(browser) = Browser::open(ColorScheme::Light).await else { return };
    let running = builder().start().await.unwrap();
    let order = Order::new(0xbad, 500);
    let all = json!({ HOSTILE: HOSTILE, "http.route": HOSTILE, "http.request.method": HOSTILE, "url.path": HOSTILE, "server.address": HOSTILE, "http.response.status_code": 500 });
    running.store().add_spans(order.spans().into_iter().map(|span| Span {
        service: format!("{HOSTILE}{}", span.service).into(),
        instance: Some(HOSTILE.into()),
        name: HOSTILE.into(),
        status_message: HOSTILE.into(),
        attributes: attributes(&all),
        ..span
    }));
    running.store().add_logs(order.lines().into_iter().map(|line| LogLine {
        service: HOSTILE.into(),
        level: HOSTILE.into(),
        event: HOSTILE.into(),
        target: HOSTILE.into(),
        request_id: Some("javascript:window.hit=4".into()),
        fields: attributes(&json!({ HOSTILE: HOSTILE, "service": HOSTILE })),
        ..line
    }));
    let mut error = order.error();
    error.service = HOSTILE.into();
    error.message = HOSTILE.into();
    error.exceptions = vec![ErrorCause { kind: HOSTILE.into(), value: HOSTILE.into() }];
    error.tags = attributes(&all);
    running.store().add_errors([error]);

    let harmless = "return window.hit === undefined && !document.querySelector('main img, main script, main textarea')
        && !/[\\u202a-\\u202e\\u2066-\\u2069]/.test(document.querySelector('main').innerText)";
    let open = format!("/requests?open={}", order.id());
    for lane in ["span", "logs", "errors", "metrics", "health", "profile"] {
        browser.visit(&running, &format!("{open}&lane={lane}")).await;
        browser.sees(".requesthead h2", "<img src=x onerror=").await;
        browser.sees("[role=tab][aria-selected=true]", "").await;
        browser.until(&format!("{lane} harmless"), harmless, Vec::new()).await;
    }
    for (view, css) in [
        ("logs", ".logrow"),
        ("errors", ".errorrow"),
        ("map", ".map"),
        ("health", ".card h2"),
        ("metrics", ".empty"),
    ] {
        browser.visit(&running, &format!("/{view}")).await;
        browser.sees(css, "").await;
        browser.run("document.querySelector('.list .row')?.click()", Vec::new()).await;
        browser.until(&format!("{view} harmless"), harmless, Vec::new()).await;
    }
    // What is copied and what the address says is as little of a danger.
    browser
        .visit(
            &running,
            &format!(
                "/requests?q={}&service=%3Cscript%3E",
                "%3Cimg%20src=x%20onerror=window.hit=5%3E"
            ),
        )
        .await;
    browser.sees(".chip", "<script>").await;
    browser.until("harmless", harmless, Vec::new()).await;
    running.shutdown().await;
}
