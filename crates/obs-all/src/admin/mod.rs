//! The pillars' pages on the admin server.

mod answer;
mod cost;
mod log_level;
mod pprof;
mod sampler;
mod spans;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use obs_health::Health;
use obs_health::admin::{AdminServer, Builder};
use obs_logging::Logging;
use obs_metrics::{Endpoint, Registry};
use obs_tracing::Traces;

use crate::config::{Admin, AdminPlace, Explanation};
use crate::error::Error;
use crate::prices::Prices;

/// What is shown.
pub(crate) struct Shown<'a> {
    pub(crate) explanation: &'a Explanation,
    pub(crate) registry: Registry,
    pub(crate) health: Health,
    pub(crate) logging: Arc<Logging>,
    pub(crate) traces: Arc<Traces>,
    #[cfg(feature = "errors")]
    pub(crate) errors: Arc<obs_errors::Errors>,
    pub(crate) profiling: bool,
    pub(crate) prices: Prices,
}

pub(crate) fn start(admin: &Admin, shown: Shown<'_>) -> Result<Option<AdminServer>, Error> {
    let Shown { explanation, registry, health, logging, traces, profiling, prices, .. } = shown;
    #[cfg(feature = "errors")]
    let errors = shown.errors;
    let builder = match &admin.place {
        AdminPlace::Off => return Ok(None),
        AdminPlace::Tcp(addr) => Builder::new(health).addr(*addr),
        AdminPlace::Unix(path) => Builder::new(health).unix(path),
    };
    let bill = cost::Bill {
        logging: Arc::clone(&logging),
        traces: Arc::clone(&traces),
        registry: registry.clone(),
        #[cfg(feature = "errors")]
        errors: Arc::clone(&errors),
        prices,
        since: Instant::now(),
    };
    let metrics = Endpoint::new(registry);
    let (cardinality, lint) = (metrics.clone(), metrics.clone());
    let explanation = Bytes::from(explanation.to_string());
    let mut builder = builder
        .public_route("/metrics", move |request| {
            let response = metrics.respond(&request.into_parts().0);
            async { response }
        })
        .protected_route("/debug/cardinality", move |request| {
            let response = cardinality.cardinality(&request.into_parts().0);
            async { response }
        })
        .protected_route("/debug/metrics/lint", move |request| {
            let response = lint.lint(&request.into_parts().0);
            async { response }
        })
        .protected_route("/debug/config", move |_| {
            let response = answer::plain(explanation.clone());
            async { response }
        })
        .protected_route("/debug/log-level", {
            let logging = Arc::clone(&logging);
            move |request| {
                let response = log_level::answer(&logging, &request);
                async { response }
            }
        })
        .protected_route("/debug/sampler", {
            let traces = Arc::clone(&traces);
            move |request| {
                let response = sampler::answer(&traces, &request);
                async { response }
            }
        })
        .protected_route("/debug/spans", {
            let traces = Arc::clone(&traces);
            move |_| {
                let response = spans::answer(&traces);
                async { response }
            }
        })
        .protected_route("/debug/cost", move |request| {
            let response = bill.answer(&request);
            async { response }
        });
    #[cfg(feature = "errors")]
    {
        builder = builder.protected_route("/debug/errors", move |_| {
            let places = serde_json::json!({"errors": errors.places()});
            let response = answer::json(http::StatusCode::OK, &places);
            async { response }
        });
    }
    if profiling {
        builder = pprof::add(builder);
    }
    if let Some(token) = &admin.token {
        builder = builder.token(token);
    }
    builder.start().map(Some).map_err(Error::part("admin server"))
}
