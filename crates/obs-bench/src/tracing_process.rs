//! Tracing: what a span costs the whole process, and what it costs the export thread alone.

use std::future::ready;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use prost::Message;
use rustix::time::{ClockId, clock_gettime};
use tracing::subscriber::set_global_default;
use tracing::{Span, info_span};
use tracing_subscriber::layer::SubscriberExt;

use crate::measure::cpu_time;
use crate::row::Row;
use crate::tracing::{LEAN, Nowhere, SPANS, lean, ours, trace};

/// Traces in one burst: a thousand spans, which every queue takes.
const BURST: u32 = 250;
const BURSTS: usize = 60;

pub(crate) fn rows() -> Vec<Row> {
    let row =
        |work, peer, bar, ours, theirs| Row { pillar: "tracing", work, peer, bar, ours, theirs };
    let encoded = "SDK batch processor, proto, prost";
    vec![
        row("span, whole process, exported nowhere", LEAN, 0.45, process, lean_process),
        row("span, export thread, encoded", encoded, 0.35, background, sdk_background),
        row("span made here, polled there, process", LEAN, f64::INFINITY, polled, lean_polled),
    ]
}

fn process() -> f64 {
    with_ours(trace).0
}

fn background() -> f64 {
    with_ours(trace).1
}

fn polled() -> f64 {
    let poller = poller();
    with_ours(|| hand_over(&poller)).0
}

fn lean_process() -> f64 {
    with_provider(Nowhere, trace).0
}

fn sdk_background() -> f64 {
    with_provider(Encoding, trace).1
}

fn lean_polled() -> f64 {
    let poller = poller();
    with_provider(Nowhere, || hand_over(&poller)).0
}

fn with_ours(work: impl Fn()) -> (f64, f64) {
    let (layer, traces) = ours(obs_tracing::Sampler::always());
    set_global_default(tracing_subscriber::registry().with(layer))
        .expect("each contender has its own process");
    measure(work, || {
        assert!(traces.flush(Duration::from_secs(10)).complete, "the export hangs");
    })
}

fn with_provider(exporter: impl SpanExporter + 'static, work: impl Fn()) -> (f64, f64) {
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).build();
    set_global_default(tracing_subscriber::registry().with(lean(&provider)))
        .expect("each contender has its own process");
    measure_provider(&provider, work)
}

pub(crate) fn measure_provider(provider: &SdkTracerProvider, work: impl Fn()) -> (f64, f64) {
    measure(work, || provider.force_flush().expect("the exporter is always ready"))
}

/// CPU time of a span in nanoseconds: of the whole process, and of all but this thread; the median burst.
pub(crate) fn measure(work: impl Fn(), flush: impl Fn()) -> (f64, f64) {
    let mut bursts: Vec<_> = (0..BURSTS)
        .map(|_| {
            let (process, thread) = (process_time(), cpu_time());
            (0..BURST).for_each(|_| work());
            let mine = cpu_time().saturating_sub(thread);
            flush();
            let all = process_time().saturating_sub(process);
            let flushing = cpu_time().saturating_sub(thread).saturating_sub(mine);
            (all, all.saturating_sub(mine).saturating_sub(flushing))
        })
        .collect();
    bursts.sort();
    let (all, others) = bursts[BURSTS / 2];
    let each = |time: Duration| time.as_nanos() as f64 / (f64::from(BURST) * SPANS);
    (each(all), each(others))
}

fn process_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// A thread that enters spans twice and closes them, as an executor's worker does.
fn poller() -> Sender<[Span; 4]> {
    let (send, receive) = channel::<[Span; 4]>();
    std::thread::spawn(move || {
        for spans in receive {
            for span in &spans {
                span.in_scope(|| {});
                span.in_scope(|| {});
            }
        }
    });
    send
}

fn hand_over(poller: &Sender<[Span; 4]>) {
    let first = info_span!("request", method = "GET", attempt = 1_u64);
    let second = info_span!(parent: &first, "order", id = "o-42", items = 3_u64);
    let third = info_span!(parent: &second, "query", table = "orders", limit = 10_u64);
    let fourth = info_span!(parent: &third, "row", key = "k-7", bytes = 512_u64);
    poller.send([first, second, third, fourth]).expect("the poller waits for them");
}

/// Converts and encodes every batch as opentelemetry-otlp does, and throws it away.
#[derive(Debug)]
struct Encoding;

impl SpanExporter for Encoding {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        let resource = ResourceAttributesWithSchema::default();
        let resource_spans = group_spans_by_resource_and_scope(batch, &resource);
        let request = ExportTraceServiceRequest { resource_spans };
        std::hint::black_box(request.encode_to_vec());
        ready(Ok(()))
    }
}
