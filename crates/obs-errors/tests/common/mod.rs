//! A sink that keeps what it is told.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "it is part of tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use obs_errors::{Builder, ErrorLayer, Errors, Outcome, Report};
use tracing::Dispatch;
use tracing_subscriber::layer::SubscriberExt;

/// What was told.
#[derive(Clone, Default)]
pub struct Kept(Arc<Mutex<Vec<Report>>>);

impl Kept {
    pub fn reports(&self) -> Vec<Report> {
        self.0.lock().unwrap().clone()
    }

    pub fn sink(&self) -> impl FnMut(&Report) -> Outcome + Send + 'static {
        let kept = self.0.clone();
        move |report: &Report| {
            kept.lock().unwrap().push(report.clone());
            Outcome::Delivered
        }
    }
}

pub fn builder() -> Builder {
    Builder::new("orders").environment(|_| None)
}

pub fn dispatch(layer: ErrorLayer) -> Dispatch {
    Dispatch::new(tracing_subscriber::registry().with(layer))
}

/// What `work` reports, to a sink that keeps it.
pub fn reported(builder: Builder, work: impl FnOnce(&Errors)) -> Vec<Report> {
    let kept = Kept::default();
    let (layer, errors) = builder.sink(kept.sink()).build().unwrap();
    tracing::dispatcher::with_default(&dispatch(layer), || work(&errors));
    assert!(errors.flush(Duration::from_secs(60)).complete());
    kept.reports()
}
