//! A report in Sentry's protocol.

use std::borrow::Cow;
use std::collections::BTreeMap;

use sentry_types::Uuid;
use sentry_types::protocol::v7 as protocol;
use serde_json::{Value, json};

use crate::report::{Breadcrumb, Frame, Kind, Report, Request};

/// What all events of the process share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    pub(crate) service: String,
    pub(crate) environment: Option<String>,
    pub(crate) release: Option<String>,
    pub(crate) server_name: Option<String>,
}

pub(crate) fn event(report: &Report, origin: &Origin) -> protocol::Event<'static> {
    let owned = |text: &Option<String>| text.clone().map(Cow::Owned);
    let mut event = protocol::Event {
        event_id: Uuid::from_u128(report.id.get()),
        level: if report.kind == Kind::Panic {
            protocol::Level::Fatal
        } else {
            protocol::Level::Error
        },
        timestamp: report.time,
        platform: Cow::Borrowed("native"),
        logger: (!report.target.is_empty()).then(|| report.target.clone()),
        transaction: transaction(report),
        server_name: owned(&origin.server_name),
        environment: owned(&origin.environment),
        release: owned(&origin.release),
        request: report.request.as_ref().map(request),
        breadcrumbs: report.breadcrumbs.iter().map(breadcrumb).collect(),
        tags: tags(report, origin),
        extra: report.fields.iter().cloned().collect(),
        fingerprint: report.fingerprint.iter().cloned().map(Cow::Owned).collect(),
        sdk: Some(Cow::Owned(sdk())),
        ..protocol::Event::default()
    };
    if !report.message.is_empty() {
        // `message` on the event itself is of a former protocol: receivers leave it out.
        event.logentry =
            Some(protocol::LogEntry { message: report.message.clone(), params: Vec::new() });
    }
    let stack = stacktrace(&report.stack);
    if report.chain.is_empty() {
        // An event without an error: its stack is the thread's.
        event.threads = vec![protocol::Thread {
            name: report.thread.clone(),
            stacktrace: stack,
            current: true,
            ..protocol::Thread::default()
        }]
        .into();
    } else {
        event.exception = exceptions(report, stack).into();
    }
    event.contexts = contexts(report);
    event
}

pub(crate) fn sdk() -> protocol::ClientSdkInfo {
    protocol::ClientSdkInfo {
        name: "obs.rust".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        integrations: Vec::new(),
        packages: Vec::new(),
    }
}

/// The innermost cause first, as the protocol has it; the outermost has the stack.
fn exceptions(
    report: &Report,
    mut stack: Option<protocol::Stacktrace>,
) -> Vec<protocol::Exception> {
    let mechanism = protocol::Mechanism {
        ty: report.kind.as_str().to_owned(),
        handled: Some(report.kind != Kind::Panic),
        ..protocol::Mechanism::default()
    };
    let exceptions = report.chain.iter().enumerate().map(|(at, cause)| protocol::Exception {
        ty: cause.kind.clone(),
        value: Some(cause.message.clone()),
        stacktrace: if at == 0 { stack.take() } else { None },
        mechanism: (at == 0).then(|| mechanism.clone()),
        ..protocol::Exception::default()
    });
    let mut exceptions: Vec<_> = exceptions.collect();
    exceptions.reverse();
    exceptions
}

/// The outermost call first, as the protocol has it.
fn stacktrace(frames: &[Frame]) -> Option<protocol::Stacktrace> {
    let frames = frames.iter().map(|frame| {
        let source = frame.source.as_deref();
        let file = frame.file.as_deref().map(|file| match file.rsplit_once("/src/") {
            Some((_, inside)) => format!("src/{inside}"),
            None => file.to_owned(),
        });
        protocol::Frame {
            module: module_of(&frame.function),
            function: Some(frame.function.clone()),
            filename: file,
            abs_path: frame.file.clone(),
            lineno: frame.line.map(u64::from),
            colno: frame.column.map(u64::from),
            in_app: Some(frame.in_app),
            instruction_addr: (frame.address != 0).then_some(protocol::Addr(frame.address)),
            pre_context: source.map(|source| source.before.clone()).unwrap_or_default(),
            context_line: source.map(|source| source.line.clone()),
            post_context: source.map(|source| source.after.clone()).unwrap_or_default(),
            ..protocol::Frame::default()
        }
    });
    protocol::Stacktrace::from_frames_reversed(frames.collect())
}

