//! Requests of a small shop, as its three services would send them.

#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::time::{SystemTime, UNIX_EPOCH};

use obs_console::{
    Attributes, Breadcrumb, ErrorCause, ErrorEvent, ErrorFrame, LogLine, Span, SpanKind,
    SpanStatus, Store,
};
use obs_context::{SpanId, TraceId};
use serde_json::{Value, json};

const MS: u64 = 1_000_000;

pub fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

pub fn attributes(value: &Value) -> Attributes {
    let pairs = value.as_object().unwrap().iter();
    Attributes::new(pairs.map(|(key, value)| (key.as_str().into(), value.clone())).collect())
}

/// One request through gateway, orders and payments.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    pub trace: u128,
    pub status: u64,
    pub start: u64,
    pub millis: u64,
}

impl Order {
    pub fn new(trace: u128, status: u64) -> Self {
        Self { trace, status, start: now() - 3_000 * MS, millis: 100 }
    }

    pub fn id(&self) -> String {
        TraceId::new(self.trace).to_string()
    }

    fn route(&self) -> &'static str {
        if self.status >= 500 { "/fail" } else { "/orders/{id}" }
    }

    fn span(
        &self,
        id: u64,
        parent: u64,
        service: &str,
        name: &str,
        (from, to): (u64, u64),
    ) -> Span {
        let percent = self.millis * MS / 100;
        Span {
            trace_id: TraceId::new(self.trace),
            span_id: SpanId::new(id),
            parent_span_id: (parent != 0).then(|| SpanId::new(parent)),
            service: service.into(),
            instance: Some(format!("{service}-1").into()),
            name: name.into(),
            kind: SpanKind::Internal,
            start_unix_nanos: self.start + from * percent,
            duration_nanos: (to - from) * percent,
            status: SpanStatus::Unset,
            status_message: "".into(),
            attributes: Attributes::default(),
            events: Vec::new(),
            links: Vec::new(),
        }
    }

    pub fn spans(&self) -> Vec<Span> {
        let server = |span: Span| Span {
            kind: SpanKind::Server,
            status: if self.status >= 500 { SpanStatus::Error } else { SpanStatus::Unset },
            attributes: attributes(&json!({
                "http.request.method": "POST", "http.route": self.route(), "http.response.status_code": self.status,
                "url.path": "/orders/2026-42", "url.scheme": "http", "server.address": "127.0.0.1", "server.port": 8000,
            })),
            ..span
        };
        let client = |span: Span| Span { kind: SpanKind::Client, ..span };
        let name = format!("POST {}", self.route());
        vec![
            server(self.span(1, 0, "gateway", &name, (0, 100))),
            client(self.span(2, 1, "gateway", "POST", (5, 95))),
            server(self.span(3, 2, "orders", &name, (10, 90))),
            Span {
                attributes: attributes(&json!({ "order.id": "2026-42" })),
                ..self.span(4, 3, "orders", "process_order", (15, 85))
            },
            Span {
                kind: SpanKind::Client,
                attributes: attributes(
                    &json!({ "db.system.name": "sqlite", "db.query.text": "SELECT status FROM orders" }),
                ),
                ..self.span(5, 4, "orders", "SELECT orders", (20, 30))
            },
            client(self.span(6, 4, "orders", "POST", (32, 70))),
            server(self.span(7, 6, "payments", "POST /charge/{id}", (36, 66))),
        ]
    }

    pub fn line(
        &self,
        span: u64,
        service: &str,
        level: &str,
        event: &str,
        at: u64,
        fields: &Value,
    ) -> LogLine {
        LogLine {
            service: service.into(),
            instance: Some(format!("{service}-1").into()),
            unix_nanos: self.start + at * MS,
            level: level.into(),
            event: event.into(),
            target: "orders::api".into(),
            trace_id: Some(TraceId::new(self.trace)),
            span_id: Some(SpanId::new(span)),
            request_id: Some(format!("r-{}", self.trace).into()),
            fields: attributes(fields),
        }
    }

    pub fn lines(&self) -> Vec<LogLine> {
        let last = match self.status {
            500.. => {
                self.line(4, "orders", "error", "the report could not be made", 80, &json!({}))
            }
            _ => self.line(
                4,
                "orders",
                "info",
                "order completed",
                80,
                &json!({ "order.status": "completed" }),
            ),
        };
        vec![
            self.line(1, "gateway", "info", "forwarding to orders", 4, &json!({})),
            self.line(7, "payments", "info", "card charged", 50, &json!({ "amount": 89.5 })),
            last,
        ]
    }

    pub fn error(&self) -> ErrorEvent {
        ErrorEvent {
            event_id: self.trace,
            service: "orders".into(),
            unix_nanos: self.start + 80 * MS,
            level: "error".into(),
            message: "the report could not be made".into(),
            exceptions: vec![
                ErrorCause { kind: "Database".into(), value: "the query failed".into() },
                ErrorCause { kind: "SqliteError".into(), value: "no such table: reports".into() },
            ],
            frames: vec![ErrorFrame {
                function: "orders::report::load".into(),
                file: "src/report.rs".into(),
                line: Some(42),
            }],
            trace_id: Some(TraceId::new(self.trace)),
            span_id: Some(SpanId::new(4)),
            request_id: Some(format!("r-{}", self.trace).into()),
            transaction: Some("POST /fail".into()),
            release: Some("orders@1.2.3".into()),
            environment: Some("test".into()),
            tags: attributes(&json!({ "service": "orders" })),
            breadcrumbs: vec![Breadcrumb {
                unix_nanos: self.start,
                level: "info".into(),
                category: "orders::report".into(),
                message: "loading the report".into(),
                data: Attributes::default(),
            }],
        }
    }

    pub fn send(&self, store: &Store) {
        store.add_spans(self.spans());
        store.add_logs(self.lines());
        if self.status >= 500 {
            store.add_errors([self.error()]);
        }
    }

    /// What orders' `/metrics` says once this request has passed, before `count` others.
    pub fn metrics(&self, count: u32) -> String {
        let labels = r#"method="POST",path="/orders/{id}",status="201""#;
        let exemplar = format!(
            r#"# {{trace_id="{}",span_id="{}"}} 0.1 {}.5"#,
            self.id(),
            SpanId::new(3),
            self.start / 1_000_000_000
        );
        format!(
            "# TYPE http_requests counter\n# HELP http_requests Requests that were answered.\nhttp_requests_total{{{labels}}} {count} {exemplar}\n\
             # TYPE http_request_duration_seconds histogram\n# UNIT http_request_duration_seconds seconds\n\
             http_request_duration_seconds_bucket{{{labels},le=\"0.05\"}} 0\n\
             http_request_duration_seconds_bucket{{{labels},le=\"0.25\"}} {count} {exemplar}\n\
             http_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} {count}\n\
             http_request_duration_seconds_count{{{labels}}} {count}\nhttp_request_duration_seconds_sum{{{labels}}} {count}\n# EOF\n"
        )
    }
}
