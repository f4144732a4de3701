//! Info metrics (versions, build settings) and state sets.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use super::metric_type::Sealed;
use crate::descriptor::Descriptor;
use crate::expose::{Expose, Number};
use crate::family::{Series, push_label};
use crate::kind::Kind;

/// A series that is 1 for good: its labels are what it tells.
#[derive(Clone, Debug)]
pub(crate) struct Info(#[allow(dead_code, reason = "keeps the series")] Arc<Series<()>>);

impl Sealed for Info {
    type Core = ();
    type Settings = ();

    const KIND: Kind = Kind::Info;

    fn core((): &()) {}

    fn from_series(series: Arc<Series<()>>) -> Self {
        Self(series)
    }

    fn fingerprint((): &()) -> u64 {
        1
    }

    fn expose((): &(), labels: &str, family: &Descriptor, out: &mut dyn Expose) {
        out.sample(family, "_info", labels, Number::Integer(1), None);
    }
}

/// Which of a few states something is in: `starting`, `serving`, `draining`.
///
/// One series for each state, of which exactly one is 1. Before the first [`StateSet::set`] it is the
/// first state.
///
/// ```
/// let registry = obs_metrics::Registry::new();
/// let phase = registry.state_set("service_phase", "Phase.", &["starting", "serving", "draining"])?;
/// assert!(phase.set("serving"));
/// assert!(!phase.set("no such phase"));
/// assert_eq!(phase.state(), "serving");
/// # Ok::<(), obs_metrics::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct StateSet(Arc<Series<StateSetCore>>);

impl StateSet {
    /// Changes the state; `false`, and no change, where there is none of this name.
    pub fn set(&self, state: &str) -> bool {
        let core = self.0.core();
        let found = core.states.iter().position(|known| **known == *state);
        if let Some(at) = found {
            core.current.store(at, Relaxed);
        }
        found.is_some()
    }

    /// The state now.
    pub fn state(&self) -> &str {
        let core = self.0.core();
        core.states.get(core.current.load(Relaxed)).map_or("", |state| state)
    }
}

#[derive(Debug)]
pub(crate) struct StateSetCore {
    states: Arc<[Box<str>]>,
    current: AtomicUsize,
}

impl Sealed for StateSet {
    type Core = StateSetCore;
    type Settings = Arc<[Box<str>]>;

    const KIND: Kind = Kind::StateSet;

    fn core(states: &Arc<[Box<str>]>) -> StateSetCore {
        StateSetCore { states: states.clone(), current: AtomicUsize::new(0) }
    }

    fn from_series(series: Arc<Series<StateSetCore>>) -> Self {
        Self(series)
    }

    fn fingerprint(core: &StateSetCore) -> u64 {
        core.current.load(Relaxed) as u64
    }

    fn expose(core: &StateSetCore, labels: &str, family: &Descriptor, out: &mut dyn Expose) {
        let current = core.current.load(Relaxed);
        for (at, state) in core.states.iter().enumerate() {
            let mut block = labels.to_owned();
            // OpenMetrics 1.0, "StateSet": the label is named like the metric.
            push_label(&mut block, &family.name, state);
            out.sample(family, "", &block, Number::Integer(u64::from(at == current)), None);
        }
    }
}
