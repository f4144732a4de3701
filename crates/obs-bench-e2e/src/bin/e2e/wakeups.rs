//! Thread wake-ups and system calls that telemetry adds to a request at a steady rate, as the kernel counts
//! them.

use std::time::Duration;

use obs_bench_e2e::Failure;

use crate::case::{Case, Contender, Telemetry};
use crate::collector::Collector;
use crate::load;
use crate::server::Server;

const LASTING: Duration = Duration::from_secs(3);

/// Runs of each case, in turns: each figure is the middle one of its runs.
const ROUNDS: usize = 3;

/// What may be added to a request: wake-ups, and system calls of any kind.
const BARS: [f64; 2] = [0.2, 0.1];

const TELEMETRIES: [Telemetry; 4] =
    [Telemetry::Bare, Telemetry::Logs, Telemetry::All, Telemetry::AllSampled];

/// Of one request.
#[derive(Clone, Copy, Default)]
struct Counted {
    /// Times that a thread had gone to sleep before.
    wakeups: f64,
    preemptions: f64,
    calls: f64,
}

/// Prints the table and answers whether every bar is met.
pub(crate) async fn run(collector: &Collector, rate: usize) -> Result<bool, Failure> {
    let mut all_met = true;
    println!(
        "{:<48} {:>8} {:>8} {:>8} {:>8} {:>9}",
        "a request of a steady load", "wake-ups", "added", "calls", "added", "preempted"
    );
    for with_query in [false, true] {
        let of = |telemetry| Case { contender: Contender::Ours, telemetry, with_query };
        let mut runs = TELEMETRIES.map(|_| Vec::new());
        for _ in 0..ROUNDS {
            for (telemetry, runs) in TELEMETRIES.into_iter().zip(&mut runs) {
                runs.push(count(&of(telemetry), collector, rate).await?);
            }
        }
        let middles = runs.map(|runs| middle(&runs));
        let [bare, ..] = middles;
        for (telemetry, counted) in TELEMETRIES.into_iter().zip(middles) {
            let added = [counted.wakeups - bare.wakeups, counted.calls - bare.calls];
            let met = added.iter().zip(BARS).all(|(added, bar)| *added <= bar);
            all_met &= met;
            let mark = if met { "" } else { "  NOT MET" };
            println!(
                "{:<48} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>9.2}{mark}",
                of(telemetry).to_string(),
                counted.wakeups,
                added[0],
                counted.calls,
                added[1],
                counted.preemptions
            );
        }
    }
    Ok(all_met)
}

async fn count(case: &Case, collector: &Collector, rate: usize) -> Result<Counted, Failure> {
    let server = Server::start(case, collector.endpoint()).await?;
    load::fixed_rate(server.addr(), rate, Duration::from_secs(1)).await?;
    let calls = server.calls().map_err(|error| {
        format!("no system calls can be counted: {error}; run as root, with tracefs mounted at /sys/kernel/tracing")
    })?;
    let before = server.switches()?;
    load::fixed_rate(server.addr(), rate, LASTING).await?;
    let (calls, after) = (calls.so_far()?, server.switches()?);
    server.stop().await?;
    collector.take_spans("process_order");
    let requests = rate as f64 * LASTING.as_secs_f64();
    let [wakeups, preemptions] =
        [0, 1].map(|at: usize| after[at].saturating_sub(before[at]) as f64 / requests);
    Ok(Counted { wakeups, preemptions, calls: calls as f64 / requests })
}

fn middle(runs: &[Counted]) -> Counted {
    let of = |figure: fn(&Counted) -> f64| {
        let mut figures: Vec<f64> = runs.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or_default()
    };
    Counted {
        wakeups: of(|run| run.wakeups),
        preemptions: of(|run| run.preemptions),
        calls: of(|run| run.calls),
    }
}
