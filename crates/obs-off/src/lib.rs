//! An application as a user of obs-all writes it, and the same by hand without it.

pub mod bare;
pub mod telemetry;
