//! Key-values of `log` records. A process has one logger: everything is in one test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]
#![cfg(feature = "kv")]

mod common;

use common::kept;
use obs_logging::Builder;
use serde_json::json;

#[test]
fn key_values_of_log_records_are_line_fields() {
    obs_logging::bridge::install().unwrap();
    let (dispatch, kept, _logging) = kept(Builder::new().redact(["password"]));
    let nested = json!({"a": [1, {"b": null}], "c": "\u{1b}\""});
    tracing::dispatcher::with_default(&dispatch, || {
        log::info!(user_id = 42, share = 0.5, ok = true, name = "Zoë"; "first");
        log::warn!(nested:serde = nested, level = "mine", password = "p"; "second");
        log::error!(peer:% = std::net::Ipv4Addr::LOCALHOST, debug:? = Some(1); "third");
        log::info!("without");
    });
    let lines = kept.lines();
    let first = &lines[0];
    assert_eq!((&first["user_id"], &first["share"]), (&json!(42), &json!(0.5)));
    assert_eq!((&first["ok"], &first["name"]), (&json!(true), &json!("Zoë")));
    assert_eq!(lines[1]["nested"], nested);
    assert_eq!((&lines[1]["level"], &lines[1]["level_"]), (&json!("warn"), &json!("mine")));
    assert_eq!(lines[1]["password"], "[redacted]");
    assert_eq!((&lines[2]["peer"], &lines[2]["debug"]), (&json!("127.0.0.1"), &json!("Some(1)")));
    assert!(lines[3]["user_id"].is_null());
}
