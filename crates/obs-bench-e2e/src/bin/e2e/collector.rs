//! An OTLP receiver that counts spans by name.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use obs_bench_e2e::Failure;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

pub(crate) struct Collector {
    addr: SocketAddr,
    spans: Spans,
}

#[derive(Clone, Default)]
struct Spans(Arc<Mutex<HashMap<String, i64>>>);

impl Collector {
    pub(crate) async fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let spans = Spans::default();
        let service = TraceServiceServer::new(spans.clone());
        let server = tonic::transport::Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Ok(Self { addr, spans })
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// How many spans of this name came since the last call, which begins anew.
    pub(crate) fn take_spans(&self, name: &str) -> i64 {
        let spans =
            std::mem::take(&mut *self.spans.0.lock().unwrap_or_else(PoisonError::into_inner));
        spans.get(name).copied().unwrap_or(0)
    }
}

#[tonic::async_trait]
impl TraceService for Spans {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let groups = request.into_inner().resource_spans.into_iter().flat_map(|of| of.scope_spans);
        for span in groups.flat_map(|group| group.spans) {
            *spans.entry(span.name).or_default() += 1;
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
