//! What the three probes answer: from what is known, without I/O.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header, request};

use crate::health::Health;
use crate::report;

impl Health {
    /// Answers `/healthz`, `/readyz` and `/startupz`; `None` for any other path.
    ///
    /// The probes can so be mounted on a listener of the application, too. GET and HEAD only; `?verbose`
    /// adds durations and times; `Accept: application/health+json` chooses that format.
    pub fn probe(&self, request: &request::Parts) -> Option<Response<Bytes>> {
        let (healthy, body) = match request.uri.path() {
            "/healthz" => report::liveness(self, is_health_json(request)),
            "/readyz" => report::readiness(self, is_verbose(request), is_health_json(request)),
            "/startupz" => report::startup(self),
            _ => return None,
        };
        Some(answer(request, healthy, body.to_string()))
    }
}

fn answer(request: &request::Parts, healthy: bool, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if request.method != Method::GET && request.method != Method::HEAD {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        return response;
    }
    let format =
        if is_health_json(request) { "application/health+json" } else { "application/json" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    if !healthy {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    if request.method == Method::GET {
        *response.body_mut() = body.into();
    }
    response
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
