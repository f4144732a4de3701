//! Whether a name in a header is this machine's own.

use std::net::{IpAddr, SocketAddr};

use http::header::HeaderName;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue};

/// The header's value, where there is exactly one.
pub(crate) fn one_value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

/// Whether this host, with a port or without, is a loopback one or the address that the connection came
/// in by.
pub(crate) fn names_loopback(host: &str, local: SocketAddr) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let host = authority.host();
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let address: Result<IpAddr, _> = host.trim_start_matches('[').trim_end_matches(']').parse();
    address.is_ok_and(|address| address.is_loopback() || address == local.ip())
}
