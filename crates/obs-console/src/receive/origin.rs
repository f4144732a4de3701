//! Access control of the receivers: the request must use a loopback name, a page must be of this machine.

use std::net::SocketAddr;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};

use crate::loopback::{names_loopback, one_value};

/// A sender that is allowed, with the origin of its page where it is a browser.
#[derive(Debug)]
pub(super) struct Caller {
    origin: Option<HeaderValue>,
}

impl Caller {
    /// Refuses what a foreign web page could make a browser send: a request under a name that it points
    /// at us (DNS rebinding), or one across origins.
    pub(super) fn check(head: &Parts, local: SocketAddr) -> Result<Self, &'static str> {
        // HTTP/2 has the host in the request's target.
        let host = match head.uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => one_value(&head.headers, &HOST).and_then(|value| value.to_str().ok()),
        };
        if !host.is_some_and(|host| names_loopback(host, local)) {
            return Err("the Host header names another machine: send to 127.0.0.1 or localhost");
        }
        if !head.headers.contains_key(ORIGIN) {
            return Ok(Self { origin: None });
        }
        let origin = one_value(&head.headers, &ORIGIN);
        let text = origin.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let origin_host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        match origin_host {
            Some(host) if names_loopback(host, local) => Ok(Self { origin: origin.cloned() }),
            _ => Err("a page of another origin may not send here: open it from localhost"),
        }
    }

    /// Whether a browser asks what its page may send (Fetch, "CORS-preflight request").
    pub(super) fn is_preflight(&self, head: &Parts) -> bool {
        self.origin.is_some()
            && head.method == Method::OPTIONS
            && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// Lets the page read the answer, and send what the protocols need.
    pub(super) fn add_cors_headers(self, headers: &mut HeaderMap) {
        let Some(origin) = self.origin else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
        headers.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static(
                "content-type, content-encoding, traceparent, tracestate, baggage, sentry-trace, x-sentry-auth",
            ),
        );
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        headers.insert(VARY, HeaderValue::from_static("origin"));
    }
}
