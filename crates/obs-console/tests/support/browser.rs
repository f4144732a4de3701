//! Debian's Chromium, driven as a person would: what is seen, clicked and typed.

#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::wd::TimeoutConfiguration;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use obs_console::Running;
use obs_testing::{free_port, skipped};
use serde_json::{Value, json};

use crate::support::TOKEN;

/// Longer than a loaded machine needs.
const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

/// How the page is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorScheme {
    Light,
    Dark,
    /// 400 pixels wide.
    Narrow,
}

/// A browser with one page; ended with this value.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    driver: Driver,
}

#[derive(Debug)]
struct Driver {
    process: Child,
    port: u16,
    session: String,
}

impl Browser {
    /// `None` where Chromium or its driver is missing and may be, see [`skipped`].
    pub async fn open(look: ColorScheme) -> Option<Self> {
        let port = free_port();
        let process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(process) = process else {
            skipped("chromedriver is not installed (apt install chromium chromium-driver)");
            return None;
        };
        let mut driver = Driver { process, port, session: String::new() };
        let is_up = (0..1_200).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        assert!(is_up, "chromedriver does not listen");
        let arguments =
            json!(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
        let options = json!({ "goog:chromeOptions": { "args": arguments } });
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(options.as_object().unwrap().clone());
        let client = builder
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap_or_else(|error| panic!("chromium does not start: {error}"));
        driver.session = client.session_id().await.unwrap().unwrap();
        let patience = TimeoutConfiguration::new(Some(2 * WAIT_TIMEOUT), Some(WAIT_TIMEOUT), None);
        client.update_timeouts(patience).await.unwrap();
        let browser = Self { client, driver };
        let width = if look == ColorScheme::Narrow { 400 } else { 1400 };
        browser.devtools(
            "Emulation.setDeviceMetricsOverride",
            &json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false }),
        );
        let scheme = if look == ColorScheme::Dark { "dark" } else { "light" };
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        browser.devtools("Emulation.setEmulatedMedia", &json!({ "features": [feature] }));
        Some(browser)
    }

    /// A command of the browser's own protocol, which WebDriver has no word for.
    fn devtools(&self, command: &str, parameters: &Value) {
        let body = json!({ "cmd": command, "params": parameters }).to_string();
        let answer = self.driver.ask("POST", "/goog/cdp/execute", &body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Opens the console's page as its printed address does, at this view.
    pub async fn visit(&self, running: &Running, view: &str) {
        self.visit_with(running, &format!("token={TOKEN}&{view}")).await;
    }

    /// Opens the page with this fragment, anew.
    pub async fn visit_with(&self, running: &Running, fragment: &str) {
        self.client.goto("about:blank").await.unwrap();
        self.client.goto(&format!("http://{}/#{fragment}", running.api())).await.unwrap();
    }

    /// What a script says, with `arguments` in it.
    pub async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(script, arguments).await.unwrap()
    }

    /// What a script gives to its last argument, a function.
    pub async fn run_async(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute_async(script, arguments).await.unwrap()
    }

    /// Waits until a script's answer is true.
    pub async fn until(&self, what: &str, script: &str, arguments: Vec<Value>) {
        let start = Instant::now();
        while self.run(script, arguments.clone()).await != json!(true) {
            if start.elapsed() > WAIT_TIMEOUT {
                let text = self.run("return document.body.innerText", Vec::new()).await;
                let shown = text.as_str().unwrap_or_default().to_owned();
                panic!("not seen: {what}. The page shows:\n{shown}\n{}", self.address().await);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until an element of this selector is in sight with this text.
    pub async fn sees(&self, css: &str, text: &str) {
        let script = "return [...document.querySelectorAll(arguments[0])]
            .some((it) => it.checkVisibility() && (it.innerText ?? it.textContent).includes(arguments[1]))";
        self.until(&format!("{text:?} in {css}"), script, vec![css.into(), text.into()]).await;
    }

    /// Waits until no element of this selector is in sight with this text.
    pub async fn misses(&self, css: &str, text: &str) {
        let script = "return ![...document.querySelectorAll(arguments[0])]
            .some((it) => it.checkVisibility() && (it.innerText ?? it.textContent).includes(arguments[1]))";
        let what = format!("{text:?} gone from {css}");
        self.until(&what, script, vec![css.into(), text.into()]).await;
    }

    /// Clicks on the first element in sight of this selector with this text.
    pub async fn click(&self, css: &str, text: &str) {
        self.sees(css, text).await;
        let script = "document.querySelector('[data-clicked]')?.removeAttribute('data-clicked');
            [...document.querySelectorAll(arguments[0])]
            .find((it) => it.checkVisibility() && (it.innerText ?? it.textContent).includes(arguments[1]))?.setAttribute('data-clicked', '')";
        // What is drawn anew at this moment is found again.
        for _ in 0..20 {
            self.run(script, vec![css.into(), text.into()]).await;
            if let Ok(element) = self.client.find(Locator::Css("[data-clicked]")).await
                && element.click().await.is_ok()
            {
                return;
            }
        }
        panic!("{text:?} in {css} cannot be clicked");
    }

    /// Types into the element of this selector.
    pub async fn types(&self, css: &str, text: &str) {
        self.client.find(Locator::Css(css)).await.unwrap().send_keys(text).await.unwrap();
    }

    /// Presses keys wherever the focus is.
    pub async fn press(&self, keys: &str) {
        self.client.active_element().await.unwrap().send_keys(keys).await.unwrap();
    }

    pub async fn address(&self) -> String {
        self.client.current_url().await.unwrap().to_string()
    }

    pub async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }
}

impl Driver {
    /// What it answers, without waiting for the end of the connection, which it keeps open.
    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let Self { port, session, .. } = self;
        let mut stream = TcpStream::connect(("127.0.0.1", *port)).unwrap();
        let length = body.len();
        let sent = format!(
            "{method} /session/{session}{path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.set_read_timeout(Some(WAIT_TIMEOUT)).unwrap();
        let _ = stream.write_all(sent.as_bytes());
        let mut first = [0; 4096];
        let read = stream.read(&mut first).unwrap_or(0);
        String::from_utf8_lossy(first.get(..read).unwrap_or_default()).into_owned()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The driver ends the browser with its session; killed without, it would leave the browser.
        if !self.session.is_empty() {
            self.ask("DELETE", "", "");
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
