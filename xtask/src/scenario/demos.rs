//! The demo as a user runs it, whole and broken.

use std::process::{Command, Output};

use crate::error::{During, Failure};
use crate::scenario::outcome::Outcome;

/// Runs `cargo xtask demo` with these arguments.
pub(crate) fn demo(arguments: &[&str]) -> Result<Output, Failure> {
    Command::new(std::env::current_exe()?).arg("demo").args(arguments).output().during("the demo")
}

/// Runs it and expects every join to hold.
pub(crate) fn whole_demo(arguments: &[&str]) -> Result<String, Failure> {
    let output = demo(arguments)?;
    let story = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(story),
        false => Err(Failure::new(format!(
            "demo {} failed: {}\n{story}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        ))),
    }
}

pub(crate) fn with_1000_in_flight() -> Result<Outcome, Failure> {
    let document = whole_demo(&["--json", "--in-flight", "1000"])?;
    let document: serde_json::Value = serde_json::from_str(&document)?;
    let joins = document["joins"].as_array().map_or(0, Vec::len);
    match document["ok"] == true && joins > 40 {
        true => Ok(Outcome::Passed),
        false => Err(Failure::new(format!("only {joins} joins were checked"))),
    }
}

pub(crate) fn notices_a_lost_traceparent() -> Result<Outcome, Failure> {
    is_noticed("traceparent", "orders's server span continues gateway's client span")
}

pub(crate) fn notices_a_lost_request_id() -> Result<Outcome, Failure> {
    is_noticed("x-request-id", "every line has the one request id")
}

fn is_noticed(header: &str, join: &str) -> Result<Outcome, Failure> {
    let output = demo(&["--break", header, "--in-flight", "5"])?;
    let story = String::from_utf8_lossy(&output.stdout);
    let noticed = story.lines().any(|line| line.contains('✗') && line.contains(join));
    match (output.status.code(), noticed) {
        (Some(1), true) => Ok(Outcome::Passed),
        (code, _) => Err(Failure::new(format!(
            "without {header} the demo ended with {code:?} and did not say that {join:?} is broken:\n{story}"
        ))),
    }
}
