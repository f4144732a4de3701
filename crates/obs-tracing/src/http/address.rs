//! Peer, client and server address as attributes.

use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, HOST, HeaderMap};
use http::uri::Authority;
use http::{Extensions, Version, request};
use obs_http::PeerAddr;

use crate::record::{Limits, Record};

/// `network.protocol.version`.
pub(super) fn protocol_version(version: Version, record: &mut Record, limits: &Limits) {
    let version = match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_11 => "1.1",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => return,
    };
    record.put_static("network.protocol.version", version, limits);
}

/// `network.peer.address` and `.port`, where the server or the client provides it.
pub(super) fn peer(extensions: &Extensions, record: &mut Record, limits: &Limits) {
    if let Some(peer) = peer_of(extensions) {
        record.put_address("network.peer.address", peer.ip(), limits);
        record.set("network.peer.port", peer.port().into(), limits);
    }
}

/// `client.address`: the peer or, behind so many proxies that are trusted, whom they served.
pub(super) fn client(
    request: &request::Parts,
    trusted_proxies: u8,
    record: &mut Record,
    limits: &Limits,
) {
    let forwarded = match trusted_proxies {
        0 => None,
        proxies => forwarded_for(&request.headers, usize::from(proxies)),
    };
    let peer = || peer_of(&request.extensions).map(|peer| peer.ip());
    if let Some(client) = forwarded.or_else(peer) {
        record.put_address("client.address", client, limits);
    }
}

/// `server.address` and `.port`, of the request's target or its `Host` header.
pub(super) fn server(request: &request::Parts, record: &mut Record, limits: &Limits) {
    let of_header = || request.headers.get(HOST)?.to_str().ok();
    let Some(host) = request.uri.authority().map(Authority::as_str).or_else(of_header) else {
        return;
    };
    let Some((address, port)) = split_host_port(host) else { return };
    record.set("server.address", address.into(), limits);
    if let Some(port) = port {
        record.set("server.port", port.into(), limits);
    }
}

/// An IPv4 peer of a listener for both is one of IPv4.
fn peer_of(extensions: &Extensions) -> Option<SocketAddr> {
    let peer = PeerAddr::of(extensions)?.0;
    Some(SocketAddr::new(peer.ip().to_canonical(), peer.port()))
}

/// A host's name or address, without the brackets of IPv6, and its port.
fn split_host_port(host: &str) -> Option<(&str, Option<u16>)> {
    let (address, rest) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some("") => None,
        Some(port) => Some(port.parse().ok()?),
        None if rest.is_empty() => None,
        None => return None,
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:%".contains(&byte);
    (!address.is_empty() && address.bytes().all(allowed)).then_some((address, port))
}

/// The client's address behind this many proxies, each of which appends its client: counted from the right,
/// since a client may send anything on the left.
fn forwarded_for(headers: &HeaderMap, proxies: usize) -> Option<IpAddr> {
    let standard = headers.contains_key(FORWARDED);
    let name = if standard { "forwarded" } else { "x-forwarded-for" };
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    let mut hops: Vec<_> = lines.flat_map(|line| line.split(',')).collect();
    hops.drain(..hops.len().saturating_sub(proxies));
    let hop = hops.first()?.trim();
    let node = match standard {
        true => hop.split(';').find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            name.eq_ignore_ascii_case("for").then_some(value.trim_matches('"'))
        })?,
        false => hop,
    };
    let alone = node.parse().ok();
    alone.or_else(|| node.parse::<SocketAddr>().ok().map(|address| address.ip())).or_else(|| {
        node.strip_prefix('[')?.strip_suffix(']')?.parse().ok() // as RFC 7239 writes IPv6
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_split() {
        for (host, wanted) in [
            ("tea.example", Some(("tea.example", None))),
            ("tea.example:8080", Some(("tea.example", Some(8080)))),
            ("tea.example:", Some(("tea.example", None))),
            ("[::1]:80", Some(("::1", Some(80)))),
            ("[::1]", Some(("::1", None))),
            ("127.0.0.1", Some(("127.0.0.1", None))),
            ("", None),
            (":80", None),
            ("[::1", None),
            ("[::1]x", None),
            ("tea.example:http", None),
            ("tea.example:99999", None),
            ("user@tea.example", None),
            ("tea example", None),
        ] {
            assert_eq!(split_host_port(host), wanted, "{host}");
        }
    }

    #[test]
    fn client_address_is_read_behind_proxies() {
        let address = |name: &'static str, lines: &[&str], proxies| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(name, line.parse().unwrap());
            }
            forwarded_for(&headers, proxies).map(|client| client.to_string())
        };
        let spoofed = "6.6.6.6, 192.0.2.7";
        for (name, lines, proxies, wanted) in [
            ("x-forwarded-for", &[spoofed][..], 1, Some("192.0.2.7")),
            ("x-forwarded-for", &[spoofed], 2, Some("6.6.6.6")),
            ("x-forwarded-for", &[spoofed], 3, Some("6.6.6.6")),
            ("x-forwarded-for", &["6.6.6.6", "192.0.2.7:4711"], 1, Some("192.0.2.7")),
            ("x-forwarded-for", &["2001:db8::7"], 1, Some("2001:db8::7")),
            ("x-forwarded-for", &["unknown"], 1, None),
            ("x-forwarded-for", &[""], 1, None),
            ("x-forwarded-for", &[], 1, None),
            (
                "forwarded",
                &["for=6.6.6.6, For=\"[2001:db8::7]:4711\";proto=https"],
                1,
                Some("2001:db8::7"),
            ),
            ("forwarded", &["proto=https;for=\"[2001:db8::7]\""], 1, Some("2001:db8::7")),
            ("forwarded", &["for=_hidden"], 1, None),
            ("forwarded", &["proto=https"], 1, None),
        ] {
            assert_eq!(address(name, lines, proxies).as_deref(), wanted, "{lines:?} {proxies}");
        }
    }
}
