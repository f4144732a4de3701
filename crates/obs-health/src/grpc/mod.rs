//! gRPC health: `grpc.health.v1`, `Check` and `Watch`, from what the probes know.
//!
//! The empty service name is the whole service; another name is a [group](Health::group) of checks, or
//! one of [`HealthService::name`]. It is `NOT_SERVING` until the service is ready, and again from the
//! first moment of the shutdown. `Watch` of an unknown service streams `SERVICE_UNKNOWN` (and goes on,
//! should the group be added), where `Check` answers `NOT_FOUND`.
//!
//! ```no_run
//! # async fn run(health: obs_health::Health) -> Result<(), tonic::transport::Error> {
//! tonic::transport::Server::builder()
//!     .add_service(obs_health::grpc::HealthService::new(health).name("orders.v1.Orders"))
//!     .serve(([127, 0, 0, 1], 50051).into())
//!     .await
//! # }
//! ```

mod lookup;
mod messages;
mod watch;

use std::convert::Infallible;
use std::future::Ready;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Request;
use http_body::Body as HttpBody;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, ServerStreamingService, UnaryService};
use tonic::{Response, Status};
use tonic_prost::ProstCodec;
use tower_service::Service;

use crate::health::Health;
use lookup::{Lookup, response};
pub use messages::{HealthCheckRequest, HealthCheckResponse, ServingStatus};
pub use watch::Watch;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The service of grpc.health.v1, for any tonic server or router.
#[derive(Clone, Debug)]
pub struct HealthService {
    lookup: Lookup,
}

impl HealthService {
    /// Answers for this health.
    pub fn new(health: Health) -> Self {
        Self { lookup: Lookup { health, names: Arc::default() } }
    }

    /// A gRPC service that is as healthy as the whole: most clients ask for theirs by its full name.
    pub fn name(mut self, service: impl Into<String>) -> Self {
        let names = self.lookup.names.iter().cloned().chain([service.into()]).collect();
        self.lookup.names = names;
        self
    }
}

impl NamedService for HealthService {
    const NAME: &'static str = "grpc.health.v1.Health";
}

impl<B> Service<Request<B>> for HealthService
where
    B: HttpBody + Send + 'static,
    B::Error: Into<BoxError> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let lookup = self.lookup.clone();
        Box::pin(async move {
            let mut grpc =
                Grpc::new(ProstCodec::default()).max_decoding_message_size(MAX_REQUEST_SIZE);
            Ok(match request.uri().path() {
                "/grpc.health.v1.Health/Check" => grpc.unary(CheckMethod(lookup), request).await,
                "/grpc.health.v1.Health/Watch" => {
                    grpc.server_streaming(WatchMethod(lookup), request).await
                }
                _ => Status::unimplemented("grpc.health.v1 has Check and Watch").into_http(),
            })
        })
    }
}

/// A name needs no more.
const MAX_REQUEST_SIZE: usize = 4096;

struct CheckMethod(Lookup);

impl UnaryService<HealthCheckRequest> for CheckMethod {
    type Response = HealthCheckResponse;
    type Future =
        Pin<Box<dyn Future<Output = Result<Response<HealthCheckResponse>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<HealthCheckRequest>) -> Self::Future {
        let (lookup, name) = (self.0.clone(), request.into_inner().service);
        Box::pin(async move {
            let group = lookup.health.entries_of(Some(&name)).map(|_| name.as_str());
            lookup.health.refresh(group).await;
            match lookup.state(&name) {
                Some(state) => Ok(Response::new(response(Some(state)))),
                None => Err(Status::not_found("no such service")),
            }
        })
    }
}

struct WatchMethod(Lookup);

impl ServerStreamingService<HealthCheckRequest> for WatchMethod {
    type Response = HealthCheckResponse;
    type ResponseStream = Watch;
    type Future = Ready<Result<Response<Watch>, Status>>;

    fn call(&mut self, request: tonic::Request<HealthCheckRequest>) -> Self::Future {
        let watch = watch::start(self.0.clone(), request.into_inner().service);
        std::future::ready(Ok(Response::new(watch)))
    }
}
