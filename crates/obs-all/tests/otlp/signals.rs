//! Each signal exported by its own crate, with what all of them have in common.

use std::time::{Duration, Instant};

use obs_all::logging::{Builder, Otlp, Output};
use obs_all::metrics::{Push, Registry};
use obs_all::tracing::{Compression, Protocol};
use tracing_subscriber::prelude::*;

use super::WAIT_TIMEOUT;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
    Logs,
}

pub(crate) const SIGNALS: [Signal; 3] = [Signal::Traces, Signal::Metrics, Signal::Logs];

/// How one export is set up.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) endpoint: String,
    pub(crate) protocol: Protocol,
    pub(crate) compression: Compression,
    pub(crate) timeout: Duration,
    pub(crate) retry_for: Duration,
    pub(crate) trusted_roots: Option<String>,
    pub(crate) variables: Vec<(&'static str, String)>,
    /// Shuts down in this time, instead of waiting for the end.
    pub(crate) shutdown: Option<Duration>,
}

/// What became of a span, of a line, or of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) handed_over: u64,
    pub(crate) delivered: u64,
    /// Those that are unknown and those that were rejected among them.
    pub(crate) lost: u64,
    pub(crate) unknown: u64,
    pub(crate) rejected: u64,
}

impl Setup {
    fn lookup(&self) -> impl Fn(&str) -> Option<String> + Send + Sync + 'static {
        let variables = self.variables.clone();
        move |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.clone())
        }
    }
}

/// The builders have the same methods, by one macro.
macro_rules! common {
    ($builder:expr, $setup:expr) => {{
        let builder = $builder
            .environment($setup.lookup())
            .protocol($setup.protocol)
            .compression($setup.compression)
            .header("x-tenant", "seven")
            .timeout($setup.timeout)
            .retry_for($setup.retry_for)
            .backoff(Duration::from_millis(5));
        match &$setup.trusted_roots {
            Some(roots) => builder.trusted_roots(roots),
            None => builder,
        }
    }};
}

impl Signal {
    pub(crate) fn http_path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
            Self::Logs => "/v1/logs",
        }
    }

    pub(crate) fn export(self, setup: &Setup) -> Account {
        match self {
            Self::Traces => traces(setup),
            Self::Metrics => metrics(setup),
            Self::Logs => logs(setup),
        }
    }
}

fn traces(setup: &Setup) -> Account {
    let builder = obs_all::tracing::Builder::new("table").endpoint(setup.endpoint.clone());
    let builder = common!(builder, setup).delay(Duration::from_secs(60));
    let (layer, traces) = builder.build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info_span!("told-in-the-table").in_scope(|| {});
    });
    match setup.shutdown {
        None => assert!(traces.flush(WAIT_TIMEOUT).complete),
        Some(deadline) => {
            let _ = traces.flush(deadline / 2);
            let _ = traces.shutdown(deadline);
        }
    }
    until(|| traces.counts().in_flight() == 0);
    let counts = traces.counts();
    Account {
        handed_over: counts.started,
        delivered: counts.exported,
        lost: counts.dropped,
        unknown: counts.unknown,
        rejected: counts.rejected,
    }
}

fn metrics(setup: &Setup) -> Account {
    let registry = Registry::new();
    registry.counter("told_in_the_table_total", "In the table.").unwrap().inc();
    let push = common!(Push::new(setup.endpoint.clone()), setup);
    let pusher = push.resource([("service.name", "table")]).start(&registry).unwrap();
    let _ = match setup.shutdown {
        None => pusher.flush(WAIT_TIMEOUT),
        Some(deadline) => pusher.shutdown(deadline),
    };
    until(|| pusher.counts() != obs_all::metrics::PushCounts::default());
    let counts = pusher.counts();
    Account {
        handed_over: 1,
        delivered: counts.delivered,
        lost: counts.failed + counts.unknown,
        unknown: counts.unknown,
        rejected: counts.rejected,
    }
}

fn logs(setup: &Setup) -> Account {
    let otlp = common!(Otlp::new(setup.endpoint.clone()), setup);
    let otlp = otlp.resource("service.name", "table");
    let builder = Builder::new().output(Output::otlp(otlp.clone()));
    let (layer, logging) = builder.build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info!("told-in-the-table");
    });
    match setup.shutdown {
        None => assert!(logging.flush(WAIT_TIMEOUT).complete),
        Some(deadline) => {
            let _ = logging.flush(deadline / 2);
            let _ = logging.shutdown(deadline);
        }
    }
    let counts = || logging.counts();
    until(|| counts().emitted == counts().written + counts().dropped);
    Account {
        handed_over: counts().emitted,
        delivered: counts().written,
        lost: counts().dropped,
        unknown: counts().unknown,
        rejected: otlp.rejected(),
    }
}

fn until(done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < WAIT_TIMEOUT, "the account never closes");
        std::thread::sleep(Duration::from_millis(2));
    }
}
