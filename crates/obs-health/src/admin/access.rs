//! Who may ask for what.

use std::fmt;

use http::{HeaderMap, HeaderValue, StatusCode, header, request};
use subtle::ConstantTimeEq;

/// The rules of one admin server.
pub(crate) struct Access {
    loopback: bool,
    /// A browser reaches an address, never a socket's file.
    any_host: bool,
    token: Option<String>,
}

impl Access {
    pub(crate) fn new(loopback: bool, token: Option<String>) -> Self {
        Self { loopback, any_host: !loopback, token }
    }

    /// Of a Unix-domain socket, whose file lets in only this user.
    pub(crate) fn of_socket(token: Option<String>) -> Self {
        Self { loopback: true, any_host: true, token }
    }

    /// A page in a browser can make a loopback server answer by a name of its own that resolves to
    /// 127.0.0.1 (DNS rebinding): on loopback only loopback names are answered.
    pub(crate) fn allows_host(&self, request: &request::Parts) -> bool {
        if self.any_host {
            return true;
        }
        let named = request.headers.get(header::HOST).map(HeaderValue::as_bytes);
        let authority = request.uri.authority().map(|authority| authority.as_str().as_bytes());
        named.or(authority).is_none_or(is_loopback_name)
    }

    /// The refusal of a protected route, or `None` when the request may pass.
    pub(crate) fn refuses_protected(&self, headers: &HeaderMap) -> Option<StatusCode> {
        match &self.token {
            Some(token) if bearer(headers).is_some_and(|sent| is_same(sent, token)) => None,
            Some(_) => Some(StatusCode::UNAUTHORIZED),
            None if self.loopback => None,
            None => Some(StatusCode::NOT_FOUND),
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("loopback", &self.loopback).finish_non_exhaustive()
    }
}

fn is_loopback_name(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else { return false };
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let sent = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = sent.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

/// In constant time, so that the delay of an answer reveals nothing of the token but its length.
fn is_same(sent: &[u8], token: &str) -> bool {
    sent.ct_eq(token.as_bytes()).into()
}
