//! A flame graph of a service under load, opened in a browser.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::demo::profile::{again_until, is_drawn, not_permitted, obs_profile};
use crate::error::{During, Failure};
use crate::scenario::lone::Lone;
use crate::scenario::outcome::Outcome;
use crate::system::installed;

pub(crate) fn graph_in_a_browser() -> Result<Outcome, Failure> {
    let Some(chromium) = installed("chromium") else {
        return Ok(Outcome::Skipped("chromium is not installed".to_owned()));
    };
    let folder = tempfile::tempdir()?;
    let svg = folder.path().join("flame.svg");
    let lone = Lone::start(&[])?;
    let pid = lone.service.pid().to_string();
    let is_over = AtomicBool::new(false);
    let recorded = std::thread::scope(|threads| {
        threads.spawn(|| {
            let mut is_served = true;
            while is_served && !is_over.load(Ordering::Relaxed) {
                is_served = lone.charge("profiled").is_ok();
            }
        });
        let file = svg.to_string_lossy();
        let arguments = ["record", "-d", "1", "-r", "499", "-o", &file, "--pid", &pid];
        let recorded = again_until(|_| is_drawn(&svg), || obs_profile(&arguments));
        is_over.store(true, Ordering::Relaxed);
        recorded
    })?;
    if let Some(why) = not_permitted(&recorded) {
        return Ok(Outcome::Skipped(why));
    }
    let output = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .arg("--dump-dom")
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("file://{}", svg.display()))
        .output()
        .during("chromium")?;
    let page = String::from_utf8_lossy(&output.stdout);
    // Its script has run when functions that are narrow have lost their text.
    match page.contains("<svg") && page.contains("tokio::runtime") && page.contains("samples") {
        true => Ok(Outcome::Passed),
        false => Err(Failure::new(format!(
            "chromium does not show the flame graph: {} {}",
            page.chars().take(500).collect::<String>(),
            String::from_utf8_lossy(&output.stderr)
        ))),
    }
}
