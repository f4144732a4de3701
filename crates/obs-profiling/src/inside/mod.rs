//! Profiles that a process takes of itself.

mod bounds;
pub(crate) mod cpu;
pub(crate) mod error;
mod flight;
mod gate;
pub(crate) mod labels;
mod ring;
mod sampling;
mod signal;
mod sync;
mod tally;
mod task;
pub(crate) mod telemetry;
mod timed;
mod timers;
