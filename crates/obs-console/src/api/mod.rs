//! What the console tells: JSON, for the demo, the tests and the page.

mod guard;
mod query;
mod token;

pub use token::Token;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use obs_context::{RequestId, TraceId};
use serde::Serialize;
use serde_json::json;

use crate::document::Filter;
use crate::receive::{Lines, decoding, parse_lines, read_body};
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

/// A refusal: its status, a sentence with the cause and the remedy, and the header that goes with it.
struct Refusal {
    status: StatusCode,
    reason: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), header: None }
    }

    fn with(self, name: HeaderName, value: &'static str) -> Self {
        Self { header: Some((name, HeaderValue::from_static(value))), ..self }
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
            Err(Refusal { status, reason, header }) => {
                let mut response = json_response(status, &json!({ "error": reason }));
                response.headers_mut().extend(header);
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
            None if path == "errors" => only(head, Method::GET, || self.errors(head)),
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
                "nothing is here: the API has requests, requests/{id}, errors, logs/{service}, scrape and stats",
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

    fn errors(&self, head: &Parts) -> Answer {
        let mut filter = Filter::default();
        for (name, value) in query::pairs(head.uri.query()) {
            let known = match &*name {
                "limit" => filter.set(&name, &value),
                name => Ok(name == "token"),
            };
            if !known.map_err(|bad| Refusal::new(StatusCode::BAD_REQUEST, bad.to_string()))? {
                let reason = "a filter is unknown: there is limit";
                return Err(Refusal::new(StatusCode::BAD_REQUEST, reason));
            }
        }
        Ok(ok(&self.store.errors(filter.limit)))
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
        let _turn = decoding().await;
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
        let allowed = if method == Method::GET { "GET, HEAD" } else { "POST" };
        let reason = format!("this path takes {allowed} only");
        Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, reason).with(ALLOW, allowed))
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
    response
}
