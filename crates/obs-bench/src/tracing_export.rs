//! Tracing: the whole process' CPU time of a span that is made, exported over gRPC, and taken by a receiver
//! in another process. Its inverse is the export rate in spans per CPU second.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use obs_tracing::Builder;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tonic::{Request, Response, Status};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::set_global_default;
use tracing_subscriber::layer::SubscriberExt;

use crate::row::Row;
use crate::tracing::{lean, trace};
use crate::tracing_process::{measure, measure_provider};

/// Else the stock layer makes spans of what h2 and tonic do to export its spans: nobody runs it so.
const LEVEL: LevelFilter = LevelFilter::INFO;

pub(crate) fn rows() -> Vec<Row> {
    vec![Row {
        pillar: "tracing",
        work: "span, exported over gRPC, process",
        peer: "tracing-opentelemetry lean, opentelemetry-otlp, tonic",
        bar: f64::INFINITY,
        ours,
        theirs,
    }]
}

fn ours() -> f64 {
    let receiver = Receiver::start();
    let builder = Builder::new("bench").endpoint(&receiver.endpoint);
    let (layer, traces) = builder.build().expect("the endpoint is a URL");
    set_global_default(tracing_subscriber::registry().with(LEVEL).with(layer))
        .expect("each contender has its own process");
    let (all, _) = measure(trace, || {
        assert!(traces.flush(Duration::from_secs(10)).complete, "the export hangs");
    });
    assert_eq!(traces.counts().dropped, 0, "the receiver takes everything");
    all
}

fn theirs() -> f64 {
    let receiver = Receiver::start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("threads are to be had");
    let _entered = runtime.enter();
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(&receiver.endpoint).build();
    let exporter = exporter.expect("the endpoint is a URL");
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).build();
    set_global_default(tracing_subscriber::registry().with(LEVEL).with(lean(&provider)))
        .expect("each contender has its own process");
    measure_provider(&provider, trace).0
}

/// This program again, as a collector that throws everything away.
struct Receiver {
    process: Child,
    endpoint: String,
}

impl Receiver {
    fn start() -> Self {
        let program = std::env::current_exe().expect("it runs");
        let mut process = Command::new(program)
            .arg("--receiver")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it has been started before");
        let mut port = String::new();
        let told = process.stdout.take().expect("it is piped");
        BufReader::new(told).read_line(&mut port).expect("the receiver tells its port");
        Self { process, endpoint: format!("http://127.0.0.1:{}", port.trim()) }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Receives until nobody holds the other end of its input.
pub(crate) fn receive() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("threads are to be had");
    runtime.spawn(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("ports are free");
        println!("{}", listener.local_addr().expect("it is bound").port());
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        let service = TraceServiceServer::new(Takes).max_decoding_message_size(64 * 1024 * 1024);
        tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming).await
    });
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    ExitCode::SUCCESS
}

struct Takes;

#[tonic::async_trait]
impl TraceService for Takes {
    async fn export(
        &self,
        _: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
