//! gRPC calls through the one layer of the facade: every pillar takes the code of the trailers.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, Request, Response, request};
use http_body_util::{BodyExt, Full};
use obs_all::Config;
use obs_all::context::{RequestId, Route};
use tower::{Service, ServiceExt, service_fn};

type Body = Full<bytes::Bytes>;

fn call(path: &str) -> Request<Body> {
    let request = Request::post(path).header("content-type", "application/grpc");
    request.body(Body::default()).unwrap()
}

fn route_of(request: &request::Parts) -> Option<Route> {
    Some(Route::intern(request.uri.path()))
}

#[tokio::test]
async fn grpc_code_is_reported_by_every_pillar() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let obs = Config::new("orders")
        .environment(|name| match name {
            "OBS_ADMIN_ADDR" => Some("off".into()),
            "OTEL_PROPAGATORS" => Some("b3".into()),
            _ => None,
        })
        .log_output(log.display().to_string())
        .access_log(true)
        .init()
        .unwrap();
    let service = service_fn(async |request: Request<Body>| {
        let code = match request.uri().path() {
            "/shop.Orders/Lose" => "15",
            "/shop.Orders/Panic" => std::panic::resume_unwind(Box::new("as a handler may")),
            _ => "5",
        };
        let trailers: HeaderMap =
            [("grpc-status".parse().unwrap(), code.parse().unwrap())].into_iter().collect();
        let body = Body::from("a message").with_trailers(async { Some(Ok(trailers)) });
        Ok::<_, Infallible>(Response::new(body))
    });
    let app = obs.observe((service, route_of));
    for path in ["/shop.Orders/Get", "/shop.Orders/Lose", "/shop.Orders/Panic"] {
        let response = app.clone().oneshot(call(path)).await.unwrap();
        assert_eq!(response.status(), 200);
        if path.ends_with("Panic") {
            assert_eq!(response.headers()["grpc-status"], "13");
        }
        drop(response.into_body().collect().await);
    }

    let metrics = obs.metrics().encode_text();
    for (method, status) in [("Get", 404), ("Lose", 500), ("Panic", 500)] {
        let counted = format!(
            r#"http_requests_total{{method="POST",path="/shop.Orders/{method}",status="{status}"}} 1"#
        );
        assert!(metrics.contains(&counted), "{counted} is not in {metrics}");
    }

    // What a client sends: the id, and the trace in the configured format.
    let sent = Arc::new(Mutex::new(HeaderMap::new()));
    let kept = Arc::clone(&sent);
    let mut channel = obs.grpc_client(service_fn(move |request: Request<Body>| {
        request.headers().clone_into(&mut kept.lock().unwrap());
        async { Ok::<_, Infallible>(Response::new(Body::default())) }
    }));
    let id = RequestId::accept(Some(b"abc-123"));
    let entered = id.enter();
    let calling = channel.call(call("http://stock/shop.Stock/Get"));
    drop(entered);
    drop(calling.await.unwrap());
    let headers = sent.lock().unwrap().clone();
    assert_eq!(headers["x-request-id"], "abc-123");
    assert!(headers.contains_key("b3") && !headers.contains_key("traceparent"), "{headers:?}");

    assert!(obs.flush(Duration::from_secs(60)));
    let lines = std::fs::read_to_string(&log).unwrap();
    for (code, level) in [(5, "info"), (15, "warn"), (13, "warn")] {
        let code = format!(r#""grpc_status":{code},"#);
        let line = lines.lines().find(|line| line.contains(&code)).unwrap_or(&lines);
        assert!(line.contains(&format!(r#""level":"{level}""#)), "{code} in {line}");
    }
}
