//! For tests: foreign programs as oracles, stuck peers, and processes to look into.

#![allow(clippy::panic, clippy::print_stderr, clippy::unwrap_used, reason = "it is part of tests")]

mod instructions;
#[cfg(feature = "otlp")]
pub mod otlp;
pub mod peers;
mod port;
mod rotel;
#[cfg(feature = "target")]
pub mod target;

pub use instructions::instructions;
pub use port::free_port;
pub use rotel::{Rotel, Signal};

use std::fmt::Display;

/// Says that a test is left out because a peer is missing, and how to get it.
///
/// # Panics
///
/// Where `OBS_REQUIRE_PEERS=1` forbids to leave it out.
#[track_caller]
pub fn skipped(why: impl Display) {
    let required = std::env::var_os("OBS_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(!required, "OBS_REQUIRE_PEERS=1 forbids to skip: {why}");
    eprintln!("skipped: {why}");
}

/// Says that a test is left out because the machine does not let it run, which no package changes: no
/// privilege, no namespaces, no such target. Nothing forbids that.
pub fn impossible(why: impl Display) {
    eprintln!("left out: {why}");
}
