#![doc = include_str!("../README.md")]

pub mod admin;
mod check;
mod checks;
mod counts;
mod entry;
mod error;
#[cfg(feature = "grpc")]
pub mod grpc;
mod health;
mod heartbeat;
pub mod lifecycle;
mod mount;
mod on_demand;
mod own_runtime;
mod pace;
mod probe;
mod report;
mod run;
mod schedule;
mod server;
mod shared_run;
mod snapshot;
mod state;
mod status;
mod telemetry;
mod transitions;
pub mod watchdog;
mod watched;
mod write_limit;

pub use check::Check;
pub use checks::PoolExhausted;
pub use error::Error;
pub use health::{Health, StartupLatch};
pub use mount::{ProbeLayer, ProbeService};
pub use server::{Acceptor, PlainTcp, Server, ServerLimits};
pub use state::State;
pub use status::FailureKind;

/// The guide's examples.
#[cfg(all(doctest, feature = "http-check", feature = "sqlx"))]
#[doc = include_str!("../../../docs/health.md")]
mod guide {}
