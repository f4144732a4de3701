//! One request, followed: its log lines, its trace, the metrics that it moved, the health meanwhile.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::demo::fleet::{Fleet, NAMES};
use crate::demo::joins::Joins;
use crate::demo::print::Printer;
use crate::error::Failure;
use crate::system::{Answer, until};

/// The request that was followed.
pub(crate) struct Request {
    pub(crate) request_id: String,
    pub(crate) trace_id: String,
    document: Value,
}

impl Request {
    pub(crate) fn json(&self) -> Value {
        json!({
            "request_id": self.request_id,
            "trace_id": self.trace_id,
            "document": self.document,
        })
    }
}

/// Sends `POST /orders/{id}` and checks every join of what comes of it.
pub(crate) fn follow(
    fleet: &Fleet,
    printer: &Printer,
    joins: &mut Joins,
) -> Result<Request, Failure> {
    fleet.console.scrape()?;
    let started = Instant::now();
    let url = format!("{}/orders/2026-42", fleet.gateway());
    let answer = fleet.http.send("POST", &url, &[], "")?;
    let took = started.elapsed();
    let request_id = answer.header("x-request-id").unwrap_or_default().to_owned();
    joins.same("the order is created", 201, answer.status);
    joins.holds(
        "the answer carries one request id",
        answer.headers.get_all("x-request-id").iter().count() == 1 && request_id.len() == 36,
        "one x-request-id header with a UUID",
        &request_id,
    );
    fleet.console.scrape()?;
    let document = complete_document(fleet, &request_id)?;
    let trace_id = document["trace_id"].as_str().unwrap_or_default().to_owned();
    printer.heading(
        "REQUEST",
        &format!("POST /orders/2026-42 → {} in {:.1} ms", answer.status, took.as_secs_f64() * 1e3),
    );
    printer.row(&format!("request id {request_id}"));
    printer.row(&format!("trace id   {trace_id}"));

    logs(&document, &request_id, printer, joins);
    if fleet.foreign_collector {
        printer.heading("TRACE", "sent to the collector of --otlp: look this trace id up there");
    } else {
        trace(&document, printer, joins);
    }
    metrics(&document, &trace_id, printer, joins);
    health(fleet, printer, joins)?;
    Ok(Request { request_id, trace_id, document })
}

/// The document once it has what a healthy run gives it, or whatever it has after a while: then the
/// joins tell what is missing.
fn complete_document(fleet: &Fleet, request_id: &str) -> Result<Value, Failure> {
    let most = Duration::from_secs(if fleet.is_broken { 20 } else { 60 });
    let mut last = None;
    let _ = until("the console has the whole request", most, || {
        let document = fleet.console.document(request_id)?;
        last.insert(document).as_object()?;
        is_whole(last.as_ref()?, fleet.foreign_collector).then_some(())
    });
    let missing = || Failure::new(format!("the console knows nothing of the request {request_id}"));
    last.ok_or_else(missing)
}

/// Whether nothing is still on its way: the services send in batches, each for itself.
fn is_whole(document: &Value, without_spans: bool) -> bool {
    let spans = array(&document["spans"]);
    let traced = || {
        kinds(document, "server").count() >= NAMES.len()
            && kinds(document, "client").count() >= NAMES.len() - 1
            && array(&document["orphans"]).is_empty()
            && spans.iter().any(|span| span["name"] == "process_order")
            && spans.iter().filter(|span| is_sql(span)).count() >= 2
    };
    let moved = array(&document["metrics"]);
    let measured = |name: &&str| {
        let mut of_this = moved.iter().filter(|change| change["service"] == *name);
        of_this.any(|change| change["exemplar"]["trace_id"] == document["trace_id"])
    };
    names(&document["logs"], "service").len() >= NAMES.len()
        && NAMES.iter().all(measured)
        && (without_spans || traced())
}

