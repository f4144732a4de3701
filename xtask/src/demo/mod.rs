//! `cargo xtask demo`: three services, the console, and one real request followed through every pillar.

mod console;
mod drain;
mod errors;
mod faults;
pub(crate) mod fleet;
mod follow;
mod joins;
pub(crate) mod load;
mod options;
mod outage;
mod print;
pub(crate) mod profile;
mod prometheus;
mod stage;

use std::time::Instant;

use serde_json::json;

use crate::error::Failure;
use crate::system::{cargo, raise_open_files};
use fleet::Fleet;
use joins::Joins;
pub(crate) use options::Options;
pub(crate) use print::Printer;
use stage::Stage;

/// Runs the demo; a broken join is a failure that says what was expected.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let begun = Instant::now();
    raise_open_files();
    let printer = Printer::new(options.json);
    printer.title("obs: one request through every pillar");
    printer.step("building the console and three services (the first time takes minutes)");
    // Cargo shows its own progress on standard error.
    cargo(["build", "-p", "obs-console", "-p", "obs-demo", "--bins"])?;
    cargo(["build", "-p", "obs-profile"])?;
    printer.step("starting them on free ports");

    let mut joins = Joins::default();
    let stage = options.serve.then(Stage::open).transpose()?;
    let actions = stage.as_ref().map(Stage::actions).unwrap_or_default();
    let mut fleet = Fleet::start(options, &actions, &printer)?;
    let prometheus = match options.prometheus {
        true => prometheus::Prometheus::start(&fleet, &printer)?,
        false => None,
    };
    printer.step("some traffic, then the request that is followed");
    load::warm_up(&fleet)?;
    let request = follow::follow(&fleet, &printer, &mut joins)?;
    if let Some(prometheus) = &prometheus {
        prometheus.find_exemplar(&request, &printer, &mut joins)?;
    }
    faults::show(&fleet, &printer, &mut joins)?;
    profile::show(&fleet, &printer, &mut joins)?;
    outage::show(&mut fleet, &printer, &mut joins)?;
    if let Some(stage) = stage {
        stay_up(&mut fleet, stage, prometheus.as_ref(), &printer)?;
        drain::end_all(&mut fleet, &printer, &mut joins)?;
    } else {
        drain::show(&mut fleet, options.in_flight, &printer, &mut joins)?;
    }

    if options.json {
        let document = json!({
            "ok": joins.broken() == 0,
            "request": request.json(),
            "joins": joins.json(),
            "seconds": begun.elapsed().as_secs_f64(),
        });
        println!("{document:#}");
    }
    joins.verdict(&printer, begun.elapsed())
}

/// Starts everything with the page's buttons and some traffic, and gives the page's address and a request's
/// trace id.
pub(crate) fn with_page(
    look: impl FnOnce(&str, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    raise_open_files();
    let printer = Printer::new(true);
    cargo(["build", "-p", "obs-console", "-p", "obs-demo", "--bins"])?;
    let stage = Stage::open()?;
    let fleet = Fleet::start(&Options::headless(), &stage.actions(), &printer)?;
    load::warm_up(&fleet)?;
    for path in ["/fail", "/orders/none", "/slow/120", "/panic", "/slow/60"] {
        fleet.http.get(&format!("{}{path}", fleet.gateway()))?;
    }
    // So that the request's metrics have a value before it.
    fleet.console.scrape()?;
    let request = follow::follow(&fleet, &printer, &mut Joins::default())?;
    look(&fleet.console.page, &request.trace_id)
}

fn stay_up(
    fleet: &mut Fleet,
    stage: Stage,
    prometheus: Option<&prometheus::Prometheus>,
    printer: &Printer,
) -> Result<(), Failure> {
    printer.heading("SERVING", "until Ctrl-C; open the page, and try its buttons");
    for (name, url) in fleet.urls() {
        printer.row(&format!("{name:10} {url}"));
    }
    if let Some(prometheus) = prometheus {
        printer.row(&format!("{:10} {}", "prometheus", prometheus.url()));
    }
    stage.play(fleet)
}
