//! Runs one case.

use std::time::Duration;

use obs_bench_e2e::Failure;

use crate::case::{Case, Telemetry};
use crate::collector::Collector;
use crate::load::{self, Latencies};
use crate::server::Server;

/// How long the fixed rate lasts.
const STEADY_TIME: Duration = Duration::from_secs(2);

/// The results of one run; the losses are those of all runs.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// Seconds of the server for 10,000 requests, at saturation.
    pub(crate) cpu: f64,
    /// The same at the fixed rate, where every contender wakes its clients equally often.
    pub(crate) steady_cpu: f64,
    pub(crate) a_second: f64,
    pub(crate) latencies: Latencies,
    pub(crate) lines_lost: i64,
    pub(crate) counts_lost: i64,
    /// None where not every span is to be exported.
    pub(crate) spans_lost: Option<i64>,
}

impl Measured {
    pub(crate) fn keep_better(&mut self, other: Self) {
        self.cpu = self.cpu.min(other.cpu);
        self.steady_cpu = self.steady_cpu.min(other.steady_cpu);
        self.a_second = self.a_second.max(other.a_second);
        self.latencies = self.latencies.least(other.latencies);
        self.lines_lost += other.lines_lost;
        self.counts_lost += other.counts_lost;
        self.spans_lost = self.spans_lost.zip(other.spans_lost).map(|(mine, other)| mine + other);
    }
}

/// One run at saturation, then one at a fixed rate, each with a server of its own.
pub(crate) async fn measure(
    case: &Case,
    collector: &Collector,
    requests: usize,
    rate: usize,
) -> Result<Measured, Failure> {
    let server = Server::start(case, collector.endpoint()).await?;
    load::closed(server.addr(), requests / 20).await?;
    let warm = requests / 20;
    let cpu_before = server.cpu_time()?;
    let took = load::closed(server.addr(), requests).await?;
    let counted = match has_metrics(case) {
        true => server.requests_counted().await?,
        false => (warm + requests) as i64,
    };
    let ended = server.stop().await?;
    let wanted = (warm + requests) as i64;
    let spans = collector.take_spans("process_order");

    let server = Server::start(case, collector.endpoint()).await?;
    load::fixed_rate(server.addr(), rate, STEADY_TIME / 4).await?;
    let steady_before = server.cpu_time()?;
    let latencies = load::fixed_rate(server.addr(), rate, STEADY_TIME).await?;
    let steady_time = server.cpu_time()?.saturating_sub(steady_before);
    server.stop().await?;
    collector.take_spans("process_order");

    let lines = if case.telemetry == Telemetry::Bare { wanted * 2 } else { ended.lines };
    Ok(Measured {
        cpu: ended.cpu_time.saturating_sub(cpu_before).as_secs_f64() / requests as f64 * 1e4,
        steady_cpu: steady_time.as_secs_f64() / (rate as f64 * STEADY_TIME.as_secs_f64()) * 1e4,
        a_second: requests as f64 / took.as_secs_f64(),
        latencies,
        lines_lost: wanted * 2 - lines,
        counts_lost: wanted - counted,
        spans_lost: (case.telemetry == Telemetry::All).then(|| wanted - spans),
    })
}

fn has_metrics(case: &Case) -> bool {
    !matches!(case.telemetry, Telemetry::Bare | Telemetry::Logs)
}
