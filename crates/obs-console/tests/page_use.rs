//! What people do with the page: filter, read while more comes, use the keyboard, send a view.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

#[path = "support/browser.rs"]
mod browser;
#[path = "support/shop.rs"]
mod shop;
mod support;

use browser::{Browser, ColorScheme};
use serde_json::json;
use shop::Order;
use support::builder;

const ROW: &str = ".row.requests";
/// Of a row: a whole one has a time and durations, which may have any digits.
const STATUS: &str = ".row.requests .outcome";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_in_url_and_can_be_disabled() {
    let Some(browser) = Browser::open(ColorScheme::Light).await else { return };
    let running = builder().start().await.unwrap();
    Order::new(1, 201).send(running.store());
    Order::new(2, 500).send(running.store());

    browser.visit(&running, "/requests").await;
    browser.sees(ROW, "201").await;
    browser.types(".q", &format!("status:5xx{ENTER}")).await;
    browser.sees(".chip", "Status 5xx").await;
    browser.misses(STATUS, "201").await;
    browser.sees(ROW, "500").await;
    assert!(browser.address().await.contains("status=5xx"), "{}", browser.address().await);

    browser.click(".chip input", "").await;
    browser.sees(ROW, "201").await;
    browser.sees(".chip.off", "Status 5xx").await;
    assert!(
        browser.address().await.contains("%7Estatus=5xx")
            || browser.address().await.contains("~status=5xx")
    );

    // The address alone brings it back, in a tab of its own too.
    browser.reload().await;
    browser.sees(".chip.off", "Status 5xx").await;
    browser.click(".chip button", "×").await;
    browser.misses(".chip", "Status").await;

    // A filter by the form, by an attribute.
    browser.click("button", "+ Filter").await;
    browser.run("const it = document.querySelector('.popover select'); it.value = 'attr'; it.dispatchEvent(new Event('change'))", Vec::new()).await;
    browser.types(".popover input", &format!("order.id:nobody{ENTER}")).await;
    browser.sees(".empty", "No request passes these filters").await;
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_requests_are_held_back_while_list_is_scrolled() {
    let Some(browser) = Browser::open(ColorScheme::Light).await else { return };
    let running = builder().start().await.unwrap();
    for trace in 1..=150 {
        Order::new(trace, 201).send(running.store());
    }
    browser.visit(&running, "/requests").await;
    browser.sees(".listnote", "150 requests").await;
    browser.run("document.querySelector('.list').scrollTop = 900", Vec::new()).await;
    let first = "const list = document.querySelector('.list'); const top = list.getBoundingClientRect().top;
        return [...list.querySelectorAll('.row')].filter((it) => it.getBoundingClientRect().top >= top)
            .sort((one, other) => one.dataset.index - other.dataset.index)[0]?.querySelector('time').title";
    browser
        .until(
            "it is scrolled",
            "return document.querySelector('.list').scrollTop === 900",
            Vec::new(),
        )
        .await;
    let before = browser.run(first, Vec::new()).await;
    for trace in 1001..=1012 {
        Order::new(trace, 202).send(running.store());
    }
    browser.sees(".news", "12 new").await;
    assert_eq!(browser.run(first, Vec::new()).await, before, "the row that was read has moved");
    browser.click(".news", "12 new").await;
    browser.sees(ROW, "202").await;

    // Paused, nothing changes; resumed, it does.
    browser
        .run(
            "document.activeElement.blur(); document.querySelector('.list').scrollTop = 0",
            Vec::new(),
        )
        .await;
    browser.click("button", "Pause").await;
    Order::new(5000, 418).send(running.store());
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    browser.misses(STATUS, "418").await;
    browser.click("button", "Resume").await;
    browser.sees(STATUS, "418").await;
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_store_page_stays_as_it_is() {
    let Some(browser) = Browser::open(ColorScheme::Light).await else { return };
    let running = builder().start().await.unwrap();
    Order::new(1, 201).send(running.store());
    browser.visit(&running, "/store").await;
    let shown = "return document.querySelector('.cards').innerText";
    browser.sees(".cards", "Traces").await;
    browser.click("button", "Pause").await;
    let before = browser.run(shown, Vec::new()).await;
    for trace in 2..=9 {
        Order::new(trace, 202).send(running.store());
    }
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    assert_eq!(browser.run(shown, Vec::new()).await, before);
    browser.click("button", "Resume").await;
    let changed = "return document.querySelector('.cards').innerText !== arguments[0]";
    browser.until("the page goes on", changed, vec![before]).await;
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_control_is_reachable_by_keyboard() {
    let Some(browser) = Browser::open(ColorScheme::Light).await else { return };
    let running = builder().start().await.unwrap();
    Order::new(1, 201).send(running.store());
    Order::new(2, 500).send(running.store());
    browser.visit(&running, "/requests").await;
    browser.sees(ROW, "201").await;

    browser.press("jj").await;
    browser.sees(&format!("{ROW}[aria-selected=true]"), "201").await;
    browser.press(&format!("k{ENTER}")).await;
    browser.sees("h2", "POST /fail").await;
    browser.press(ESCAPE).await;
    browser.misses("h2", "POST /fail").await;

    browser.press("/").await;
    browser
        .until(
            "the filter has the focus",
            "return document.activeElement.matches('.q')",
            Vec::new(),
        )
        .await;
    browser.press(ESCAPE).await;
    browser.press("?").await;
    browser.sees("dialog", "Previous or next row").await;
    browser.press(ESCAPE).await;
    browser.misses("dialog", "Keys").await;
    for (key, view) in [
        ("l", "Logs"),
        ("m", "Metrics"),
        ("a", "Map"),
        ("h", "Health"),
        ("e", "Errors"),
        ("s", "Store"),
        ("r", "Requests"),
    ] {
        browser.press(&format!("g{key}")).await;
        browser.sees("nav [aria-current]", view).await;
    }

    browser.press("t").await;
    browser.sees(&format!("{ROW} time"), " ago").await;
    browser.press("t").await;
    browser.sees(&format!("{ROW} time"), ":").await;
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copied_curl_command_quotes_hostile_text() {
    let Some(browser) = Browser::open(ColorScheme::Light).await else { return };
    let running = builder().start().await.unwrap();
    Order::new(1, 201).send(running.store());
    let script = "const done = arguments[1]; import('/assets/curl.js').then(({ curl }) => done(curl({ attributes: arguments[0] })))";
    browser.visit(&running, "/requests").await;
    browser.sees(ROW, "201").await;
    let hostile = json!({
        "http.request.method": "POST; rm -rf /", "url.path": "/it's/$(id)/`id`", "url.query": "a=1&b=\u{3}\nid", "url.scheme": "http",
        "server.address": "127.0.0.1", "server.port": 8000, "http.request.header.x-a": ["one", "t'wo"],
    });
    let copied = browser.run_async(script, vec![hostile]).await;
    let copied = copied.as_str().unwrap();
    assert!(copied.starts_with("curl -i -g -X GET "), "{copied}");
    assert!(!copied.chars().any(char::is_control), "{copied:?}");
    // What a shell makes of it is the one argument that it was.
    let shell = std::process::Command::new("bash")
        .args(["-c", &copied.replacen("curl", "printf '%s\\n'", 1)])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&shell.stdout).into_owned();
    assert!(said.contains("http://127.0.0.1:8000/it's/$(id)/`id`?a=1&b=\u{3}\nid\n"), "{said}");
    assert!(said.contains("x-a: one, t'wo"), "{said}");
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn page_without_token_asks_for_token() {
    let Some(browser) = Browser::open(ColorScheme::Light).await else { return };
    let running = builder().start().await.unwrap();
    Order::new(1, 201).send(running.store());
    browser.visit_with(&running, "token=wrong&/requests").await;
    browser.sees("h1", "The console’s token").await;
    browser.misses(STATUS, "201").await;
    browser.types(".signin input", &format!("{}{ENTER}", support::TOKEN)).await;
    browser.sees(ROW, "201").await;
    running.shutdown().await;
}
