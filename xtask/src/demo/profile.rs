//! The services looked into from outside: where every thread is, and where the CPU time goes.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::demo::fleet::Fleet;
use crate::demo::joins::Joins;
use crate::demo::print::Printer;
use crate::error::{During, Failure};
use crate::system::{Service, program};

const SERVICE: &str = "orders";

pub(crate) fn show(fleet: &Fleet, printer: &Printer, joins: &mut Joins) -> Result<(), Failure> {
    printer.heading("PROFILE", &format!("{SERVICE} under load, looked into from outside"));
    let service = fleet.services().find(|service| service.name == SERVICE);
    let pid = service.map(Service::pid).unwrap_or_default().to_string();
    // Threads come and go while it looks.
    let dump = again_until(
        |dump| whole_threads(dump).is_some_and(|(whole, all)| whole == all),
        || obs_profile(&["dump", "--json", "--pid", &pid]),
    )?;
    if let Some(why) = not_permitted(&dump) {
        printer.row(&format!("not permitted here: {why}"));
        return Ok(());
    }
    dumped(&dump, printer, joins);
    let folder = tempfile::tempdir()?;
    let svg = folder.path().join("flame.svg");
    let file = svg.to_string_lossy();
    let (top, record) = under_load(fleet, || {
        let top = ["top", "--batch", "-n", "1", "-d", "1", "-r", "499", "--pid", &pid];
        let record = ["record", "-d", "1", "-r", "499", "-o", &file, "--pid", &pid];
        // A busy machine may give the service no time in a second.
        let top = again_until(tells_functions, || obs_profile(&top))?;
        let record = again_until(|_| is_drawn(&svg), || obs_profile(&record))?;
        Ok((top, record))
    })?;
    if let Some(why) = not_permitted(&top) {
        printer.row(&format!("not permitted here: {why}"));
        return Ok(());
    }
    let text = String::from_utf8_lossy(&top.stdout);
    let mut lines = text.lines().skip_while(|line| !line.contains("FUNCTION")).skip(1);
    for line in lines.by_ref().take(3) {
        printer.row(&line.chars().take(110).collect::<String>());
    }
    joins.holds(
        "top tells the service's functions and threads",
        tells_functions(&top),
        "functions of the async runtime, and a table of threads",
        output_text(&top),
    );
    let graph = std::fs::read_to_string(&svg).unwrap_or_default();
    printer.row(output_text(&record).lines().last().unwrap_or_default());
    joins.holds(
        "record draws a flame graph of the service",
        is_drawn(&svg),
        "an SVG with the async runtime's functions",
        format!("{} bytes; {}", graph.len(), output_text(&record)),
    );
    Ok(())
}

fn dumped(dump: &Output, printer: &Printer, joins: &mut Joins) {
    let json: Value = serde_json::from_slice(&dump.stdout).unwrap_or_default();
    let threads = json["threads"].as_array().map_or(&[][..], Vec::as_slice);
    let (whole, all) = whole_threads(dump).unwrap_or_default();
    let longest =
        threads.iter().filter_map(|thread| thread["stopped_us"].as_f64()).fold(0.0, f64::max);
    printer.row(&format!(
        "dump: {whole} of {all} threads whole; the longest stop of one took {longest:.0} µs"
    ));
    joins.holds(
        "dump reads every thread of the service to its beginning",
        whole == all && whole > 1,
        "as many whole stacks as threads",
        format!("{whole} of {all}; {}", output_text(dump)),
    );
}

/// How many threads were read to their beginning, and how many there are.
fn whole_threads(dump: &Output) -> Option<(usize, usize)> {
    let json: Value = serde_json::from_slice(&dump.stdout).ok()?;
    let threads = json["threads"].as_array()?;
    let whole = threads.iter().filter(|thread| thread["complete"] == true).count();
    Some((whole, threads.len()))
}

fn tells_functions(top: &Output) -> bool {
    let text = String::from_utf8_lossy(&top.stdout);
    text.contains("tokio") && text.contains("THREAD")
}

/// Whether the flame graph is whole and has the async runtime's functions.
pub(crate) fn is_drawn(svg: &Path) -> bool {
    let graph = std::fs::read_to_string(svg).unwrap_or_default();
    graph.trim_end().ends_with("</svg>") && graph.contains("tokio::runtime")
}

/// Looks until it has seen enough, ten times at most; what it saw last.
pub(crate) fn again_until(
    is_enough: impl Fn(&Output) -> bool,
    mut look: impl FnMut() -> Result<Output, Failure>,
) -> Result<Output, Failure> {
    let mut seen = look()?;
    for _ in 1..10 {
        if is_enough(&seen) || not_permitted(&seen).is_some() {
            break;
        }
        seen = look()?;
    }
    Ok(seen)
}

/// Requests are sent, one after the other, while `work` goes on.
fn under_load<T>(fleet: &Fleet, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let is_over = AtomicBool::new(false);
    let (http, url) = (&fleet.http, format!("{}/orders/profiled", fleet.gateway()));
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let mut is_served = true;
            while is_served && !is_over.load(Ordering::Relaxed) {
                is_served = http.send("POST", &url, &[], "").is_ok();
            }
        });
        let done = work();
        is_over.store(true, Ordering::Relaxed);
        done
    })
}

/// Runs the program.
pub(crate) fn obs_profile(arguments: &[&str]) -> Result<Output, Failure> {
    Command::new(program("obs-profile")?).args(arguments).output().during("obs-profile")
}

/// The line in which it says that the system does not let it look.
pub(crate) fn not_permitted(output: &Output) -> Option<String> {
    let said = output_text(output);
    let denied = ["not allowed", "belongs to another user", "not supported here"];
    (!output.status.success() && denied.iter().any(|text| said.contains(text))).then_some(said)
}

fn output_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}
