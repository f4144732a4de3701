//! What is not wanted costs nothing: in a process of its own, because `tracing` asks every subscriber
//! of the process whether it wants a callsite.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};

use common::kept;
use obs_logging::Builder;
use tracing::{debug, debug_span};

#[test]
fn filtered_callsite_is_disabled() {
    let (dispatch, kept, _logging) = kept(Builder::new().filter("info"));
    tracing::dispatcher::with_default(&dispatch, || {
        let evaluated = AtomicUsize::new(0);
        debug!(value = evaluated.fetch_add(1, Ordering::Relaxed), "unwanted");
        assert_eq!(evaluated.load(Ordering::Relaxed), 0);
        assert!(!tracing::enabled!(tracing::Level::DEBUG));
        assert!(debug_span!("unwanted").is_disabled());
    });
    assert_eq!(kept.text(), "");
}
