//! What happens to an event before it is rendered. The stages come in one order, which their types
//! fix: pacing sees no field yet, processors see all fields, redaction sees what they leave.

mod pace;
mod record;
pub(crate) mod redact;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use obs_guard::Place;
use tracing_core::{Level, Metadata};

use crate::context::fields::Fields;
use crate::log_record::is_bridge;

pub(crate) use pace::{Pace, Pacing};
pub use record::Record;
pub(crate) use redact::Redaction;

/// Looks at every event that is to be logged, with all of its fields, and may change or drop it.
///
/// ```
/// use obs_logging::{Builder, Processor, Record};
///
/// struct NoHealthChecks;
///
/// impl Processor for NoHealthChecks {
///     fn process(&self, record: &mut Record<'_>) -> bool {
///         record.rename("customer", "tenant");
///         record.text("path").as_deref() != Some("/healthz")
///     }
/// }
///
/// let builder = Builder::new().processor(NoHealthChecks);
/// # let _ = builder;
/// ```
pub trait Processor: Send + Sync + 'static {
    /// Changes the record; returns whether it is to be logged.
    fn process(&self, record: &mut Record<'_>) -> bool;
}

/// Processors are the application's.
static PROCESSOR: Place = Place::new("logging.processor");

/// What a layer does to its events.
#[derive(Default)]
pub(crate) struct Pipeline {
    pub(crate) pacing: Pacing,
    pub(crate) processors: Vec<Box<dyn Processor>>,
    pub(crate) redaction: Redaction,
    paces: Mutex<HashMap<usize, Arc<Pace>>>,
}

impl Pipeline {
    /// The pace of a callsite, the same for all threads; none where every line is wanted.
    pub(crate) fn pace_of(&self, metadata: &'static Metadata<'static>) -> Option<Arc<Pace>> {
        let is_paced = metadata.is_event() && !is_bridge(metadata);
        if !is_paced || !self.pacing.concerns(*metadata.level()) {
            return None;
        }
        let address = std::ptr::from_ref(metadata).addr();
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        Some(paces.entry(address).or_default().clone())
    }

    /// Whether lines need more than their parts one after another.
    #[inline]
    pub(crate) fn rewrites(&self, parts: &[&Fields]) -> bool {
        !self.processors.is_empty() || self.redaction.concerns(parts)
    }

    /// All processors, then redaction. A processor that panics is passed over.
    pub(crate) fn rewrite(&self, level: Level, target: &str, fields: &mut Fields) -> bool {
        let is_kept = self.processors.iter().all(|processor| {
            let mut record = Record { level, target, fields };
            PROCESSOR.call(|| processor.process(&mut record)).unwrap_or(true)
        });
        self.redaction.apply(fields);
        is_kept
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("pacing", &self.pacing)
            .field("processors", &self.processors.len())
            .field("redaction", &self.redaction)
            .finish()
    }
}
