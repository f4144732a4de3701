//! The sixth join: the error event that a fault left in the console, named by the log line and by the span.

use serde_json::Value;

use crate::demo::fleet::Fleet;
use crate::demo::joins::Joins;
use crate::demo::print::Printer;

/// Whether the console has all that is told of the error which this line is about.
pub(crate) fn is_whole(document: &Value, line: &Value, fleet: &Fleet) -> bool {
    event_of(document, line).is_some()
        && (fleet.foreign_collector || span_of(document, line).is_some())
}

/// Prints the error events of a request, and joins the one of this line with line, span and request.
pub(crate) fn join(
    path: &str,
    document: &Value,
    line: &Value,
    fleet: &Fleet,
    printer: &Printer,
    joins: &mut Joins,
) {
    for event in array(&document["errors"]) {
        printer.row(&summary(event, printer));
    }
    let named = text(line, "error.id");
    let event = event_of(document, line).unwrap_or(&Value::Null);
    joins.holds(
        &format!("{path} left an error event whose id its line names"),
        event["event_id"].is_string(),
        "an event of /api/errors with the line's error.id",
        format!("{named:?} in the line, {} in the console", document["errors"]),
    );
    joins.same(
        &format!("{path}'s error event has the request's trace id"),
        text(document, "trace_id"),
        text(event, "trace_id"),
    );
    joins.same(
        &format!("{path}'s error event has the request id"),
        text(line, "request_id"),
        text(event, "request_id"),
    );
    if fleet.foreign_collector {
        return;
    }
    let span = span_of(document, line).unwrap_or(&Value::Null);
    joins.holds(
        &format!("{path}'s span names the error event, and the event names the span"),
        span["span_id"].is_string() && span["span_id"] == event["span_id"],
        "obs.error.id of the span whose id the event has",
        format!("span {} with {}, event of span {}", span["span_id"], named, event["span_id"]),
    );
}

/// The admin server lists the place of the error, without any receiver.
pub(crate) fn listed(path: &str, document: &Value, line: &Value, fleet: &Fleet, joins: &mut Joins) {
    // Where the line is lost, no service has it.
    let url = format!("{}/debug/errors", fleet.admin(text(line, "service")));
    let places = fleet.http.get(&url).map(|answer| answer.json()).unwrap_or_default();
    let named = array(&places["errors"]).iter().any(|place| {
        place["last_error_id"] == line["error.id"]
            && array(&place["trace_ids"]).contains(&document["trace_id"])
    });
    joins.holds(
        &format!("/debug/errors has {path}'s place, with the error's id and the trace id"),
        named,
        &format!("a place with {} and {}", line["error.id"], document["trace_id"]),
        places,
    );
}

fn event_of<'a>(document: &'a Value, line: &Value) -> Option<&'a Value> {
    let id = line["error.id"].as_str()?;
    array(&document["errors"]).iter().find(|event| event["event_id"] == id)
}

fn span_of<'a>(document: &'a Value, line: &Value) -> Option<&'a Value> {
    let id = line["error.id"].as_str()?;
    array(&document["spans"]).iter().find(|span| span["attributes"]["obs.error.id"] == id)
}

/// `orders  GET /fail  Database: no such table  orders::fail (src/main.rs:96)  event 1f…`
fn summary(event: &Value, printer: &Printer) -> String {
    let causes = array(&event["exceptions"]).iter();
    let causes: Vec<String> =
        causes.map(|cause| format!("{}: {}", text(cause, "type"), text(cause, "value"))).collect();
    let place = match event["frames"].get(0) {
        Some(frame) => {
            format!(" at {} ({}:{})", text(frame, "function"), text(frame, "file"), frame["line"])
        }
        None => String::new(),
    };
    let crumbs = array(&event["breadcrumbs"]).len();
    format!(
        "issue {:9} {:12} {}{place} {}",
        text(event, "service"),
        text(event, "transaction"),
        causes.join(" ← "),
        printer.dim(&format!(
            "event {}, trace {}, {crumbs} breadcrumbs",
            text(event, "event_id"),
            text(event, "trace_id")
        )),
    )
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_default()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
