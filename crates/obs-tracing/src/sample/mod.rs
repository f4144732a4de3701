//! Sampling: decided once, where a trace enters the process.

mod budget;
mod decision;
mod parse;
mod rate;
mod ratio;
mod rules;
mod sampler;
mod tail;
mod tails;

pub(crate) use decision::SamplingInput;
pub(crate) use rules::{CachedRule, Rule, Rules};
pub use sampler::Sampler;
pub(crate) use tail::RULE_PANICKED;
pub(crate) use tails::drop_unused as drop_unused_tails;
