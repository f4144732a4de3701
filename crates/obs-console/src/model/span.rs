//! A finished span.

use std::sync::Arc;

use obs_context::{SpanId, TraceId};
use serde::Serialize;

use super::{Attributes, as_text, optional_text};

/// One finished span of one service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Span {
    /// The request that it belongs to.
    #[serde(serialize_with = "as_text")]
    pub trace_id: TraceId,
    /// The span itself.
    #[serde(serialize_with = "as_text")]
    pub span_id: SpanId,
    /// The span that it is a child of.
    #[serde(serialize_with = "optional_text")]
    pub parent_span_id: Option<SpanId>,
    /// The resource's `service.name`.
    pub service: Arc<str>,
    /// The resource's `service.instance.id`: which one of the service's processes.
    #[serde(rename = "service.instance.id", skip_serializing_if = "Option::is_none")]
    pub instance: Option<Arc<str>>,
    /// Its name.
    pub name: Box<str>,
    /// Its part in an exchange.
    pub kind: SpanKind,
    /// When it began, in nanoseconds of Unix time.
    pub start_unix_nanos: u64,
    /// How long it took.
    pub duration_nanos: u64,
    /// Whether it went well.
    pub status: SpanStatus,
    /// What the status says besides.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub status_message: Box<str>,
    /// Its attributes.
    pub attributes: Attributes,
    /// What happened in it.
    pub events: Vec<SpanEvent>,
    /// Other spans that it names.
    pub links: Vec<SpanLink>,
}

impl Span {
    /// When it ended, in nanoseconds of Unix time.
    pub fn end_unix_nanos(&self) -> u64 {
        self.start_unix_nanos.saturating_add(self.duration_nanos)
    }

    /// The route template of a server span.
    pub fn route(&self) -> Option<&str> {
        self.attributes.text("http.route")
    }

    /// The status code of the HTTP response, by the name of today or the former one.
    pub fn http_status(&self) -> Option<u64> {
        let code = self.attributes.find("http.response.status_code");
        code.or_else(|| self.attributes.find("http.status_code"))?.as_u64()
    }

    /// The HTTP method, by the name of today or the former one.
    pub fn http_method(&self) -> Option<&str> {
        let method = self.attributes.text("http.request.method");
        method.or_else(|| self.attributes.text("http.method"))
    }

    /// The request id, where the instrumentation keeps it.
    pub fn request_id(&self) -> Option<&str> {
        const KEYS: [&str; 3] = ["request_id", "request.id", "http.request.id"];
        KEYS.iter().find_map(|key| self.attributes.text(key)).or_else(|| {
            // The semantic conventions make a header an array of its values.
            let header = self.attributes.find("http.request.header.x-request-id")?;
            header.as_str().or_else(|| header.as_array()?.first()?.as_str())
        })
    }

    /// Whether it failed: its status says so, or a server answered 5xx.
    pub fn failed(&self) -> bool {
        let server_error = || self.http_status().is_some_and(|code| code >= 500);
        self.status == SpanStatus::Error || (self.kind == SpanKind::Server && server_error())
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        let events: usize =
            self.events.iter().map(|event| 64 + event.name.len() + event.attributes.bytes()).sum();
        let links: usize = self.links.iter().map(|link| 64 + link.attributes.bytes()).sum();
        let text = self.name.len() + self.status_message.len();
        size_of::<Self>() + 32 + text + self.attributes.bytes() + events + links
    }
}

/// What part a span has in an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SpanKind {
    /// Work inside the service; also what names no kind.
    #[default]
    Internal,
    /// Answers a request.
    Server,
    /// Makes a request.
    Client,
    /// Sends a message.
    Producer,
    /// Handles a message.
    Consumer,
}

/// Whether a span went well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SpanStatus {
    /// Nothing was said.
    #[default]
    Unset,
    /// Said to be well.
    Ok,
    /// Failed.
    Error,
}

/// Something that happened at a moment of a span.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpanEvent {
    /// When, in nanoseconds of Unix time.
    pub time_unix_nanos: u64,
    /// What.
    pub name: Box<str>,
    /// Its attributes.
    pub attributes: Attributes,
}

/// A span that another one names without being its child.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpanLink {
    /// The named span's trace.
    #[serde(serialize_with = "as_text")]
    pub trace_id: TraceId,
    /// The named span.
    #[serde(serialize_with = "as_text")]
    pub span_id: SpanId,
    /// Its attributes.
    pub attributes: Attributes,
}
