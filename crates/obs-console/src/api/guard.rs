//! Access control: the request must use a loopback name and the token.

use std::net::SocketAddr;

use http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};

use super::answer::Rejection;
use super::query;
use super::token::Token;
use crate::loopback::{names_loopback, one_value};

/// Refuses what a foreign web page could make a browser send: a request under a name of its own that
/// it points at us (DNS rebinding), or one across origins.
pub(super) fn check_origin(headers: &HeaderMap, local: SocketAddr) -> Result<(), Rejection> {
    if !is_local(headers, HOST, local)? {
        let reason = "the Host header names another machine: use 127.0.0.1 or localhost";
        return Err(Rejection::new(StatusCode::FORBIDDEN, reason));
    }
    if headers.contains_key(ORIGIN) && !is_local(headers, ORIGIN, local)? {
        let reason = "a page of another origin may not ask: open the console's own page";
        return Err(Rejection::new(StatusCode::FORBIDDEN, reason));
    }
    Ok(())
}

pub(super) fn check_token(head: &Parts, token: &Token) -> Result<(), Rejection> {
    let in_header = head.headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
    });
    let in_query = query::pairs(head.uri.query()).find(|(name, _)| name == "token");
    let given = in_header.or(in_query.as_ref().map(|(_, value)| value.as_bytes()));
    if token.accepts(given) {
        return Ok(());
    }
    let reason = "the token is missing or wrong: send the one printed at the start, as Authorization: Bearer";
    Err(Rejection::new(StatusCode::UNAUTHORIZED, reason).with_header(WWW_AUTHENTICATE, "Bearer"))
}

/// Whether this header's host is a loopback one, or the address that the connection came in by.
fn is_local(headers: &HeaderMap, name: HeaderName, local: SocketAddr) -> Result<bool, Rejection> {
    let Some(value) = one_value(headers, &name) else {
        let reason = format!("the {name} header is missing or there are several: send one");
        return Err(Rejection::new(StatusCode::BAD_REQUEST, reason));
    };
    let text = value.to_str().unwrap_or_default();
    Ok(names_loopback(text.strip_prefix("http://").unwrap_or(text), local))
}
