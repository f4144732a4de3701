//! What the console tells: JSON, for the demo, the tests and the page.

mod guard;
mod query;
mod token;

pub use token::Token;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use obs_context::{RequestId, TraceId};
use serde::Serialize;
use serde_json::json;

use crate::document::Filter;
use crate::receive::{Lines, parse_lines, read_body};
use crate::scrape::Scraper;
use crate::store::Store;

/// A service's name in a path is no longer than this.
const LONGEST_SERVICE: usize = 128;

#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) store: Arc<Store>,
    pub(crate) scraper: Scraper,
    pub(crate) token: Token,
}

/// A refusal: its status and a sentence with the cause and the remedy.
struct Refusal(StatusCode, String);

impl Refusal {
    fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self(status, reason.into())
    }
}

type Answer = Result<Response<Full<Bytes>>, Refusal>;

impl Api {
    pub(crate) async fn answer(
        self,
        request: Request<Incoming>,
        local: SocketAddr,
    ) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        match self.route(&head, body, local).await {
            Ok(response) => response,
            Err(Refusal(status, reason)) => {
                let mut response = json_response(status, &json!({ "error": reason }));
                if status == StatusCode::UNAUTHORIZED {
                    let scheme = HeaderValue::from_static("Bearer");
                    response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
                }
                response
            }
        }
    }

    async fn route(&self, head: &Parts, body: Incoming, local: SocketAddr) -> Answer {
        guard::check_origin(&head.headers, local)?;
        if head.uri.path() == "/healthz" {
            return only(head, Method::GET, || Ok(ok(&json!({ "status": "ok" }))));
        }
        let Some(path) = head.uri.path().strip_prefix("/api/") else {
            return Err(Refusal::new(StatusCode::NOT_FOUND, "nothing is here: see /api/requests"));
        };
        guard::check_token(head, &self.token)?;
        match path.split_once('/') {
            None if path == "requests" => only(head, Method::GET, || self.list(head)),
            None if path == "stats" => only(head, Method::GET, || Ok(ok(&self.store.stats()))),
            None if path == "scrape" => {
                only(head, Method::POST, || Ok(()))?;
                Ok(ok(&json!({ "services": self.scraper.look().await })))
            }
            Some(("requests", id)) => only(head, Method::GET, || self.request(id)),
            Some(("logs", service)) => {
                only(head, Method::POST, || Ok(()))?;
                self.take_logs(service, head, body).await
            }
            _ => Err(Refusal::new(
                StatusCode::NOT_FOUND,
                "nothing is here: the API has requests, requests/{id}, logs/{service}, scrape and stats",
            )),
        }
    }

    fn list(&self, head: &Parts) -> Answer {
        let mut filter = Filter::default();
        for (name, value) in query::pairs(head.uri.query()) {
            let known = filter
                .set(&name, &value)
                .map_err(|bad| Refusal::new(StatusCode::BAD_REQUEST, bad.to_string()))?;
            if !known && name != "token" {
                let reason = "a filter is unknown: there are route, status, min_ms and limit";
                return Err(Refusal::new(StatusCode::BAD_REQUEST, reason));
            }
        }
        Ok(ok(&self.store.requests(&filter)))
    }

    /// By trace id, else by request id.
    fn request(&self, id: &str) -> Answer {
        let id = query::decode(id);
        let unknown = || Refusal::new(StatusCode::NOT_FOUND, "no request with this id is known");
        if RequestId::parse(id.as_bytes()).is_none() {
            let reason =
                "not an id: give a trace id (32 lower-case hexadecimal digits) or a request id";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, reason));
        }
        let by_trace = TraceId::from_hex(id.as_bytes()).filter(|id| id.is_valid());
        if let Some(document) = by_trace.and_then(|id| self.store.request(id)) {
            return Ok(ok(&document));
        }
        let trace_id = self.store.trace_of(&id).ok_or_else(unknown)?;
        Ok(ok(&self.store.request(trace_id).ok_or_else(unknown)?))
    }

    async fn take_logs(&self, service: &str, head: &Parts, body: Incoming) -> Answer {
        let service = query::decode(service);
        if service.is_empty() || service.len() > LONGEST_SERVICE || service.contains('/') {
            let reason = "the service's name is not usable: give 1 to 128 bytes without /";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, reason));
        }
        let body = read_body(&head.headers, body).await.map_err(|error| {
            self.store.count_bad_request();
            Refusal::new(error.status(), error.reason())
        })?;
        let Lines { lines, text } = parse_lines(&service, &body);
        self.store.count_text_lines(text);
        let taken = self.store.add_logs(lines);
        Ok(ok(&json!({ "accepted": taken.accepted, "rejected": taken.rejected, "text": text })))
    }
}

/// What `answer` says, where the method is the one of the path; a HEAD is a GET without its body.
fn only<T>(
    head: &Parts,
    method: Method,
    answer: impl FnOnce() -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    if head.method == method || (method == Method::GET && head.method == Method::HEAD) {
        answer()
    } else {
        let reason = format!("this path takes {method} only");
        Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, reason))
    }
}

fn ok(value: &impl Serialize) -> Response<Full<Bytes>> {
    json_response(StatusCode::OK, value)
}

fn json_response(status: StatusCode, value: &impl Serialize) -> Response<Full<Bytes>> {
    let (status, body) = match serde_json::to_vec(value) {
        Ok(body) => (status, body),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, Vec::new()),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    }
    response
}
