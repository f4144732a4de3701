//! `/debug/log-level`: the log's filter, changed at run time.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use obs_logging::Logging;
use serde_json::{Value, json};

use super::answer;

/// `GET` tells the filter in force; `PUT {"filter": "db=debug", "for": "10m"}` changes it, and without
/// `for` until the next change.
pub(super) fn answer(logging: &Logging, request: &Request<Bytes>) -> Response<Bytes> {
    match *request.method() {
        Method::GET => {}
        Method::PUT => {
            if let Err(problem) = change_filter(logging, request.body()) {
                return answer::json(StatusCode::BAD_REQUEST, &json!({"error": problem}));
            }
        }
        _ => return answer::get_and_put_only(),
    }
    answer::json(StatusCode::OK, &json!({"filter": logging.filter()}))
}

fn change_filter(logging: &Logging, body: &[u8]) -> Result<(), String> {
    const FORM: &str = r#"send {"filter": "info,db=debug", "for": "10m"}"#;
    let body: Value = serde_json::from_slice(body).map_err(|error| format!("{error}: {FORM}"))?;
    let filter = body["filter"].as_str().ok_or(FORM)?;
    let changed = match &body["for"] {
        Value::Null => logging.set_filter(filter),
        Value::String(text) => logging.set_filter_for(filter, duration(text)?),
        _ => return Err(FORM.into()),
    };
    changed.map_err(|error| error.to_string())?;
    ::tracing::info!(filter, r#for = body["for"].as_str(), "log filter changed");
    Ok(())
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("\"for\": {error}"))
}
