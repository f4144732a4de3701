//! `cargo xtask screenshot`: the README's picture of the console, made of the demo by a headless Chromium.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::demo;
use crate::error::{During, Failure};
use crate::system::{Http, free_addr, until, workspace};

const FILE: &str = "docs/images/console.png";

/// Shows one request of the demo on the page, and writes what is seen.
pub(crate) fn run() -> Result<(), Failure> {
    let file = workspace().join(FILE);
    demo::with_page(|page, request| {
        let browser = Browser::start()?;
        browser.visit(&format!("{page}&/requests?open={request}&lane=logs"))?;
        let whole = "return document.querySelectorAll('.span.row').length >= 8
            && document.querySelectorAll('#lane .row').length >= 3
            && document.querySelectorAll('.row.requests').length >= 20";
        until("the page shows the request", Duration::from_secs(60), || {
            browser.run(whole).ok().filter(|seen| *seen == json!(true))
        })?;
        std::fs::create_dir_all(file.with_file_name(""))?;
        std::fs::write(&file, browser.screenshot()?).during(format!("{FILE} cannot be written"))?;
        println!("{FILE}");
        Ok(())
    })
}

/// Debian's Chromium behind its driver; ended with this value.
struct Browser {
    driver: Child,
    http: Http,
    session: String,
}

impl Browser {
    fn start() -> Result<Self, Failure> {
        let addr = free_addr();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={}", addr.port()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .during("chromedriver cannot be started: apt install chromium chromium-driver")?;
        let mut browser = Self { driver, http: Http::new(), session: format!("http://{addr}") };
        let arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"];
        let options = json!({ "goog:chromeOptions": { "args": arguments } });
        let wanted = json!({ "capabilities": { "alwaysMatch": options } });
        let session = until("chromium starts", Duration::from_secs(60), || {
            browser.ask("/session", &wanted).ok()?["sessionId"].as_str().map(str::to_owned)
        })?;
        browser.session = format!("{}/session/{session}", browser.session);
        let size = json!({ "width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        let command = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": size });
        browser.ask("/goog/cdp/execute", &command)?;
        Ok(browser)
    }

    fn ask(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.session);
        let json = [("content-type", "application/json")];
        let answer = self.http.send("POST", &url, &json, &body.to_string())?;
        match answer.status {
            200 => Ok(answer.json()["value"].take()),
            status => Err(Failure::new(format!("chromedriver answered {status}: {}", answer.body))),
        }
    }

    fn visit(&self, url: &str) -> Result<(), Failure> {
        self.ask("/url", &json!({ "url": url })).map(drop)
    }

    fn run(&self, script: &str) -> Result<Value, Failure> {
        self.ask("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    fn screenshot(&self) -> Result<Vec<u8>, Failure> {
        let answer = self.http.get(&format!("{}/screenshot", self.session))?;
        let text = answer.json()["value"].take();
        STANDARD.decode(text.as_str().unwrap_or_default()).during("the screenshot cannot be read")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser with its session.
        let _ = self.http.send("DELETE", &self.session, &[], "");
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
