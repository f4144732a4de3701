//! Thread wake-ups and system calls that telemetry adds to a request at a steady rate, as the kernel counts
//! them.

use std::time::Duration;

use obs_bench_e2e::Failure;

use crate::case::{Case, Contender, Telemetry};
use crate::collector::Collector;
use crate::load;
use crate::server::Server;

const LASTING: Duration = Duration::from_secs(3);

/// What may be added to a request: wake-ups, and calls that read or write files, pipes and event counters.
const BARS: [f64; 2] = [0.2, 0.1];

/// Prints the table and answers whether every bar is met.
pub(crate) async fn run(collector: &Collector, rate: usize) -> Result<bool, Failure> {
    let mut all_met = true;
    println!(
        "{:<48} {:>8} {:>8} {:>8} {:>8}",
        "a request of a steady load", "wake-ups", "added", "calls", "added"
    );
    for with_query in [false, true] {
        let of = |telemetry| Case { contender: Contender::Ours, telemetry, with_query };
        let [bare_wakeups, bare_calls] = count(&of(Telemetry::Bare), collector, rate).await?;
        for telemetry in [Telemetry::Bare, Telemetry::Logs, Telemetry::All, Telemetry::AllSampled] {
            let [wakeups, calls] = match telemetry {
                Telemetry::Bare => [bare_wakeups, bare_calls],
                _ => count(&of(telemetry), collector, rate).await?,
            };
            let added = [wakeups - bare_wakeups, calls - bare_calls];
            let met = added.iter().zip(BARS).all(|(added, bar)| *added <= bar);
            all_met &= met;
            let mark = if met { "" } else { "  NOT MET" };
            println!(
                "{:<48} {wakeups:>8.2} {:>8.2} {calls:>8.2} {:>8.2}{mark}",
                of(telemetry).to_string(),
                wakeups - bare_wakeups,
                calls - bare_calls
            );
        }
    }
    Ok(all_met)
}

/// Of one request: wake-ups and calls of all threads.
async fn count(case: &Case, collector: &Collector, rate: usize) -> Result<[f64; 2], Failure> {
    let server = Server::start(case, collector.endpoint()).await?;
    load::fixed_rate(server.addr(), rate, Duration::from_secs(1)).await?;
    let before = server.wakeups_and_calls()?;
    load::fixed_rate(server.addr(), rate, LASTING).await?;
    let after = server.wakeups_and_calls()?;
    server.stop().await?;
    collector.take_spans("process_order");
    let requests = rate as f64 * LASTING.as_secs_f64();
    let of_one = |before: u64, after: u64| after.saturating_sub(before) as f64 / requests;
    Ok([of_one(before.0, after.0), of_one(before.1, after.1)])
}
