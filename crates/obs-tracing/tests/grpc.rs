//! gRPC calls through tonic, and HTTP calls through hyper-util's client.

#![cfg(all(feature = "http", feature = "otlp"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::collector::{Answer, Collector};
use common::{attribute, flush, pipeline};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use obs_tracing::http::{GrpcClientSpan, client_layer, grpc_server_layer};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::TraceServiceServer;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tonic::transport::Endpoint;
use tonic::transport::server::TcpIncoming;
use tower::{ServiceBuilder, ServiceExt};
use tracing::subscriber::with_default;
use tracing_subscriber::prelude::*;

/// One call of a server that answers so; the spans of both ends, the client's first.
fn call(answer: Answer) -> (Span, Span) {
    let hangs = matches!(answer, Answer::Hang);
    let (layer, traces, exported) = pipeline();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    with_default(tracing_subscriber::registry().with(layer), || {
        runtime.block_on(async {
            let incoming = TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
            let address = incoming.local_addr().unwrap();
            let service = TraceServiceServer::new(Collector::answering([answer]));
            let mut server = tonic::transport::Server::builder().layer(grpc_server_layer());
            tokio::spawn(server.add_service(service).serve_with_incoming(incoming));
            let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
            let channel = endpoint.connect_lazy();
            let span = GrpcClientSpan::new().with_server("127.0.0.1", address.port());
            let layer = obs_http::ObserveLayer::new(span, obs_http::unrouted);
            let channel = ServiceBuilder::new().layer(layer).service(channel);
            let mut call = TraceServiceClient::new(channel);
            let request = ExportTraceServiceRequest::default();
            let limit = if hangs { Duration::from_millis(300) } else { Duration::from_secs(30) };
            let _ = tokio::time::timeout(limit, call.export(request)).await;
            tokio::time::sleep(Duration::from_millis(20)).await; // for the server to see what happened
        });
    });
    drop(runtime);
    flush(&traces);
    let spans = exported.spans();
    assert_eq!(spans.len(), 2, "{spans:?}");
    let of = |kind| spans.iter().find(|span| span.kind() == kind).unwrap().clone();
    (of(SpanKind::Client), of(SpanKind::Server))
}

#[test]
fn grpc_call_has_client_and_server_span() {
    let (client, server) = call(Answer::Accept);
    let service = "opentelemetry.proto.collector.trace.v1.TraceService";
    assert_eq!(server.parent_span_id, client.span_id);
    assert_eq!(server.trace_id, client.trace_id);
    for span in [&client, &server] {
        assert_eq!(span.name, format!("{service}/Export"));
        assert_eq!(attribute(span, "rpc.system.name").as_deref(), Some("grpc"));
        assert_eq!(attribute(span, "rpc.method"), Some(format!("{service}/Export")));
        assert_eq!(attribute(span, "rpc.status_code").as_deref(), Some("OK"));
        assert_eq!(span.status, None);
    }
    assert_eq!(attribute(&client, "server.address").as_deref(), Some("127.0.0.1"));
}

#[test]
fn grpc_codes_set_status_by_side() {
    for (code, name, servers) in [(5, "NOT_FOUND", false), (13, "INTERNAL", true)] {
        let (client, server) = call(Answer::Grpc(code, None));
        for (span, is_error) in [(&client, true), (&server, servers)] {
            assert_eq!(attribute(span, "rpc.status_code").as_deref(), Some(name));
            let status = span.status.clone().unwrap_or_default().code();
            assert_eq!(status == StatusCode::Error, is_error, "{code} {:?}", span.kind());
        }
    }
}

#[test]
fn cancelled_grpc_call_is_recorded() {
    let (client, server) = call(Answer::Hang);
    assert_eq!(attribute(&client, "rpc.status_code").as_deref(), Some("CANCELLED"));
    assert_eq!(client.status.unwrap().code(), StatusCode::Error);
    assert_eq!(attribute(&server, "rpc.status_code").as_deref(), Some("CANCELLED"));
    assert_eq!(server.status, None, "the caller's wish is not the server's fault");
}

#[test]
fn hyper_util_client_can_be_wrapped() {
    let collector = Collector::default();
    let server = collector.http();
    let (layer, traces, exported) = pipeline();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    with_default(tracing_subscriber::registry().with(layer), || {
        runtime.block_on(async {
            let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
            let client = ServiceBuilder::new().layer(client_layer()).service(client);
            let request = http::Request::post(format!("{}/v1/traces?secret=1", server.endpoint()));
            let response = client.oneshot(request.body(Empty::new()).unwrap()).await.unwrap();
            assert_eq!(response.status(), 200);
            response.into_body().collect().await.unwrap();
        });
    });
    flush(&traces);
    let span = exported.span("POST");
    assert_eq!(attribute(&span, "http.response.status_code").as_deref(), Some("200"));
    let url = attribute(&span, "url.full").unwrap();
    assert_eq!(url, format!("{}/v1/traces", server.endpoint()));
    let seen = collector.seen();
    let parent = seen[0].headers.iter().find(|(name, _)| name == "traceparent");
    let id: String = span.span_id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(parent.unwrap().1.contains(&id));
}
