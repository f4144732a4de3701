//! Responses in JSON, and rejections with their cause.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use serde::Serialize;

use super::query;
use crate::document::BadFilter;

pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A rejected request: status, a sentence with cause and remedy, and an optional header.
pub(super) struct Rejection {
    pub(super) status: StatusCode,
    pub(super) reason: String,
    pub(super) header: Option<(HeaderName, HeaderValue)>,
}

impl Rejection {
    pub(super) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), header: None }
    }

    pub(super) fn bad_request(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason)
    }

    pub(super) fn with_header(self, name: HeaderName, value: &'static str) -> Self {
        Self { header: Some((name, HeaderValue::from_static(value))), ..self }
    }
}

pub(super) type Answer = Result<Response<Body>, Rejection>;

/// Runs `answer` if the request has this method. HEAD counts as GET.
pub(super) fn require_method<T>(
    head: &Parts,
    method: Method,
    answer: impl FnOnce() -> Result<T, Rejection>,
) -> Result<T, Rejection> {
    if head.method == method || (method == Method::GET && head.method == Method::HEAD) {
        answer()
    } else {
        let allowed = if method == Method::GET { "GET, HEAD" } else { "POST" };
        let reason = format!("this path takes {allowed} only");
        Err(Rejection::new(StatusCode::METHOD_NOT_ALLOWED, reason).with_header(ALLOW, allowed))
    }
}

/// Calls `set` with every pair of the query except the token; `known` lists the valid names.
pub(super) fn parse_filters(
    head: &Parts,
    known: &str,
    mut set: impl FnMut(&str, &str) -> Result<bool, BadFilter>,
) -> Result<(), Rejection> {
    for (name, value) in query::pairs(head.uri.query()) {
        let is_known = set(&name, &value).map_err(|bad| Rejection::bad_request(bad.to_string()))?;
        if !is_known && name != "token" {
            return Err(Rejection::bad_request(format!("a filter is unknown: there are {known}")));
        }
    }
    Ok(())
}

pub(super) fn ok(value: &impl Serialize) -> Response<Body> {
    json_response(StatusCode::OK, value)
}

pub(super) fn json_response(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let (status, body) = match serde_json::to_vec(value) {
        Ok(body) => (status, body),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, Vec::new()),
    };
    respond(status, "application/json", body)
}

pub(super) fn respond(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(Full::from(body.into()).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
