#![doc = include_str!("../README.md")]

pub mod admin;
mod check;
mod checks;
mod entry;
mod error;
#[cfg(feature = "grpc")]
pub mod grpc;
mod health;
pub mod lifecycle;
mod mount;
mod on_demand;
mod own_runtime;
mod pace;
mod probe;
mod report;
mod schedule;
mod server;
mod status;
mod telemetry;
mod transitions;
mod vital;
pub mod watchdog;
mod watched;
mod write_limit;

pub use check::Check;
pub use checks::PoolExhausted;
pub use error::Error;
pub use health::{Health, StartupLatch, State};
pub use mount::{ProbeLayer, ProbeService};
pub use server::{Acceptor, PlainTcp, Server, ServerLimits};
pub use status::FailureKind;
