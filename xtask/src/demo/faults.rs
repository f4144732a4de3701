//! A failing route and a panicking one: every pillar says the same of them.

use std::time::Duration;

use serde_json::Value;

use crate::demo::errors;
use crate::demo::fleet::Fleet;
use crate::demo::follow::own_fields;
use crate::demo::joins::Joins;
use crate::demo::print::Printer;
use crate::error::Failure;
use crate::system::until;

pub(crate) fn show(fleet: &Fleet, printer: &Printer, joins: &mut Joins) -> Result<(), Failure> {
    printer.heading("FAULTS", "a failing handler and a panicking one");
    for path in ["/fail", "/panic"] {
        let answer = fleet.http.get(&format!("{}{path}", fleet.gateway()))?;
        let id = answer.header("x-request-id").unwrap_or_default().to_owned();
        joins.same(&format!("{path} is answered 500, on a whole connection"), 500, answer.status);
        let (document, line) = document_and_line(fleet, &id);
        printer.row(&format!("GET {path} → {}   {}", answer.status, summary(&line)));
        joins.holds(
            &format!("{path} left an error line with the request's id"),
            line["service"] == "orders",
            "an error line of orders",
            summary(&line),
        );
        errors::join(path, &document, &line, fleet, printer, joins);
        errors::listed(path, &document, &line, fleet, joins);
        if path == "/fail" {
            joins.holds(
                "the error's line tells its causes",
                line["error.message"].to_string().contains("reports"),
                "the database's own message in error.message",
                own_fields(&line),
            );
        }
    }
    let metrics = fleet.http.get(&format!("{}/metrics", fleet.admin("orders")))?.body;
    for path in ["/fail", "/panic"] {
        let series =
            format!("http_requests_total{{method=\"GET\",path=\"{path}\",status=\"500\"}} 1");
        joins.holds(
            &format!("{path} is counted as 500"),
            metrics.contains(&series),
            &series,
            "not on /metrics of orders",
        );
    }
    Ok(())
}

/// What the console has of the request and of its error, once that is whole; else what it has by then.
fn document_and_line(fleet: &Fleet, id: &str) -> (Value, Value) {
    let mut last = (Value::Null, Value::Null);
    let _ = until("the console has the error", Duration::from_secs(60), || {
        let document = fleet.console.document(id)?;
        let lines = document["logs"].as_array()?;
        let line = lines.iter().find(|line| line["level"] == "error").cloned()?;
        let is_whole = errors::is_whole(&document, &line, fleet);
        last = (document, line);
        is_whole.then_some(())
    });
    last
}

fn summary(line: &Value) -> String {
    format!("{}  {}", line["event"].as_str().unwrap_or("no line"), own_fields(line))
}
