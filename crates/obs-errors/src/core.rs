//! What happens to an error: it is counted and, where there is somebody to tell and its place has not told
//! enough, captured.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use obs_context::{active_span, current_request_id};
use obs_guard::{Place, random_u64};
use tracing::level_filters::LevelFilter;

use crate::captured::Captured;
use crate::place::{Key, Limit, Places, Seen};
use crate::queue::Queue;
use crate::report::{ErrorId, Kind, Request, SpanSoFar};
use crate::requests::Requests;
use crate::stack::Stack;
use crate::told::Told;

static SPANS: Place = Place::new("errors.spans");

/// Tells the spans that the calling thread is in, the outermost first.
pub(crate) type SpansOf = Box<dyn Fn() -> Vec<SpanSoFar> + Send + Sync>;

pub(crate) struct Core {
    pub(crate) places: Places,
    pub(crate) requests: Requests,
    pub(crate) limit: Limit,
    pub(crate) sample_rate: f64,
    /// None where nobody is told: then errors are counted alone.
    pub(crate) queue: Option<Arc<Queue>>,
    pub(crate) breadcrumbs: LevelFilter,
    pub(crate) spans: Option<SpansOf>,
    pub(crate) counts: Counts,
    /// Whether the panic hook tells of panics.
    pub(crate) hooked: std::sync::atomic::AtomicBool,
}

/// What became of errors that were not told.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) errors: AtomicU64,
    pub(crate) limited: AtomicU64,
    pub(crate) sampled_out: AtomicU64,
}

/// An error that just happened.
pub(crate) struct Happened {
    pub(crate) kind: Kind,
    pub(crate) place: Key,
    pub(crate) target: &'static str,
    pub(crate) told: Told,
    pub(crate) stack: StackOf,
    pub(crate) spans: Option<Vec<SpanSoFar>>,
    pub(crate) request: Option<Request>,
}

/// Where the stack comes from.
pub(crate) enum StackOf {
    None,
    Here,
    Text(String),
}

impl Core {
    /// Whether somebody is told of errors, so that what leads to them is worth keeping.
    #[inline]
    pub(crate) fn tells(&self) -> bool {
        self.queue.is_some()
    }

    /// Counts the error, and hands it over where it is to be told. Nothing is looked up or sent here.
    pub(crate) fn happened(&self, happened: Happened) -> Option<ErrorId> {
        self.counts.errors.fetch_add(1, Relaxed);
        self.requests.note_error();
        let span = active_span();
        let seen = Seen {
            error_type: happened.told.error_type(),
            message: happened.told.summary(),
            trace: span.map(|span| span.trace_id),
        };
        let Some(unreported) = self.places.count(happened.place, &seen, self.limit) else {
            if self.tells() {
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
        let (known, breadcrumbs) = self.requests.known();
        let stack = match happened.stack {
            StackOf::None => Stack::None,
            StackOf::Here => Stack::here(),
            StackOf::Text(text) => Stack::Text(text),
        };
        let spans = happened.spans.or_else(|| SPANS.call(self.spans.as_ref()?));
        let accepted = queue.push(Captured {
            id,
            time: SystemTime::now(),
            kind: happened.kind,
            place: happened.place,
            target: happened.target,
            told: happened.told,
            stack,
            span,
            spans: spans.unwrap_or_default(),
            request_id: current_request_id(),
            request: happened.request.or(known),
            breadcrumbs,
            thread: std::thread::current().name().map(str::to_owned),
            unreported,
        });
        accepted.then(|| {
            self.places.reported(happened.place, id);
            id
        })
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("counts", &self.counts).finish_non_exhaustive()
    }
}
