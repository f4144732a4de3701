use std::fmt;
use std::sync::Arc;

use obs_context::Route;

use super::budget::Budget;
use super::decision::{Decision, SamplingInput};
use super::rate::Rate;
use super::ratio::Ratio;
use crate::propagate::PropagatedState;

/// Decides which traces are kept. Every span below the first one of a trace in this process follows
/// that one's decision. A clone shares its state (the budget of [`Sampler::per_second`]).
///
/// ```
/// use obs_tracing::Sampler;
///
/// // What a service behind others wants: do as the caller did; of what begins here, keep a tenth.
/// let sampler = Sampler::parent_based(Sampler::ratio(0.1));
/// assert_eq!(sampler.to_string(), "parent_based(ratio(0.1))");
/// ```
#[derive(Clone)]
pub struct Sampler(Arc<Kind>);

enum Kind {
    Always,
    Never,
    Ratio(Ratio),
    PerSecond(Rate),
    Budget(Budget),
    ByName { names: Vec<(String, Sampler)>, others: Sampler },
    ParentBased { root: Sampler, sampled_remotely: Option<Sampler> },
}

impl Sampler {
    /// Keeps everything.
    pub fn always() -> Self {
        Self(Arc::new(Kind::Always))
    }

    /// Keeps nothing. Contexts are still propagated.
    pub fn never() -> Self {
        Self(Arc::new(Kind::Never))
    }

    /// Keeps this share of all traces, 0 to 1, by the low 56 bits of the trace id: every service that
    /// asks for the same or a greater share keeps the same traces. The threshold is propagated in
    /// `tracestate` (`ot=th:...`, OpenTelemetry's consistent probability sampling). What is not a
    /// number counts as 0.
    pub fn ratio(share: f64) -> Self {
        if share >= 1.0 {
            return Self::always();
        }
        Self(Arc::new(Kind::Ratio(Ratio::new(share))))
    }

    /// Keeps at most this many new traces a second, in bursts of up to one second's number.
    pub fn per_second(traces: f64) -> Self {
        Self(Arc::new(Kind::PerSecond(Rate::new(traces))))
    }

    /// Keeps at most this many new traces a second of each kind: of each route where there is one, else of
    /// each name of a first span; so that a rare route is seen beside a busy one.
    pub fn budget(traces_per_second: f64) -> Self {
        Self(Arc::new(Kind::Budget(Budget::new(traces_per_second))))
    }

    /// Decides by the route of the request (`/orders/{id}`), or by the name of the trace's first span in
    /// this process (for `#[instrument]` the function's); `others` decides for all that is not named.
    pub fn by_name<N: Into<String>>(
        names: impl IntoIterator<Item = (N, Self)>,
        others: Self,
    ) -> Self {
        let names = names.into_iter().map(|(name, sampler)| (name.into(), sampler)).collect();
        Self(Arc::new(Kind::ByName { names, others }))
    }

    /// Does as the caller did; `root` decides for traces that begin here.
    pub fn parent_based(root: Self) -> Self {
        Self(Arc::new(Kind::ParentBased { root, sampled_remotely: None }))
    }

    /// As [`Sampler::parent_based`], but a caller's "sampled" has `sampled_remotely`'s word on top:
    /// for services whose callers are not trusted to decide what is stored. `per_second` is the
    /// usual choice.
    pub fn parent_based_with(root: Self, sampled_remotely: Self) -> Self {
        Self(Arc::new(Kind::ParentBased { root, sampled_remotely: Some(sampled_remotely) }))
    }

    pub(crate) fn decide(
        &self,
        input: &SamplingInput<'_>,
        propagated: Option<Arc<PropagatedState>>,
    ) -> Decision {
        let sampled = match &*self.0 {
            Kind::Always => true,
            Kind::Never => false,
            Kind::Ratio(ratio) => return ratio.decide(input.trace_id, propagated),
            Kind::PerSecond(rate) => rate.try_admit(),
            Kind::Budget(budget) => budget.try_admit(input.name, input.route),
            Kind::ByName { names, others } => {
                let route = input.route.map(Route::as_str);
                let is_match = |name: &str| name == input.name || Some(name) == route;
                let named = names.iter().find(|(name, _)| is_match(name));
                let sampler = named.map_or(others, |(_, sampler)| sampler);
                return sampler.decide(input, propagated);
            }
            Kind::ParentBased { root, sampled_remotely } => match input.parent {
                None => return root.decide(input, propagated),
                Some(parent) if !parent.is_sampled() => false,
                Some(_) => match sampled_remotely {
                    None => true,
                    Some(sampler) => sampler.decide(input, propagated.clone()).sampled,
                },
            },
        };
        Decision { sampled, propagated }
    }
}

/// Everything of the callers', everything of our own: OpenTelemetry's default.
impl Default for Sampler {
    fn default() -> Self {
        Self::parent_based(Self::always())
    }
}

impl fmt::Display for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Kind::Always => f.write_str("always"),
            Kind::Never => f.write_str("never"),
            Kind::Ratio(ratio) => write!(f, "ratio({})", ratio.share()),
            Kind::PerSecond(rate) => write!(f, "per_second({})", rate.per_second()),
            Kind::Budget(budget) => write!(f, "budget({})", budget.per_second()),
            Kind::ByName { names, others } => {
                f.write_str("by_name(")?;
                for (name, sampler) in names {
                    write!(f, "{name}: {sampler}, ")?;
                }
                write!(f, "others: {others})")
            }
            Kind::ParentBased { root, sampled_remotely: None } => write!(f, "parent_based({root})"),
            Kind::ParentBased { root, sampled_remotely: Some(remote) } => {
                write!(f, "parent_based({root}, sampled remotely: {remote})")
            }
        }
    }
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sampler({self})")
    }
}
