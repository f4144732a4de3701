//! A forked child sends nothing over its parent's connections, counts what it has, and leaves the parent's export alone.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(unsafe_code, reason = "forks")]

use std::time::Duration;

use obs_all::logging::{Builder, Otlp, Output};
use obs_all::metrics::{Push, Registry};
use obs_all::tracing::Protocol;
use obs_testing::otlp::Collector;
use tracing_subscriber::prelude::*;

const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

/// Whether all of it holds in a forked child, which is killed where it hangs.
fn holds_in_child(check: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child uses what it is to be tried with, and leaves without running anything else.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: a signal without a handler ends the child after a minute.
            unsafe { libc::alarm(60) };
            let held = check();
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(i32::from(!held)) }
        }
        child => {
            let mut status = 0;
            // SAFETY: waits for the child from above, once.
            unsafe { libc::waitpid(child, &mut status, 0) };
            status == 0
        }
    }
}

/// One test: a child has the locks of the process as other threads left them.
#[test]
fn forked_child_counts_and_parent_continues() {
    for protocol in Protocol::ALL {
        let collector = Collector::start([]);
        let otlp = Otlp::new(collector.url()).protocol(protocol);
        let (layer, logging) = Builder::new().output(Output::otlp(otlp)).build().unwrap();
        let mut logging = Some(logging);
        let counts = |logging: &Option<obs_all::logging::Logging>| {
            let counts = logging.as_ref().unwrap().counts();
            (counts.written, counts.dropped)
        };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!("of the parent");
            assert!(logging.as_ref().unwrap().flush(WAIT_TIMEOUT).complete);
            assert_eq!(counts(&logging), (1, 0));
            assert!(holds_in_child(|| {
                tracing::info!("of the child");
                let is_counted = counts(&logging).1 == 1;
                drop(logging.take());
                is_counted
            }));
            tracing::info!("of the parent, later");
            assert!(logging.as_ref().unwrap().shutdown(WAIT_TIMEOUT).complete);
        });
        assert_eq!((counts(&logging), collector.seen().len()), ((2, 0), 2), "{protocol}");

        let collector = Collector::start([]);
        let push = Push::new(collector.url()).protocol(protocol);
        let mut pusher = Some(push.start(&Registry::new()).unwrap());
        assert!(pusher.as_ref().unwrap().flush(WAIT_TIMEOUT));
        assert!(holds_in_child(|| {
            let pushed = pusher.as_ref().is_some_and(|pusher| pusher.flush(WAIT_TIMEOUT));
            drop(pusher.take());
            !pushed
        }));
        assert!(pusher.as_ref().unwrap().shutdown(WAIT_TIMEOUT));
        assert_eq!(collector.seen().len(), 2, "{protocol}");
    }
}