fn module_of(function: &str) -> Option<String> {
    let path = function.trim_start_matches('<');
    path.rsplit_once("::").map(|(module, _)| module.to_owned())
}

fn transaction(report: &Report) -> Option<String> {
    let request = report.request.as_ref()?;
    Some(match request.route {
        Some(route) => format!("{} {route}", request.method),
        None => request.method.clone(),
    })
}

fn request(request: &Request) -> protocol::Request {
    // The protocol wants an absolute URL; what host the client named is nobody's business here.
    let url = format!("http://service{}", request.path).parse().ok();
    protocol::Request { method: Some(request.method.clone()), url, ..protocol::Request::default() }
}

fn breadcrumb(crumb: &Breadcrumb) -> protocol::Breadcrumb {
    let level = match crumb.level {
        tracing::Level::ERROR => protocol::Level::Error,
        tracing::Level::WARN => protocol::Level::Warning,
        tracing::Level::INFO => protocol::Level::Info,
        _ => protocol::Level::Debug,
    };
    protocol::Breadcrumb {
        timestamp: crumb.time,
        ty: "log".to_owned(),
        category: Some(crumb.target.to_owned()),
        level,
        message: Some(crumb.message.clone()),
        data: crumb.fields.iter().cloned().collect(),
    }
}

fn tags(report: &Report, origin: &Origin) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    let mut tag = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            tags.insert(name.to_owned(), value.chars().take(200).collect());
        }
    };
    tag("service", Some(origin.service.clone()));
    tag("kind", Some(report.kind.as_str().to_owned()));
    tag("place", Some(report.place.clone()));
    tag("request_id", report.request_id.as_ref().map(ToString::to_string));
    if let Some(request) = &report.request {
        tag("http.request.method", Some(request.method.clone()));
        tag("http.route", request.route.map(str::to_owned));
        tag("http.response.status_code", request.status.map(|status| status.to_string()));
    }
    if let Some(span) = report.span {
        tag("trace_id", Some(span.trace_id.to_string()));
        tag("span_id", Some(span.span_id.to_string()));
    }
    if report.unreported > 0 {
        tag("unreported_before", Some(report.unreported.to_string()));
    }
    tags
}

fn contexts(report: &Report) -> BTreeMap<String, protocol::Context> {
    let mut contexts = BTreeMap::new();
    if let Some(span) = report.span {
        let trace = protocol::TraceContext {
            trace_id: span.trace_id.get().to_be_bytes().into(),
            span_id: span.span_id.get().to_be_bytes().into(),
            op: report.request.as_ref().map(|_| "http.server".to_owned()),
            ..protocol::TraceContext::default()
        };
        contexts.insert("trace".to_owned(), protocol::Context::Trace(Box::new(trace)));
    }
    if !report.spans.is_empty() {
        let spans = report.spans.iter().enumerate().map(|(depth, span)| {
            let duration = span.duration.map(|time| format!("{:.3} ms", time.as_secs_f64() * 1e3));
            (format!("{depth} {}", span.name), duration.map_or(Value::Null, Value::from))
        });
        contexts.insert("spans".to_owned(), protocol::Context::Other(spans.collect()));
    }
    if let Some(status) = report.request.as_ref().and_then(|request| request.status) {
        let response = [("status_code".to_owned(), json!(status))].into_iter().collect();
        contexts.insert("response".to_owned(), protocol::Context::Other(response));
    }
    contexts
}
