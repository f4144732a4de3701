//! What the pillars show on the admin server.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use obs_health::Health;
use obs_health::admin::{AdminServer, Builder};
use obs_logging::Logging;
use obs_metrics::{Endpoint, Registry};
use serde_json::{Value, json};

use crate::config::Admin;
use crate::{Error, Explanation};

pub(crate) fn start(
    admin: &Admin,
    explanation: &Explanation,
    registry: Registry,
    health: Health,
    logging: Arc<Logging>,
) -> Result<Option<AdminServer>, Error> {
    let Some(addr) = admin.addr else { return Ok(None) };
    let metrics = Endpoint::new(registry);
    let (cardinality, lint) = (metrics.clone(), metrics.clone());
    let explanation = Bytes::from(explanation.to_string());
    let mut builder = Builder::new(health)
        .addr(addr)
        .open("/metrics", move |request| {
            let response = metrics.respond(&request.into_parts().0);
            async { response }
        })
        .protected("/debug/cardinality", move |request| {
            let response = cardinality.cardinality(&request.into_parts().0);
            async { response }
        })
        .protected("/debug/metrics/lint", move |request| {
            let response = lint.lint(&request.into_parts().0);
            async { response }
        })
        .protected("/debug/config", move |_| {
            let response = plain(explanation.clone());
            async { response }
        })
        .protected("/debug/log-level", move |request| {
            let response = log_level(&logging, &request);
            async { response }
        });
    if let Some(token) = &admin.token {
        builder = builder.token(token);
    }
    builder.start().map(Some).map_err(Error::part("admin server"))
}

/// `GET` tells the filter in force; `PUT {"filter": "db=debug", "for": "10m"}` changes it, and without
/// `for` until the next change.
fn log_level(logging: &Logging, request: &Request<Bytes>) -> Response<Bytes> {
    match *request.method() {
        Method::GET => {}
        Method::PUT => {
            if let Err(problem) = change_filter(logging, request.body()) {
                return json_response(StatusCode::BAD_REQUEST, &json!({"error": problem}));
            }
        }
        _ => {
            let mut response = json_response(
                StatusCode::METHOD_NOT_ALLOWED,
                &json!({"error": "GET tells the filter, PUT changes it"}),
            );
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, PUT"));
            return response;
        }
    }
    json_response(StatusCode::OK, &json!({"filter": logging.filter()}))
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

fn json_response(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn plain(body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
