//! What the export threads warn of.

use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;

use super::WAIT_TIMEOUT;

static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps the warnings of the whole process, whose export threads have no subscriber of their own. It wants everything: two
/// threads that meet a callsite at once cannot leave one of them without it (tracing-core's cache).
pub(crate) struct Warnings;

impl Warnings {
    pub(crate) fn install() {
        let _ = tracing_subscriber::registry().with(Self).try_init();
    }

    /// Waits until a warning about `endpoint` has these texts.
    pub(crate) fn expect(texts: &[&str], endpoint: &str) {
        let begun = Instant::now();
        loop {
            let logged = LOGGED.lock().unwrap().clone();
            let of_this = logged.iter().filter(|line| line.contains(endpoint));
            if of_this.clone().any(|line| texts.iter().all(|text| line.contains(text))) {
                return;
            }
            let of_this: Vec<_> = of_this.collect();
            assert!(begun.elapsed() < WAIT_TIMEOUT, "{texts:?} are in none of {of_this:#?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl<S: tracing::Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "obs_otlp" {
            let mut line = Line(String::new());
            event.record(&mut line);
            LOGGED.lock().unwrap().push(line.0);
        }
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!("{}={value:?} ", field.name());
    }
}
