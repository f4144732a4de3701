//! Counters.

use std::sync::{Arc, OnceLock};

use obs_context::{active_span, active_span_is_sampled};

use super::metric_type::{RECORDS, Sealed};
use crate::descriptor::Descriptor;
use crate::exemplar::ExemplarSlot;
use crate::expose::{Expose, Number};
use crate::family::Series;
use crate::kind::Kind;
use crate::storage::ShardedCells;

/// A number that only grows, and starts at zero with the process: requests, errors, items.
///
/// A clone is the same counter. Counting is a load and a store of a word that is the thread's own: no
/// lock, no atomic read-modify-write, and threads do not get in each other's way. Inside a sampled span the counter keeps
/// the trace as its exemplar.
///
/// ```
/// let registry = obs_metrics::Registry::new();
/// let orders = registry.counter("orders_total", "Orders accepted.")?;
/// orders.inc();
/// orders.inc_by(2);
/// assert_eq!(orders.value(), 3);
/// # Ok::<(), obs_metrics::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Counter(Arc<Series<CounterCore>>);

impl Counter {
    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.inc_by(1);
    }

    /// Adds `amount`. Past `u64::MAX` the number wraps, which Prometheus takes for a restart.
    #[inline]
    pub fn inc_by(&self, amount: u64) {
        if !RECORDS {
            return;
        }
        let core = self.0.core();
        core.cells.add(0, amount);
        if active_span_is_sampled() {
            core.keep_exemplar(amount);
        }
    }

    /// The number now.
    pub fn value(&self) -> u64 {
        self.0.core().cells.total(0)
    }
}

#[derive(Debug)]
pub(crate) struct CounterCore {
    cells: ShardedCells,
    exemplar: OnceLock<Box<ExemplarSlot>>,
}

impl CounterCore {
    #[cold]
    fn keep_exemplar(&self, amount: u64) {
        if let Some(span) = active_span() {
            self.exemplar.get_or_init(Box::default).store(span, amount as f64);
        }
    }
}

impl Sealed for Counter {
    type Core = CounterCore;
    type Settings = ();

    const KIND: Kind = Kind::Counter;

    fn core((): &()) -> CounterCore {
        CounterCore { cells: ShardedCells::new(1), exemplar: OnceLock::new() }
    }

    fn from_series(series: Arc<Series<CounterCore>>) -> Self {
        Self(series)
    }

    fn fingerprint(core: &CounterCore) -> u64 {
        core.cells.total(0)
    }

    fn expose(core: &CounterCore, labels: &str, family: &Descriptor, out: &mut dyn Expose) {
        let exemplar = core.exemplar.get().and_then(|slot| slot.load());
        out.counter(family, labels, Number::Integer(core.cells.total(0)), exemplar);
    }
}
