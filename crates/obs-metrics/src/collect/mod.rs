//! Metrics about the process itself.

mod process;

pub use process::process;
