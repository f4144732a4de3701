//! SIGTERM under load: everything that was accepted is answered, logged and traced.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;

use crate::demo::fleet::{Fleet, NAMES};
use crate::demo::joins::Joins;
use crate::demo::load::in_flight;
use crate::demo::print::Printer;
use crate::error::Failure;
use crate::system::{Line, until};

/// Longer than it takes until they are woken.
const HELD_MS: u64 = 60_000;

pub(crate) fn show(
    fleet: &mut Fleet,
    count: usize,
    printer: &Printer,
    joins: &mut Joins,
) -> Result<(), Failure> {
    printer.heading("SHUTDOWN", &format!("SIGTERM with {count} requests in flight"));
    printer.step("until all of them are in flight, answered, and the gateway has ended");
    let gateway = fleet.services().find(|service| service.name == "gateway");
    let admin = fleet.admin("gateway").to_owned();
    let wake = format!("{}/wake", fleet.url("orders"));
    let mut arrived = Ok(());
    // None of them is over before the gateway has been told to end.
    let batch = in_flight(fleet, count, HELD_MS, || {
        arrived = until("all requests are in flight", Duration::from_secs(40), || {
            let metrics = fleet.http.get(&format!("{admin}/metrics")).ok()?.body;
            (in_progress(&metrics)? >= count as f64).then_some(())
        });
        if let Some(gateway) = gateway {
            gateway.terminate();
            let _ = until("the gateway drains", Duration::from_secs(10), || {
                gateway.lines().iter().any(is_told_to_end).then_some(())
            });
        }
        let _ = fleet.http.send("POST", &wake, &[], "");
    });
    joins.holds(
        "all of them were in flight together",
        arrived.is_ok(),
        &format!("{count} requests in progress"),
        arrived.err().map_or(String::new(), |failure| failure.to_string()),
    );
    let first = batch.failures.first().cloned().unwrap_or_default();
    joins.holds(
        "every request in flight at SIGTERM was answered",
        batch.answered.len() == count,
        &format!("{count} answers"),
        format!("{} answers; {first}", batch.answered.len()),
    );
    for name in NAMES {
        if let Some(service) = fleet.service(name).filter(|service| service.name != "gateway") {
            service.terminate();
        }
        end(fleet, name, printer, joins)?;
    }

    let answered: HashSet<&str> = batch.answered.iter().map(String::as_str).collect();
    for (name, event) in [("gateway", "forwarding to orders"), ("orders", "being slow")] {
        let lines = fleet.service(name).map(|service| service.lines()).unwrap_or_default();
        let logged = lines.iter().filter(|line| line.json["event"] == event);
        let ids: HashSet<&str> =
            logged.filter_map(|line| line.json["request_id"].as_str()).collect();
        let found = answered.iter().filter(|id| ids.contains(**id)).count();
        joins.same(&format!("{name} has a log line of every answered request"), count, found);
    }
    if !fleet.foreign_collector {
        let traced = batch.answered.iter().filter(|id| is_traced(fleet, id)).count();
        joins.same("the console has the spans of every answered request", count, traced);
    }
    Ok(())
}

/// Ends every service, without load.
pub(crate) fn end_all(
    fleet: &mut Fleet,
    printer: &Printer,
    joins: &mut Joins,
) -> Result<(), Failure> {
    printer.heading("SHUTDOWN", "SIGTERM");
    // Ctrl-C in a terminal has told the services already; a second signal would hurry them.
    std::thread::sleep(Duration::from_millis(300));
    for name in NAMES {
        if let Some(service) = fleet.service(name)
            && !service.lines().iter().any(is_told_to_end)
        {
            service.terminate();
        }
        end(fleet, name, printer, joins)?;
    }
    Ok(())
}

fn is_told_to_end(line: &Line) -> bool {
    line.json["event"] == "shutting down"
}

/// Waits for the end of a service and reads its own report of it.
fn end(
    fleet: &mut Fleet,
    name: &'static str,
    printer: &Printer,
    joins: &mut Joins,
) -> Result<(), Failure> {
    let Some(service) = fleet.service(name) else { return Ok(()) };
    let status = service.wait(Duration::from_secs(120))?;
    joins.same(&format!("{name} ends with exit code 0"), "0", code(status));
    let lines = service.lines();
    let report = lines.iter().rev().find(|line| line.json["stages"].is_string());
    let report = report.map(|line| line.json.clone()).unwrap_or_default();
    let stages = report["stages"].as_str().unwrap_or("no report");
    printer.row(&format!("{name:9} {stages}"));
    joins.same(&format!("{name} reports that nothing was lost"), "0", lost(&report));
    Ok(())
}

fn is_traced(fleet: &Fleet, request_id: &str) -> bool {
    let Some(document) = fleet.console.document(request_id) else { return false };
    let spans = document["spans"].as_array().map_or(&[][..], Vec::as_slice);
    let servers = |name: &str| {
        spans.iter().any(|span| {
            let kind = span["kind"].as_str().unwrap_or_default();
            span["service"] == name && kind.eq_ignore_ascii_case("server")
        })
    };
    servers(NAMES[0]) && servers(NAMES[1])
}

fn in_progress(metrics: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| line.starts_with("http_requests_in_progress "))?;
    line.rsplit(' ').next()?.parse().ok()
}

fn lost(report: &Value) -> String {
    report["lost"].as_u64().map_or("no report".to_owned(), |lost| lost.to_string())
}

fn code(status: std::process::ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| code.to_string())
}
