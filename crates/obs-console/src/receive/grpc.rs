//! OTLP over gRPC.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tonic::body::Body;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower_service::Service;

use super::body::{self, BodyError};
use super::json_request::SkippedItems;
use super::origin::Caller;
use super::{MAX_REQUEST_BYTES, export};
use crate::store::Store;

/// The three OTLP services of one store.
#[derive(Clone, Debug)]
pub(crate) struct Grpc {
    store: Arc<Store>,
    traces: TraceServiceServer<Exports>,
    logs: LogsServiceServer<Exports>,
    metrics: MetricsServiceServer<Exports>,
}

#[derive(Debug)]
struct Exports(Arc<Store>);

impl Grpc {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        let exports = Arc::new(Exports(Arc::clone(&store)));
        Self {
            store,
            traces: TraceServiceServer::from_arc(Arc::clone(&exports))
                .accept_compressed(Gzip)
                .max_decoding_message_size(MAX_REQUEST_BYTES),
            logs: LogsServiceServer::from_arc(Arc::clone(&exports))
                .accept_compressed(Gzip)
                .max_decoding_message_size(MAX_REQUEST_BYTES),
            metrics: MetricsServiceServer::from_arc(exports)
                .accept_compressed(Gzip)
                .max_decoding_message_size(MAX_REQUEST_BYTES),
        }
    }

    /// Whether a request is one of gRPC.
    pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
        let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        content_type.is_some_and(|name| name.starts_with(b"application/grpc"))
    }

    pub(crate) async fn answer(
        mut self,
        request: Request<Incoming>,
        local: SocketAddr,
    ) -> Response<Body> {
        if !Self::is_grpc(request.headers()) {
            self.store.count_bad_request();
            let mut response = Response::new(Body::default());
            *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return response;
        }
        let (head, body) = request.into_parts();
        if let Err(reason) = Caller::check(&head, local) {
            self.store.count_bad_request();
            return Status::permission_denied(reason).into_http();
        }
        let response = match body::collect(body).await {
            Err(error) => rejection(error).into_http(),
            Ok(body) => {
                let _permit = body::decode_permit().await;
                self.export(Request::from_parts(head, Full::from(body))).await
            }
        };
        if Status::from_header_map(response.headers()).is_some_and(|it| it.code() != Code::Ok) {
            self.store.count_bad_request();
        }
        response
    }

    async fn export(&mut self, request: Request<Full<Bytes>>) -> Response<Body> {
        let service = request.uri().path().trim_start_matches('/').split('/').next();
        let answered = match service {
            Some(TraceServiceServer::<Exports>::NAME) => self.traces.call(request),
            Some(LogsServiceServer::<Exports>::NAME) => self.logs.call(request),
            Some(MetricsServiceServer::<Exports>::NAME) => self.metrics.call(request),
            _ => {
                let reason = "only OTLP's trace, logs and metrics services are here";
                return Status::unimplemented(reason).into_http();
            }
        };
        let Ok::<_, Infallible>(response) = answered.await;
        response
    }
}

/// Slow and broken requests with codes that OTLP lets a sender try again after, the others without.
fn rejection(error: BodyError) -> Status {
    match error {
        BodyError::TooLarge => Status::resource_exhausted(error.reason()),
        BodyError::TooSlow => Status::deadline_exceeded(error.reason()),
        BodyError::Broken => Status::cancelled(error.reason()),
        BodyError::Encoding | BodyError::Gzip => Status::internal(error.reason()),
    }
}

#[tonic::async_trait]
impl TraceService for Exports {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, Status> {
        Ok(tonic::Response::new(export::traces(
            &self.0,
            request.into_inner(),
            SkippedItems::default(),
        )))
    }
}

#[tonic::async_trait]
impl LogsService for Exports {
    async fn export(
        &self,
        request: tonic::Request<ExportLogsServiceRequest>,
    ) -> Result<tonic::Response<ExportLogsServiceResponse>, Status> {
        Ok(tonic::Response::new(export::logs(
            &self.0,
            request.into_inner(),
            SkippedItems::default(),
        )))
    }
}

#[tonic::async_trait]
impl MetricsService for Exports {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, Status> {
        Ok(tonic::Response::new(export::metrics(
            &self.0,
            request.into_inner(),
            SkippedItems::default(),
        )))
    }
}
