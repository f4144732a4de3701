//! Allocations that telemetry adds to a request: a count, so the same wherever it is taken.

use obs_bench_e2e::Failure;

use crate::case::{Case, Contender, Telemetry};
use crate::collector::Collector;
use crate::load;
use crate::server::Server;

const WARM_UP: usize = 2_000;
const REQUESTS: usize = 2_000;

/// What may be added, by telemetry, with the query and without. With it sqlx formats its event where every trace is
/// kept, in 6 allocations, which are among these.
const BARS: [(Telemetry, f64); 3] =
    [(Telemetry::Logs, 6.0), (Telemetry::All, 12.0), (Telemetry::AllSampled, 8.0)];

/// With the query counts differ from run to run, of the bare service, too: sqlx's channels allocate by the threads' timing.
/// So many are taken, and the least counts.
const COUNTS_WITH_QUERY: usize = 5;

/// Prints the table and answers whether every bar is met.
pub(crate) async fn run(collector: &Collector) -> Result<bool, Failure> {
    let mut all_met = true;
    println!(
        "{:<56} {:>8} {:>8} {:>8} {:>5}",
        "a request of one client", "made", "bytes", "added", "bar"
    );
    for with_query in [false, true] {
        let of = |telemetry| Case { contender: Contender::Ours, telemetry, with_query };
        let bare = of(Telemetry::Bare);
        let [without, bytes] = count(&bare, collector).await?;
        println!("{:<56} {without:>8.2} {bytes:>8.0}", bare.to_string());
        for (telemetry, bar) in BARS {
            let case = of(telemetry);
            let [made, bytes] = count(&case, collector).await?;
            let added = made - without;
            let met = added <= bar;
            all_met &= met;
            let mark = if met { "" } else { "  NOT MET" };
            println!(
                "{:<56} {made:>8.2} {bytes:>8.0} {added:>8.2} {bar:>5}{mark}",
                case.to_string()
            );
        }
    }
    Ok(all_met)
}

async fn count(case: &Case, collector: &Collector) -> Result<[f64; 2], Failure> {
    let mut least = count_once(case, collector).await?;
    for _ in 1..if case.with_query { COUNTS_WITH_QUERY } else { 1 } {
        let again = count_once(case, collector).await?;
        if again[0] < least[0] {
            least = again;
        }
    }
    Ok(least)
}

/// Of one request, by all threads: allocations and their bytes.
async fn count_once(case: &Case, collector: &Collector) -> Result<[f64; 2], Failure> {
    let server = Server::start_counted(case, collector.endpoint())?;
    let traced = std::env::var_os("ALLOCATIONS_TRACE").is_some();
    let requests = if traced { 20 } else { REQUESTS };
    load::single(server.addr(), WARM_UP).await?;
    let before = server.allocations().await?;
    load::single(server.addr(), requests).await?;
    let after = server.allocations().await?;
    server.stop().await?;
    collector.take_spans("process_order");
    let of_one = |at: usize| match (before.get(at), after.get(at)) {
        (Some(before), Some(after)) => after.saturating_sub(*before) as f64 / requests as f64,
        _ => f64::NAN,
    };
    Ok([of_one(0), of_one(1)])
}