fn logs(document: &Value, request_id: &str, printer: &Printer, joins: &mut Joins) {
    let lines = array(&document["logs"]);
    let services = names(&document["logs"], "service");
    printer.heading("LOGS", &format!("{} lines from {} processes", lines.len(), services.len()));
    for line in lines {
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let fields = own_fields(line);
        printer.row(&format!(
            "{:9} {:5} {:28} {}",
            text("service"),
            text("level"),
            text("event"),
            printer.dim(&fields)
        ));
    }
    for name in NAMES {
        joins.holds(
            &format!("{name} logged the request"),
            services.iter().any(|service| service == name),
            "a log line with this request id",
            format!("lines of {services:?}"),
        );
    }
    let same = |field: &str, id: &str| lines.iter().all(|line| line[field] == id);
    let trace_id = document["trace_id"].as_str().unwrap_or_default();
    joins.holds(
        "every line has the one request id",
        same("request_id", request_id),
        request_id,
        format!("{:?}", distinct(lines, "request_id")),
    );
    joins.holds(
        "every line has the one trace id",
        same("trace_id", trace_id),
        trace_id,
        format!("{:?}", distinct(lines, "trace_id")),
    );
}

fn trace(document: &Value, printer: &Printer, joins: &mut Joins) {
    let spans = array(&document["spans"]);
    let services = names(&document["spans"], "service");
    printer.heading("TRACE", &format!("{} spans in {} processes", spans.len(), services.len()));
    for root in spans.iter().filter(|span| parent(spans, span).is_none()) {
        print_subtree(spans, root, 0, printer);
    }
    for name in NAMES {
        let servers = kinds(document, "server").filter(|span| span["service"] == name).count();
        joins.same(&format!("{name} has one server span in the trace"), 1, servers);
    }
    let orphans = array(&document["orphans"]).len();
    joins.same("no span misses its parent", 0, orphans);
    joins.same("the trace has one root", 1, array(&document["roots"]).len());
    for (caller, callee) in [("gateway", "orders"), ("orders", "payments")] {
        let joined =
            kinds(document, "server").filter(|span| span["service"] == callee).any(|server| {
                parent(spans, server)
                    .is_some_and(|client| client["service"] == caller && is_kind(client, "client"))
            });
        joins.holds(
            &format!("{callee}'s server span continues {caller}'s client span"),
            joined,
            "the server span's parent is the caller's client span",
            "another parent, or none",
        );
    }
    let processed = spans.iter().find(|span| span["name"] == "process_order");
    joins.holds(
        "the manual span is there, with its attributes",
        processed.is_some_and(|span| {
            span["attributes"]["order.id"] == "2026-42"
                && span["attributes"]["order.status"] == "completed"
        }),
        "process_order with order.id and order.status",
        processed.map_or("no such span".to_owned(), |span| span["attributes"].to_string()),
    );
    let sql = spans.iter().filter(|span| is_sql(span));
    let nested = sql.filter(|span| parent(spans, span) == processed && processed.is_some()).count();
    joins.holds(
        "the SQL spans are children of the manual span",
        nested >= 2,
        "at least 2 spans with db.query.text below process_order",
        nested,
    );
}

fn metrics(document: &Value, trace_id: &str, printer: &Printer, joins: &mut Joins) {
    let moved = array(&document["metrics"]);
    printer.heading("METRICS", "what moved, and where an exemplar names this trace");
    for change in moved.iter().filter(|change| is_shown(change)) {
        let exemplar = change["exemplar"]["trace_id"].as_str();
        let mark = if exemplar == Some(trace_id) { "  ← exemplar: this trace" } else { "" };
        printer.row(&format!(
            "{:9} {}{} {} → {}{mark}",
            change["service"].as_str().unwrap_or_default(),
            change["name"].as_str().unwrap_or_default(),
            printer.dim(&shown_labels(&change["labels"])),
            number(&change["before"]),
            number(&change["after"]),
        ));
    }
    for (service, route) in
        [("gateway", "/orders/{id}"), ("orders", "/orders/{id}"), ("payments", "/charge/{id}")]
    {
        let counted = moved.iter().find(|change| {
            change["service"] == service
                && change["name"] == "http_requests_total"
                && change["labels"]["path"] == route
                && change["labels"]["method"] == "POST"
        });
        let delta = counted.and_then(|change| change["delta"].as_f64()).unwrap_or_default();
        joins.holds(
            &format!("{service} counted the request under its route template"),
            delta == 1.0,
            &format!("http_requests_total{{method=POST, path={route}}} up by 1"),
            format!("up by {delta}"),
        );
        let named = moved.iter().any(|change| {
            change["service"] == service && change["exemplar"]["trace_id"] == trace_id
        });
        joins.holds(
            &format!("an exemplar of {service} names the trace"),
            named,
            &format!("trace_id {trace_id} in an exemplar"),
            "none",
        );
    }
    let business = moved.iter().any(|change| change["name"] == "orders_processed_total");
    joins.holds(
        "the business metric moved with the request",
        business,
        "orders_processed_total with this trace's exemplar",
        "not among the metrics of this request",
    );
}

