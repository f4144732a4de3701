//! The scenarios: real processes, real peers, real faults.

mod bugsink;
mod conventions;
mod demos;
mod errors;
mod faults;
mod flame;
mod hostile;
mod lone;
mod outcome;
mod peers;
mod trace_context;

use std::time::Instant;

use crate::error::Failure;
use crate::scenario::outcome::Outcome;
use crate::system::{cargo, raise_open_files};

type Scenario = fn() -> Result<Outcome, Failure>;

const ALL: [(&str, Scenario); 20] = [
    ("demo_with_1000_in_flight", demos::with_1000_in_flight),
    ("demo_notices_a_lost_traceparent", demos::notices_a_lost_traceparent),
    ("demo_notices_a_lost_request_id", demos::notices_a_lost_request_id),
    ("demo_on_postgresql", peers::postgresql),
    ("demo_with_prometheus", peers::prometheus),
    ("demo_to_rotel_over_grpc", peers::rotel_grpc),
    ("demo_to_rotel_over_http", peers::rotel_http),
    ("errors_to_bugsink", errors::to_bugsink),
    ("deployment_assets", peers::deployment_assets),
    ("exposition_is_accepted_by_its_judges", peers::exposition),
    ("flame_graph_in_a_browser", flame::graph_in_a_browser),
    ("hostile_requests", hostile::requests),
    ("semantic_conventions", conventions::cases),
    ("w3c_trace_context", trace_context::cases),
    ("port_in_use", faults::port_in_use),
    ("wrong_environment", faults::wrong_environment),
    ("unwritable_database", faults::unwritable_database),
    ("collector_refuses", faults::collector_refuses),
    ("collector_hangs", faults::collector_hangs),
    ("log_pipe_closed", faults::log_pipe_closed),
];

/// Runs all scenarios whose name contains `part`.
pub(crate) fn run(part: Option<&str>) -> Result<(), Failure> {
    raise_open_files();
    cargo([
        "build",
        "--quiet",
        "-p",
        "obs-console",
        "-p",
        "obs-demo",
        "-p",
        "obs-profile",
        "--bins",
    ])?;
    let required = std::env::var_os("OBS_REQUIRE_PEERS").is_some_and(|value| value == "1");
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    println!("\nscenarios");
    for (name, scenario) in
        ALL.iter().filter(|(name, _)| part.is_none_or(|part| name.contains(part)))
    {
        let started = Instant::now();
        let ended = scenario();
        let seconds = started.elapsed().as_secs_f64();
        match ended {
            Ok(Outcome::Passed) => {
                passed += 1;
                println!("scenario {name} ... ok ({seconds:.1} s)");
            }
            Ok(Outcome::Skipped(why)) if !required => {
                skipped += 1;
                println!("scenario {name} ... skipped: {why}");
            }
            Ok(Outcome::Skipped(why)) => {
                failed += 1;
                println!(
                    "scenario {name} ... FAILED: {why}, and OBS_REQUIRE_PEERS=1 forbids to skip"
                );
            }
            Err(failure) => {
                failed += 1;
                println!("scenario {name} ... FAILED: {failure}");
            }
        }
    }
    println!("\nscenarios: {passed} passed, {failed} failed, {skipped} skipped");
    match failed {
        0 => Ok(()),
        _ => Err(Failure::new(format!("{failed} scenarios failed"))),
    }
}
