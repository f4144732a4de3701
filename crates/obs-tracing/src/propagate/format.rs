//! The formats that are read and written.

use std::fmt;

use obs_context::{SpanId, TraceId};

use super::baggage::Baggage;
use super::carrier::Carrier;
use super::remote::RemoteContext;
use super::traceparent::TraceParent;
use super::tracestate;
use crate::record::SpanContext;
use crate::thread_state;

/// The formats that context travels in: `traceparent` with `tracestate`, and `baggage`, unless others
/// are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Propagators {
    trace_context: bool,
    baggage: bool,
    b3: bool,
    b3_multi: bool,
    jaeger: bool,
}

impl Default for Propagators {
    fn default() -> Self {
        Self { trace_context: true, baggage: true, ..Self::NONE }
    }
}

impl Propagators {
    /// None at all: traces end at this service's borders.
    pub const NONE: Self =
        Self { trace_context: false, baggage: false, b3: false, b3_multi: false, jaeger: false };

    /// Reads a list as `OTEL_PROPAGATORS` holds: `tracecontext`, `baggage`, `b3`, `b3multi`,
    /// `jaeger`, `none`, separated by commas. The first name that is unknown is the error.
    pub fn parse(list: &str) -> Result<Self, &str> {
        let mut propagators = Self::NONE;
        for name in list.split(',').map(str::trim) {
            match name {
                "tracecontext" => propagators.trace_context = true,
                "baggage" => propagators.baggage = true,
                "b3" => propagators.b3 = true,
                "b3multi" => propagators.b3_multi = true,
                "jaeger" => propagators.jaeger = true,
                "none" | "" => {}
                unknown => return Err(unknown),
            }
        }
        Ok(propagators)
    }

    /// What the headers bring along. The first format in which they name a span counts: W3C, then
    /// b3, then jaeger.
    pub fn extract<C: Carrier + ?Sized>(&self, headers: &C) -> RemoteContext {
        let mut state = String::new();
        let mut parent = None;
        if self.trace_context {
            parent =
                single_value(headers, "traceparent").and_then(|value| TraceParent::parse(&value));
            if parent.is_some() {
                let mut members = tracestate::TraceStateReader::default();
                headers.each("tracestate", &mut |value| members.add(value));
                state = members.finish();
            }
        }
        if parent.is_none() && (self.b3 || self.b3_multi) {
            parent = b3_single(headers).or_else(|| b3_multi(headers));
        }
        if parent.is_none() && self.jaeger {
            parent = jaeger(headers);
        }
        let mut baggage = Baggage::new();
        if self.baggage {
            headers.each("baggage", &mut |value| baggage = std::mem::take(&mut baggage).add(value));
        }
        RemoteContext::new(parent, state, baggage)
    }

    /// Writes the current span's context; see [`inject`](super::inject).
    pub fn inject<C: Carrier + ?Sized>(&self, headers: &mut C) {
        let current =
            thread_state::with(|thread| thread.innermost().map(|entry| entry.span_context.clone()));
        if let Some(span) = current.flatten() {
            self.write(&span, headers);
        }
    }

    pub(crate) fn write<C: Carrier + ?Sized>(&self, from: &SpanContext, headers: &mut C) {
        if self.trace_context {
            let text = TraceParent::of(from).text();
            headers.set("traceparent", str::from_utf8(&text).unwrap_or_default());
        }
        let (trace, span, sampled) = (from.trace_id, from.span_id, u8::from(from.sampled));
        if self.b3 {
            headers.set("b3", &format!("{trace}-{span}-{sampled}"));
        }
        if self.b3_multi {
            headers.set("x-b3-traceid", &trace.to_string());
            headers.set("x-b3-spanid", &span.to_string());
            headers.set("x-b3-sampled", if from.sampled { "1" } else { "0" });
        }
        if self.jaeger {
            headers.set("uber-trace-id", &format!("{trace}:{span}:0:{sampled}"));
        }
        let Some(propagated) = &from.propagated else { return };
        if self.trace_context && !propagated.state.is_empty() {
            headers.set("tracestate", &propagated.state);
        }
        if self.baggage && !propagated.baggage.is_empty() {
            headers.set("baggage", propagated.baggage.text());
        }
    }
}

impl fmt::Display for Propagators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (self.trace_context, "tracecontext"),
            (self.baggage, "baggage"),
            (self.b3, "b3"),
            (self.b3_multi, "b3multi"),
            (self.jaeger, "jaeger"),
        ];
        let names: Vec<_> = names.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(","))
    }
}

/// The value of a header that must come once.
fn single_value<C: Carrier + ?Sized>(headers: &C, name: &str) -> Option<Vec<u8>> {
    let mut values = 0;
    let mut single_value = Vec::new();
    headers.each(name, &mut |value| {
        values += 1;
        single_value = tracestate::trim(value).to_vec();
    });
    (values == 1).then_some(single_value)
}

/// `{trace}-{span}-{sampled}-{parent}`, the last two optional.
fn b3_single<C: Carrier + ?Sized>(headers: &C) -> Option<TraceParent> {
    let value = single_value(headers, "b3")?;
    let mut parts = value.split(|&byte| byte == b'-');
    let (trace, span, sampled) = (parts.next()?, parts.next()?, parts.next());
    parent(trace, span, matches!(sampled, Some(b"1" | b"d")))
}

fn b3_multi<C: Carrier + ?Sized>(headers: &C) -> Option<TraceParent> {
    let (trace, span) =
        (single_value(headers, "x-b3-traceid")?, single_value(headers, "x-b3-spanid")?);
    let sampled = single_value(headers, "x-b3-sampled");
    let debug = single_value(headers, "x-b3-flags").as_deref() == Some(b"1");
    parent(&trace, &span, debug || matches!(sampled.as_deref(), Some(b"1" | b"true")))
}

/// `{trace}:{span}:{parent}:{flags}`, without leading zeros if the sender likes.
fn jaeger<C: Carrier + ?Sized>(headers: &C) -> Option<TraceParent> {
    let value = single_value(headers, "uber-trace-id")?;
    let text = str::from_utf8(&value).ok()?.replace("%3A", ":").replace("%3a", ":");
    let mut parts = text.split(':');
    let (trace, span, _, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
    parent(trace.as_bytes(), span.as_bytes(), sampled)
}

/// Ids as b3 and jaeger have them: a trace id may be 64 bits long.
fn parent(trace: &[u8], span: &[u8], sampled: bool) -> Option<TraceParent> {
    let trace_id = TraceId::from_hex(&pad_hex::<32>(trace)?).filter(|id| id.is_valid())?;
    let span_id = SpanId::from_hex(&pad_hex::<16>(span)?).filter(|id| id.is_valid())?;
    Some(TraceParent { trace_id, span_id, sampled, random: false })
}

fn pad_hex<const DIGITS: usize>(id: &[u8]) -> Option<[u8; DIGITS]> {
    let mut text = [b'0'; DIGITS];
    let room = text.get_mut(DIGITS.checked_sub(id.len())?..)?;
    room.copy_from_slice(id);
    text.make_ascii_lowercase();
    (!id.is_empty()).then_some(text)
}
