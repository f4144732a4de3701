//! grpc.health.v1, asked by a real tonic client.

#![cfg(feature = "grpc")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::uri::PathAndQuery;
use obs_health::grpc::{HealthCheckRequest, HealthCheckResponse, HealthService, ServingStatus};
use obs_health::lifecycle::{Deadlines, Lifecycle};
use obs_health::{Check, Health, Server};
use tonic::client::Grpc;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;

struct Client(Grpc<Channel>);

impl Client {
    async fn check(&mut self, service: &str) -> Result<ServingStatus, Status> {
        self.0.ready().await.unwrap();
        let path = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
        let request = Request::new(HealthCheckRequest { service: service.into() });
        let codec = ProstCodec::<_, HealthCheckResponse>::default();
        Ok(self.0.unary(request, path, codec).await?.into_inner().status())
    }

    async fn watch(&mut self, service: &str) -> Streaming<HealthCheckResponse> {
        self.0.ready().await.unwrap();
        let path = PathAndQuery::from_static("/grpc.health.v1.Health/Watch");
        let request = Request::new(HealthCheckRequest { service: service.into() });
        self.0.server_streaming(request, path, ProstCodec::default()).await.unwrap().into_inner()
    }
}

async fn next(stream: &mut Streaming<HealthCheckResponse>) -> Option<ServingStatus> {
    let next = tokio::time::timeout(Duration::from_secs(60), stream.message()).await;
    next.unwrap().unwrap().map(|response| response.status())
}

/// On our own server, as a gRPC service of the user's would be.
async fn serve(health: &Health, lifecycle: &Lifecycle) -> (Client, impl Future<Output = bool>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Routes::new(HealthService::new(health.clone()).name("orders.v1.Orders"));
    let app = app.into_axum_router();
    let server = tokio::spawn(Server::new(listener).serve(app, lifecycle.clone()));
    let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
    (Client(Grpc::new(channel)), async move { server.await.unwrap().is_clean() })
}

#[tokio::test]
async fn grpc_health_follows_readiness_and_shutdown() {
    let health = Health::new();
    let latch = health.startup_latch("cache-warm").unwrap();
    let up = Arc::new(AtomicBool::new(true));
    let answers = Arc::clone(&up);
    let question = move || {
        let up = answers.load(Ordering::SeqCst);
        async move { if up { Ok(()) } else { Err(io::Error::other("down")) } }
    };
    let check = Check::new("postgres", question).interval(Duration::from_millis(20));
    health.add(check).unwrap();
    health.group("database", ["postgres"]).unwrap();
    health.start();
    let lifecycle = Lifecycle::new(health.clone(), Deadlines::development());
    let (mut client, ended) = serve(&health, &lifecycle).await;

    assert_eq!(client.check("").await.unwrap(), ServingStatus::NotServing, "it is starting");
    let mut whole = client.watch("").await;
    assert_eq!(next(&mut whole).await, Some(ServingStatus::NotServing));
    latch.done();
    assert_eq!(next(&mut whole).await, Some(ServingStatus::Serving));
    assert_eq!(client.check("orders.v1.Orders").await.unwrap(), ServingStatus::Serving);
    assert_eq!(client.check("database").await.unwrap(), ServingStatus::Serving);

    up.store(false, Ordering::SeqCst);
    assert_eq!(next(&mut whole).await, Some(ServingStatus::NotServing));
    assert_eq!(client.check("database").await.unwrap(), ServingStatus::NotServing);
    up.store(true, Ordering::SeqCst);
    assert_eq!(next(&mut whole).await, Some(ServingStatus::Serving));

    lifecycle.shut_down();
    assert_eq!(next(&mut whole).await, Some(ServingStatus::NotServing));
    assert_eq!(next(&mut whole).await, None, "watchers do not hold the shutdown");
    assert!(ended.await, "nothing was aborted");
}

#[tokio::test]
async fn unknown_service_is_not_found_but_can_be_watched() {
    let health = Health::new();
    let lifecycle = Lifecycle::new(health.clone(), Deadlines::development());
    let (mut client, _ended) = serve(&health, &lifecycle).await;
    assert_eq!(client.check("later").await.unwrap_err().code(), Code::NotFound);
    let mut stream = client.watch("later").await;
    assert_eq!(next(&mut stream).await, Some(ServingStatus::ServiceUnknown));
    health.group("later", [""; 0]).unwrap();
    assert_eq!(next(&mut stream).await, Some(ServingStatus::Serving));
}
