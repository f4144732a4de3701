//! The types of spans and of traces in tail mode. Their behaviour is in other files.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastant::Instant;
use obs_context::{Route, SpanId, TraceId};
use tracing::callsite::Identifier;

use super::attribute::{Attribute, TextRange};
use crate::propagate::PropagatedState;

/// What a span's work is to the outside (OpenTelemetry's span kind).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpanKind {
    /// Work inside the service.
    #[default]
    Internal = 1,
    /// The answer to a request from outside.
    Server = 2,
    /// A request to another service, or to a database.
    Client = 3,
    /// A message for a later consumer.
    Producer = 4,
    /// The handling of such a message.
    Consumer = 5,
}

/// Whether a span's work went well (OpenTelemetry's span status).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// No status was set.
    #[default]
    Unset = 0,
    /// Declared a success by the application; errors no longer change it.
    Ok = 1,
    /// Failed.
    Error = 2,
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) time: Instant,
    pub(crate) name: EventName,
    /// Where this event's attributes begin and end in [`Record::event_attributes`].
    pub(crate) attributes: (u32, u32),
    pub(crate) dropped_attributes: u32,
    /// Of an exception that an event of the log made: that event's callsite.
    pub(crate) callsite: Option<Identifier>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum EventName {
    Exception,
    Named(TextRange),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) flags: u8,
}

/// Records that travel together.
#[allow(clippy::vec_box, reason = "records change hands more often than they are read")]
pub(crate) type Chunk = Vec<Box<Record>>;

/// A span. Reused from span to span, with the room that its vectors and its text have grown to.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) span_context: SpanContext,
    pub(crate) start: Instant,
    /// Set when the span is over: nothing changes it after that.
    pub(crate) end: Option<Instant>,
    pub(crate) name: Option<TextRange>,
    pub(crate) kind: SpanKind,
    pub(crate) status: Status,
    pub(crate) status_message: Option<TextRange>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) events: Vec<Event>,
    pub(crate) event_attributes: Vec<Attribute>,
    pub(crate) links: Vec<Link>,
    pub(crate) text: String,
    /// The number of text bytes at which unreferenced text is searched for.
    pub(super) compact_at: usize,
    pub(crate) dropped_attributes: u32,
    pub(crate) dropped_events: u32,
    pub(crate) dropped_links: u32,
    /// Whether a thread that did not make the span has entered it, and may know it by its id.
    pub(crate) entered_elsewhere: bool,
    /// About how many bytes the record holds, once the span is over.
    pub(crate) estimated_bytes: u32,
}

/// What a span is: all that never changes of it.
///
/// Copied to its readers, so that none has to access another span's record.
#[derive(Clone, Debug)]
pub(crate) struct SpanContext {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    /// Invalid for a root.
    pub(crate) parent_id: SpanId,
    pub(crate) name: &'static str,
    pub(crate) route: Option<Route>,
    /// What the headers of the next service will say.
    pub(crate) sampled: bool,
    /// Whether the trace id is random (W3C Trace Context level 2).
    pub(crate) random: bool,
    /// Whether this span is recorded: sampled or in tail mode, and there is an exporter.
    pub(crate) recording: bool,
    /// Whether the span has no parent in this process.
    pub(crate) local_root: bool,
    pub(crate) remote_parent: bool,
    /// What came with the trace and travels on: `None` where nothing did.
    pub(crate) propagated: Option<Arc<PropagatedState>>,
    /// Where the span waits for its trace's end, in tail mode.
    pub(crate) undecided: Option<Arc<UndecidedTrace>>,
}

/// Tail mode of one pipeline: what all its traces hold together.
#[derive(Debug, Default)]
pub(crate) struct TailMode {
    pub(crate) bytes: AtomicU64,
    /// Spans that were recorded and then not kept.
    pub(crate) discarded: AtomicU64,
    /// Of these, those for which there was no room.
    pub(crate) evicted: AtomicU64,
    /// Rules that panicked.
    pub(crate) panics: AtomicU64,
}

/// One such trace, as far as this process sees it.
#[derive(Debug)]
pub(crate) struct UndecidedTrace {
    pub(crate) mode: Arc<TailMode>,
    pub(crate) rules: Arc<Tail>,
    pub(crate) state: Mutex<TailDecision>,
}

#[derive(Debug)]
pub(crate) enum TailDecision {
    Undecided { spans: Chunk, bytes: u64, reason: Option<&'static str> },
    Kept,
    Discarded,
}

/// Which of the traces that the sampler turned down are kept after all, once their first span in this
/// process has ended: those with an error, slow ones, or those that match a rule.
///
/// Until then their spans wait in memory. Only this process's part of a trace is kept; the headers of
/// outgoing requests say "not sampled" as ever, so that each service decides on its own. A trace that is
/// kept has the reason on its first span, `sampling.reason`: `error`, `slow` or `rule`.
///
/// ```
/// use std::time::Duration;
/// use obs_tracing::{Builder, Sampler, Tail};
///
/// let (layer, traces) = Builder::new("orders")
///     .sampler(Sampler::parent_based(Sampler::ratio(0.01)))
///     .tail(Tail::errors().slower_than(Duration::from_millis(500)).attribute("tenant.tier", "gold"))
///     .build()?;
/// # drop((layer, traces));
/// # Ok::<(), obs_tracing::Error>(())
/// ```
#[derive(Clone)]
pub struct Tail {
    pub(crate) errors: bool,
    pub(crate) slower_than: Option<Duration>,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) rule: Option<Rule>,
    pub(crate) memory: u64,
}

type Rule = Arc<dyn Fn(&EndedSpan<'_>) -> bool + Send + Sync>;

/// A span that is over, as a rule of [`Tail::when`] sees it.
#[derive(Clone, Copy, Debug)]
pub struct EndedSpan<'a>(pub(crate) &'a Record);
