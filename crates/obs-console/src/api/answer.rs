//! Answers: JSON, and refusals with their cause.

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

/// A refusal: its status, a sentence with the cause and the remedy, and the header that goes with it.
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) reason: String,
    pub(super) header: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), header: None }
    }

    pub(super) fn bad(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason)
    }

    pub(super) fn with(self, name: HeaderName, value: &'static str) -> Self {
        Self { header: Some((name, HeaderValue::from_static(value))), ..self }
    }
}

pub(super) type Answer = Result<Response<Body>, Refusal>;

/// What `answer` says, where the method is the one of the path; a HEAD is a GET without its body.
pub(super) fn only<T>(
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

/// Gives `set` every pair of the query but the token; `known` names what there is.
pub(super) fn filters(
    head: &Parts,
    known: &str,
    mut set: impl FnMut(&str, &str) -> Result<bool, BadFilter>,
) -> Result<(), Refusal> {
    for (name, value) in query::pairs(head.uri.query()) {
        let is_known = set(&name, &value).map_err(|bad| Refusal::bad(bad.to_string()))?;
        if !is_known && name != "token" {
            return Err(Refusal::bad(format!("a filter is unknown: there are {known}")));
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
