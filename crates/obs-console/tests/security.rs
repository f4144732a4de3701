//! Who may ask, and under which name.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

mod support;

use std::net::{Ipv4Addr, SocketAddr};

use obs_console::{Console, Token};
use support::{TOKEN, builder, raw};

fn ask(address: SocketAddr, target: &str, headers: &str) -> u16 {
    let head = format!("GET {target} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
    raw(address, head.as_bytes()).status
}

#[tokio::test(flavor = "multi_thread")]
async fn api_without_token_answers_401() {
    let running = builder().start().await.unwrap();
    let api = running.api();
    let host = "host: localhost\r\n";
    for (given, status) in [
        ("", 401),
        ("authorization: Bearer \r\n", 401),
        ("authorization: Bearer the-tokeN\r\n", 401),
        ("authorization: Bearer the-token-and-more\r\n", 401),
        ("authorization: Basic the-token\r\n", 401),
        ("authorization: the-token\r\n", 401),
        ("authorization: Bearer the-token\r\n", 200),
        ("authorization: bearer the-token\r\n", 200),
    ] {
        assert_eq!(ask(api, "/api/stats", &format!("{host}{given}")), status, "{given}");
    }
    assert_eq!(ask(api, "/api/stats?token=the-token", host), 200);
    assert_eq!(ask(api, "/api/stats?token=other", host), 401);
    assert_eq!(ask(api, "/api/nowhere", host), 401, "not even which paths there are");
    assert_eq!(ask(api, "/healthz", host), 200, "health is no secret");
    assert_eq!(ask(api, "/", host), 200, "the page has nothing secret in it");
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_host_or_origin_answers_403() {
    let running = builder().start().await.unwrap();
    let api = running.api();
    let port = api.port();
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    for (host, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        ("LOCALHOST".into(), 200),
        ("127.9.9.9".into(), 200),
        (format!("[::1]:{port}"), 200),
        ("evil.example".into(), 403),
        (format!("evil.example:{port}"), 403),
        ("localhost.evil.example".into(), 403),
        ("127.0.0.1.evil.example".into(), 403),
        ("user@localhost".into(), 200),
        ("localhost@evil.example".into(), 403),
        ("10.0.0.1".into(), 403),
        ("".into(), 403),
    ] {
        for path in ["/api/stats", "/healthz"] {
            assert_eq!(
                ask(api, path, &format!("host: {host}\r\n{token}")),
                status,
                "{host} {path}"
            );
        }
    }
    assert_eq!(ask(api, "/api/stats", &token), 400, "no host");
    let two = format!("host: localhost\r\nhost: evil.example\r\n{token}");
    assert_eq!(ask(api, "/api/stats", &two), 400, "two hosts");
    for (origin, status) in
        [("http://localhost:3000", 200), ("https://evil.example", 403), ("null", 403)]
    {
        let headers = format!("host: localhost\r\norigin: {origin}\r\n{token}");
        assert_eq!(ask(api, "/api/stats", &headers), status, "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn token_is_new_at_each_start_and_never_shown() {
    let free: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    let start = || Console::builder().otlp_grpc(free).otlp_http(free).api(free).start();
    let (one, other) = (start().await.unwrap(), start().await.unwrap());
    let text = one.token().reveal().unwrap();
    assert_eq!(text.len(), 32);
    assert_ne!(one.token(), other.token());
    assert!(!format!("{one:?}").contains(text));
    let host = "host: localhost\r\n";
    assert_eq!(ask(one.api(), "/api/stats", host), 401);
    assert_eq!(ask(one.api(), &format!("/api/stats?token={text}"), host), 200);
    for bad in ["", "with space", "line\nbreak", "ü", &"x".repeat(257)] {
        assert!(Token::new(bad).is_err(), "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn api_without_token_is_limited_to_loopback() {
    let running = builder().token(Token::NONE).start().await.unwrap();
    assert_eq!(ask(running.api(), "/api/stats", "host: localhost\r\n"), 200);
    assert_eq!(running.token().reveal(), None);
    let open: SocketAddr = (Ipv4Addr::UNSPECIFIED, 0).into();
    let refused = builder().token(Token::NONE).api(open).start().await.unwrap_err();
    assert!(refused.to_string().contains("keep the token"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn address_in_use_is_error_with_remedy() {
    let running = builder().start().await.unwrap();
    for (refused, option) in [
        (builder().otlp_grpc(running.otlp_grpc()).start().await, "--otlp-grpc"),
        (builder().otlp_http(running.otlp_http()).start().await, "--otlp-http"),
        (builder().api(running.api()).start().await, "--api"),
    ] {
        let error = refused.unwrap_err();
        assert!(error.is_address_in_use());
        assert!(error.to_string().contains(option), "{error}");
        assert!(error.to_string().contains("is in use"), "{error}");
    }
    let (api, grpc) = (running.api(), running.otlp_grpc());
    running.shutdown().await;
    let again = builder().api(api).otlp_grpc(grpc).start().await;
    assert_eq!(again.unwrap().api(), api, "the addresses are free after the shutdown");
}