fn health(fleet: &Fleet, printer: &Printer, joins: &mut Joins) -> Result<(), Failure> {
    printer.heading("HEALTH", "what Kubernetes would be told");
    for name in NAMES {
        let ready = answers_200(fleet, &format!("{}/readyz", fleet.admin(name)))?;
        let alive = answers_200(fleet, &format!("{}/healthz", fleet.admin(name)))?;
        printer.row(&format!(
            "{name:9} /healthz {} {}  /readyz {} {}",
            alive.status, alive.body, ready.status, ready.body
        ));
        joins.same(
            &format!("{name} is alive and ready"),
            "200 200",
            format!("{} {}", alive.status, ready.status),
        );
    }
    Ok(())
}

/// The first answer with 200, or else the last one: on a busy machine a check may just have been late.
fn answers_200(fleet: &Fleet, url: &str) -> Result<Answer, Failure> {
    let well = until("it is well", Duration::from_secs(60), || {
        fleet.http.get(url).ok().filter(|answer| answer.status == 200)
    });
    well.or_else(|_| fleet.http.get(url))
}

fn print_subtree(spans: &[Value], span: &Value, depth: usize, printer: &Printer) {
    let milliseconds = span["duration_nanos"].as_f64().unwrap_or_default() / 1e6;
    let statement = span["attributes"]["db.query.text"].as_str().unwrap_or_default();
    printer.row(&format!(
        "{:9} {:48} {:8} {milliseconds:7.2} ms {}",
        span["service"].as_str().unwrap_or_default(),
        format!("{}{}", "  ".repeat(depth), span["name"].as_str().unwrap_or_default()),
        span["kind"].as_str().unwrap_or_default().to_lowercase(),
        printer.dim(statement),
    ));
    for child in spans.iter().filter(|child| child["parent_span_id"] == span["span_id"]) {
        print_subtree(spans, child, depth + 1, printer);
    }
}

fn parent<'a>(spans: &'a [Value], span: &Value) -> Option<&'a Value> {
    let id = span["parent_span_id"].as_str()?;
    spans.iter().find(|other| other["span_id"] == id)
}

fn kinds<'a>(document: &'a Value, kind: &'static str) -> impl Iterator<Item = &'a Value> {
    array(&document["spans"]).iter().filter(move |span| is_kind(span, kind))
}

fn is_kind(span: &Value, kind: &str) -> bool {
    span["kind"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(kind))
}

fn is_sql(span: &Value) -> bool {
    !span["attributes"]["db.query.text"].is_null()
}

fn number(value: &Value) -> String {
    value.as_f64().map_or_else(|| "none".to_owned(), |number| number.to_string())
}

/// A histogram has a dozen lines: the one with the exemplar says enough.
fn is_shown(change: &Value) -> bool {
    let part = |end: &str| change["name"].as_str().is_some_and(|name| name.ends_with(end));
    !change["exemplar"].is_null() || !(part("_bucket") || part("_sum") || part("_count"))
}

fn distinct(lines: &[Value], field: &str) -> Vec<String> {
    let mut values: Vec<String> =
        lines.iter().map(|line| line[field].as_str().unwrap_or("none").to_owned()).collect();
    values.sort();
    values.dedup();
    values
}

fn names(of: &Value, field: &str) -> Vec<String> {
    distinct(array(of), field)
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// What a line has besides what every line of the request has.
pub(crate) fn own_fields(line: &Value) -> String {
    const SHOWN_ELSEWHERE: [&str; 11] = [
        "event",
        "level",
        "method",
        "path",
        "request_id",
        "route",
        "service",
        "span_id",
        "target",
        "timestamp",
        "trace_id",
    ];
    let fields = line.as_object().into_iter().flatten();
    let shown = fields.filter(|(name, _)| !SHOWN_ELSEWHERE.contains(&name.as_str()));
    shown
        .map(|(name, value)| format!("{name}={}", shortened(&value.to_string())))
        .collect::<Vec<_>>()
        .join(" ")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(100) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

fn shown_labels(labels: &Value) -> String {
    let labels = labels.as_object().into_iter().flatten();
    let pairs: Vec<_> = labels.map(|(name, value)| format!("{name}={value}")).collect();
    format!("{{{}}}", pairs.join(","))
}
