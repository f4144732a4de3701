//! Encodes records as OTLP's `ExportTraceServiceRequest`, without an intermediate form.
//!
//! Field numbers are those of opentelemetry-proto `trace/v1/trace.proto`, version 1.

use fastant::Anchor;
use obs_otlp::Resource;
use obs_otlp::wire::{Write, length_bytes};

use crate::record::{Attribute, Event, EventName, Link, Record, SpanContext, Status, Stored};

/// Room for the transport's own prefix and the two outermost lengths.
const HEADROOM: usize = 32;

/// An encoded request being put together: the spans first, the head when they are complete.
#[derive(Debug)]
pub(crate) struct Request {
    buffer: Vec<u8>,
    start: usize,
    spans: usize,
    anchor: Clock,
    /// Name, spans and bytes; few names, found from the end.
    costs: Vec<(&'static str, u64, u64)>,
}

/// What all requests begin with: the resource and the scope.
#[derive(Debug)]
pub(crate) struct RequestHead {
    resource: Vec<u8>,
    scope: Vec<u8>,
}

/// Ties the fast clock to the wall clock, once a request.
struct Clock(Anchor);

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Anchor")
    }
}

impl RequestHead {
    pub(crate) fn new(resource: &Resource) -> Self {
        let mut encoded = Vec::new();
        encoded.text(1, &resource.encode());
        let mut scope = Vec::new();
        scope.message(1, |out| {
            out.text(1, env!("CARGO_PKG_NAME").as_bytes());
            out.text(2, env!("CARGO_PKG_VERSION").as_bytes());
        });
        Self { resource: encoded, scope }
    }
}

impl Request {
    pub(crate) fn new(head: &RequestHead) -> Self {
        let start = HEADROOM + head.resource.len() + head.scope.len();
        let mut buffer = Vec::with_capacity(start + 64 * 1024);
        buffer.resize(start, 0);
        Self { buffer, start, spans: 0, anchor: Clock(Anchor::new()), costs: Vec::new() }
    }

    pub(crate) fn spans(&self) -> usize {
        self.spans
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Adds a span that is over.
    pub(crate) fn add(&mut self, record: &Record) {
        let name = record.span_context.name;
        let anchor = &self.anchor.0;
        let before = self.buffer.len();
        self.buffer.message(2, |out| span(out, record, anchor));
        let bytes = (self.buffer.len() - before) as u64;
        self.spans += 1;
        // Names are the callsites' own texts: the same one is at the same address.
        let same = |cost: &&mut (&'static str, u64, u64)| std::ptr::eq(cost.0, name);
        match self.costs.iter_mut().rev().find(same) {
            Some(cost) => *cost = (cost.0, cost.1 + 1, cost.2 + bytes),
            None => self.costs.push((name, 1, bytes)),
        }
    }

    /// What the request holds of each name: name, spans, bytes.
    pub(crate) fn costs(&self) -> &[(&'static str, u64, u64)] {
        &self.costs
    }

    /// The whole request, and where in the buffer it begins: what is before that is free for the
    /// transport's prefix.
    pub(crate) fn finish(mut self, head: &RequestHead) -> (Vec<u8>, usize) {
        let spans = self.buffer.len() - self.start;
        let scope_spans = head.scope.len() + spans;
        let (scope_length, scope_used) = length_bytes(scope_spans);
        let resource_spans = head.resource.len() + 1 + scope_used + scope_spans;
        let (length, used) = length_bytes(resource_spans);
        let mut at = self.start;
        for part in [
            &head.scope[..],
            &scope_length[..scope_used],
            &[2 << 3 | 2],
            &head.resource,
            &length[..used],
            &[1 << 3 | 2],
        ] {
            at -= part.len();
            self.buffer[at..at + part.len()].copy_from_slice(part);
        }
        (self.buffer, at)
    }
}

fn span(out: &mut Vec<u8>, record: &Record, anchor: &Anchor) {
    let (span_context, text) = (&record.span_context, &record.text);
    out.text(1, &span_context.trace_id.get().to_be_bytes());
    out.text(2, &span_context.span_id.get().to_be_bytes());
    if let Some(propagated) =
        span_context.propagated.as_ref().filter(|propagated| !propagated.state.is_empty())
    {
        out.text(3, propagated.state.as_bytes());
    }
    if span_context.parent_id.is_valid() {
        out.text(4, &span_context.parent_id.get().to_be_bytes());
    }
    out.text(5, record.name().as_bytes());
    out.uint(6, record.kind as u64);
    let start = record.start.as_unix_nanos(anchor);
    out.fixed64(7, start);
    out.fixed64(8, record.end.map_or(start, |end| end.as_unix_nanos(anchor)).max(start));
    for known in &record.attributes {
        out.message(9, |out| attribute(out, known, text));
    }
    count(out, 10, record.dropped_attributes);
    for event in &record.events {
        out.message(11, |out| write_event(out, event, record, anchor));
    }
    count(out, 12, record.dropped_events);
    for to in &record.links {
        out.message(13, |out| link(out, to));
    }
    count(out, 14, record.dropped_links);
    if record.status != Status::Unset {
        out.message(15, |out| {
            if let Some(message) = record.status_message {
                out.text(2, message.of(text).as_bytes());
            }
            out.uint(3, record.status as u64);
        });
    }
    out.fixed32(16, flags(span_context));
}

/// The W3C flags, and whether the parent is of another process (bits 8 and 9).
fn flags(span_context: &SpanContext) -> u32 {
    const HAS_IS_REMOTE: u32 = 0x100;
    const IS_REMOTE: u32 = 0x200;
    let remote = if span_context.remote_parent { IS_REMOTE } else { 0 };
    u32::from(span_context.sampled) | u32::from(span_context.random) << 1 | HAS_IS_REMOTE | remote
}

fn count(out: &mut Vec<u8>, field: u32, dropped: u32) {
    if dropped > 0 {
        out.uint(field, u64::from(dropped));
    }
}

fn write_event(out: &mut Vec<u8>, event: &Event, record: &Record, anchor: &Anchor) {
    out.fixed64(1, event.time.as_unix_nanos(anchor));
    out.text(
        2,
        match event.name {
            EventName::Exception => "exception",
            EventName::Named(name) => name.of(&record.text),
        }
        .as_bytes(),
    );
    let (first, end) = event.attributes;
    for known in record.event_attributes.get(first as usize..end as usize).unwrap_or_default() {
        out.message(3, |out| attribute(out, known, &record.text));
    }
    count(out, 4, event.dropped_attributes);
}

fn link(out: &mut Vec<u8>, link: &Link) {
    out.text(1, &link.trace_id.get().to_be_bytes());
    out.text(2, &link.span_id.get().to_be_bytes());
    out.fixed32(6, u32::from(link.flags));
}

fn attribute(out: &mut Vec<u8>, attribute: &Attribute, text: &str) {
    key_value(out, attribute.key, |out| match attribute.value {
        Stored::Text(value) => out.text(1, value.of(text).as_bytes()),
        #[cfg(feature = "http")]
        Stored::Static(value) => out.text(1, value.as_bytes()),
        Stored::Bool(value) => out.uint(2, u64::from(value)),
        Stored::Int(value) => out.uint(3, value as u64),
        Stored::Double(value) => out.fixed64(4, value.to_bits()),
    });
}

/// `KeyValue { key, value: AnyValue }`; `value` writes the inside of the `AnyValue`.
fn key_value(out: &mut Vec<u8>, key: &str, value: impl FnOnce(&mut Vec<u8>)) {
    out.text(1, key.as_bytes());
    out.message(2, value);
}
