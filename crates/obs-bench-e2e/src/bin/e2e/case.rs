//! One contender with so much telemetry, and what a run of it gave.

use std::fmt;
use std::time::Duration;

use obs_bench_e2e::Failure;

use crate::collector::Collector;
use crate::load::{self, Latencies};
use crate::server::Server;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Ours,
    Stock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telemetry {
    Bare,
    Logs,
    Metrics,
    /// Lines, metrics, and every trace exported.
    All,
    /// Lines, metrics, and one trace in a hundred exported.
    AllSampled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) who: Who,
    pub(crate) telemetry: Telemetry,
    pub(crate) with_query: bool,
}

/// What one run gave; the losses are those of all runs.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// Seconds of the server for 10,000 requests.
    pub(crate) cpu: f64,
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
        self.a_second = self.a_second.max(other.a_second);
        self.latencies = self.latencies.least(other.latencies);
        self.lines_lost += other.lines_lost;
        self.counts_lost += other.counts_lost;
        self.spans_lost = self.spans_lost.zip(other.spans_lost).map(|(mine, other)| mine + other);
    }
}

impl Case {
    pub(crate) fn all() -> Vec<Self> {
        let telemetries = [
            Telemetry::Bare,
            Telemetry::Logs,
            Telemetry::Metrics,
            Telemetry::All,
            Telemetry::AllSampled,
        ];
        let mut cases = Vec::new();
        for with_query in [false, true] {
            for telemetry in telemetries {
                for who in [Who::Ours, Who::Stock] {
                    // Without telemetry both are the same program.
                    if telemetry != Telemetry::Bare || who == Who::Ours {
                        cases.push(Self { who, telemetry, with_query });
                    }
                }
            }
        }
        cases
    }

    /// One run at saturation, then one at a fixed rate, each with a server of its own.
    pub(crate) async fn measure(
        &self,
        collector: &Collector,
        requests: usize,
        rate: usize,
    ) -> Result<Measured, Failure> {
        let server = Server::start(self, collector.endpoint()).await?;
        load::closed(server.addr(), requests / 20).await?;
        let warm = requests / 20;
        let cpu_before = server.cpu_time()?;
        let took = load::closed(server.addr(), requests).await?;
        let counted = match self.has_metrics() {
            true => server.requests_counted().await?,
            false => (warm + requests) as i64,
        };
        let ended = server.stop().await?;
        let wanted = (warm + requests) as i64;
        let spans = collector.take_spans("process_order");

        let server = Server::start(self, collector.endpoint()).await?;
        let latencies = load::fixed_rate(server.addr(), rate, Duration::from_secs(2)).await?;
        server.stop().await?;
        collector.take_spans("process_order");

        let lines = if self.telemetry == Telemetry::Bare { wanted * 2 } else { ended.lines };
        Ok(Measured {
            cpu: ended.cpu_time.saturating_sub(cpu_before).as_secs_f64() / requests as f64 * 1e4,
            a_second: requests as f64 / took.as_secs_f64(),
            latencies,
            lines_lost: wanted * 2 - lines,
            counts_lost: wanted - counted,
            spans_lost: (self.telemetry == Telemetry::All).then(|| wanted - spans),
        })
    }

    fn has_metrics(&self) -> bool {
        !matches!(self.telemetry, Telemetry::Bare | Telemetry::Logs)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match (self.telemetry, self.who) {
            (Telemetry::Bare, _) => "",
            (_, Who::Ours) => "ours: ",
            (_, Who::Stock) => "stock: ",
        };
        let what = match self.telemetry {
            Telemetry::Bare => "bare",
            Telemetry::Logs => "logs",
            Telemetry::Metrics => "logs, metrics",
            Telemetry::All => "logs, metrics, all traces",
            Telemetry::AllSampled => "logs, metrics, 1 % of traces",
        };
        let query = if self.with_query { ", with the query" } else { "" };
        write!(f, "{who}{what}{query}")
    }
}
