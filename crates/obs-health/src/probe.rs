//! What the three probes answer: from what is known, without I/O.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header, request};

use serde_json::Value;

use crate::health::Health;
use crate::report;

impl Health {
    /// Answers `/healthz`, `/readyz` and `/startupz` at once from what is known; `None` for any other
    /// path.
    ///
    /// GET and HEAD only; `?verbose` adds durations and times; `?group=name` asks for the checks of one
    /// group, and is 404 when there is none; `Accept: application/health+json` chooses that format.
    pub fn probe(&self, request: &request::Parts) -> Option<Response<Bytes>> {
        let health_json = is_health_json(request);
        let (healthy, body) = match request.uri.path() {
            "/healthz" => rendered(report::liveness(self, health_json)),
            "/readyz" if !health_json && request.uri.query().is_none() => self.plain_readiness(),
            "/readyz" => match self.entries_of(group(request)) {
                Some(entries) => {
                    let snapshot = self.snapshot(entries);
                    let body = snapshot.readiness(is_verbose(request), health_json);
                    rendered((snapshot.is_ready(), body))
                }
                None => return Some(no_such_group()),
            },
            "/startupz" => rendered(report::startup(self)),
            _ => return None,
        };
        Some(answer(request, health_json, healthy, body))
    }

    /// As [`Health::probe`], with the on-demand checks that `/readyz` needs brought up to date first:
    /// waits as long as their timeouts. Needs a tokio runtime with its timer, of any kind.
    pub async fn answer(&self, request: &request::Parts) -> Option<Response<Bytes>> {
        let asks = request.method == Method::GET || request.method == Method::HEAD;
        if asks && request.uri.path() == "/readyz" {
            self.refresh(group(request)).await;
        }
        self.probe(request)
    }
}

fn rendered((healthy, body): (bool, Value)) -> (bool, Bytes) {
    (healthy, body.to_string().into())
}

fn answer(
    request: &request::Parts,
    health_json: bool,
    healthy: bool,
    body: Bytes,
) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if request.method != Method::GET && request.method != Method::HEAD {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        return response;
    }
    let format = if health_json { "application/health+json" } else { "application/json" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format));
    if request.method == Method::GET {
        *response.body_mut() = body;
    } else {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    if !healthy {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

fn no_such_group() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(br#"{"error":"no such group"}"#));
    *response.status_mut() = StatusCode::NOT_FOUND;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn group(request: &request::Parts) -> Option<&str> {
    request.uri.query()?.split('&').find_map(|pair| pair.strip_prefix("group="))
}

fn is_verbose(request: &request::Parts) -> bool {
    request.uri.query().is_some_and(|query| {
        query.split('&').any(|pair| pair == "verbose" || pair.starts_with("verbose="))
    })
}

fn is_health_json(request: &request::Parts) -> bool {
    let accepts = request.headers.get_all(header::ACCEPT);
    accepts.iter().any(|accept| accept.as_bytes().windows(11).any(|part| part == b"health+json"))
}
