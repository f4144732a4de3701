//! Profiles that a process takes of itself.

pub(crate) mod asking;
mod bounds;
mod copying;
pub(crate) mod cpu;
#[cfg(feature = "http")]
pub mod endpoint;
pub(crate) mod error;
mod gate;
pub mod heap;
mod profile_slot;
#[cfg(feature = "http")]
mod query;
mod ring;
mod sampling;
pub(crate) mod signal;
mod signal_value;
#[cfg(feature = "http")]
mod symbol;
mod sync;
mod tally;
mod task;
pub(crate) mod telemetry;
mod timed;
pub(crate) mod timers;
