//! Sampling: decided once, where a trace enters the process.

mod budget;
mod ceiling;
mod decision;
mod parse;
mod rate;
mod ratio;
mod rules;
mod sampler;
mod tail;
mod tails;

pub(crate) use ceiling::Ceiling;
pub use ceiling::{SpanBudget, SpanBudgetStatus};
pub(crate) use decision::SamplingInput;
pub(crate) use rate::now;
pub(crate) use rules::{CachedRule, Rule, Rules};
pub use sampler::Sampler;
pub(crate) use tail::RULE_PANICKED;
pub(crate) use tails::drop_unused as drop_unused_tails;
