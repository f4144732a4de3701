//! The way of an error: it is counted and, where there is a sink and its place is within the limit, captured.
//!

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use obs_context::{active_span, current_request_id};
use obs_guard::{Place, random_u64};
use tracing::level_filters::LevelFilter;

use crate::captured::CapturedError;
use crate::details::ErrorDetails;
use crate::place::{ErrorSummary, PlaceKey, Places, RateLimit};
use crate::queue::Queue;
use crate::report::{ErrorId, Kind, Request, SpanSoFar};
use crate::requests::Requests;
use crate::stack::Stack;

static SPANS: Place = Place::new("errors.spans");

/// Returns the spans that the calling thread is in, the outermost first.
pub(crate) type SpansFn = Box<dyn Fn() -> Vec<SpanSoFar> + Send + Sync>;

pub(crate) struct Core {
    pub(crate) places: Places,
    pub(crate) requests: Requests,
    pub(crate) limit: RateLimit,
    pub(crate) sample_rate: f64,
    /// `None` without a sink: then errors are only counted.
    pub(crate) queue: Option<Arc<Queue>>,
    pub(crate) breadcrumbs: LevelFilter,
    pub(crate) spans: Option<SpansFn>,
    pub(crate) counts: Counts,
    /// Whether the panic hook captures panics.
    pub(crate) has_panic_hook: std::sync::atomic::AtomicBool,
}

/// Counts of all errors, and of those that were not reported.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) errors: AtomicU64,
    pub(crate) limited: AtomicU64,
    pub(crate) sampled_out: AtomicU64,
}

/// An error, before it is known whether it is reported.
pub(crate) struct ErrorOccurrence {
    pub(crate) kind: Kind,
    pub(crate) place: PlaceKey,
    pub(crate) target: &'static str,
    pub(crate) details: ErrorDetails,
    pub(crate) stack: StackSource,
    pub(crate) spans: Option<Vec<SpanSoFar>>,
    pub(crate) request: Option<Request>,
}

/// Where the stack of an error comes from.
pub(crate) enum StackSource {
    #[cfg(feature = "http")]
    None,
    Current,
    Text(String),
}

impl Core {
    /// Whether there is a sink, so that breadcrumbs are kept.
    #[inline]
    pub(crate) fn has_sink(&self) -> bool {
        self.queue.is_some()
    }

    /// Counts the error, and queues it where it is to be reported. This resolves no symbol and sends nothing.
    pub(crate) fn record(&self, occurrence: ErrorOccurrence) -> Option<ErrorId> {
        self.counts.errors.fetch_add(1, Relaxed);
        self.requests.note_error();
        let span = active_span();
        let summary = ErrorSummary {
            error_type: occurrence.details.error_type(),
            message: occurrence.details.summary(),
            trace: span.map(|span| span.trace_id),
        };
        let Some(unreported) = self.places.count(occurrence.place, &summary, self.limit) else {
            if self.has_sink() {
                self.counts.limited.fetch_add(1, Relaxed);
            }
            return None;
        };
        let queue = self.queue.as_ref()?;
        if self.sample_rate < 1.0 && random_u64() as f64 >= self.sample_rate * u64::MAX as f64 {
            self.counts.sampled_out.fetch_add(1, Relaxed);
            return None;
        }
        let id = ErrorId::random();
        let (request, breadcrumbs) = self.requests.snapshot();
        let stack = match occurrence.stack {
            #[cfg(feature = "http")]
            StackSource::None => Stack::None,
            StackSource::Current => Stack::capture(),
            StackSource::Text(text) => Stack::Text(text),
        };
        let spans = occurrence.spans.or_else(|| SPANS.call(self.spans.as_ref()?));
        let accepted = queue.push(CapturedError {
            id,
            time: SystemTime::now(),
            kind: occurrence.kind,
            place: occurrence.place,
            target: occurrence.target,
            details: occurrence.details,
            stack,
            span,
            spans: spans.unwrap_or_default(),
            request_id: current_request_id(),
            request: occurrence.request.or(request),
            breadcrumbs,
            thread: std::thread::current().name().map(str::to_owned),
            unreported,
        });
        accepted.then(|| {
            self.places.reported(occurrence.place, id);
            id
        })
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("counts", &self.counts).finish_non_exhaustive()
    }
}
