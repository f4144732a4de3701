//! Serving the application until its shutdown is over.

use std::error::Error as StdError;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use obs_health::lifecycle::{FlushStage, Flushed, ShutdownReport};
use obs_health::{Server, watchdog};
use tokio::net::TcpListener;
use tower_service::Service;

use crate::{Error, Obs};

impl Obs {
    /// Serves `app` on `listener` until SIGTERM, SIGINT (also one since [`init`](crate::init())) or [`shut_down`](obs_health::lifecycle::Lifecycle::shut_down),
    /// then finishes what is under way, closes what was registered, flushes every pillar, and reports. What
    /// the report counts as lost is of the whole life of the process.
    ///
    /// Starts the background checks and the watchdog of the runtime. Watch the application first: [`Obs::observe`].
    ///
    /// # Errors
    ///
    /// When a check that is to be disabled does not exist, or no thread can be started.
    pub async fn serve<App, B>(
        self,
        listener: TcpListener,
        app: App,
    ) -> Result<ShutdownReport, Error>
    where
        App: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        App::Future: Send,
        App::Error: Into<Box<dyn StdError + Send + Sync>>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let lifecycle = self.lifecycle.clone();
        // Only now are the checks known by their names.
        self.health.disable(&self.disabled_checks).map_err(Error::part("OBS_HEALTH_DISABLE"))?;
        self.health.start();
        let watchdog = watchdog::Builder::new(self.health.clone());
        #[cfg(all(feature = "profiling", target_os = "linux"))]
        let watchdog = watchdog.stacks(crate::stacks::of_this_process);
        let _watchdog = match self.watchdog {
            true => Some(watchdog.start().map_err(Error::part("health"))?),
            false => None,
        };
        if let Some(admin) = self.admin.lock().unwrap_or_else(PoisonError::into_inner).take() {
            lifecycle.keep_admin(admin);
        }
        #[cfg(feature = "errors")]
        {
            let errors = Arc::clone(&self.errors);
            lifecycle.on_flush(FlushStage::Errors, move |deadline| {
                let flushed = errors.shutdown(deadline);
                let lost = flushed.lost + flushed.unknown;
                Flushed { delivered: flushed.delivered, lost }
            });
        }
        let traces = Arc::clone(&self.traces);
        lifecycle.on_flush(FlushStage::Traces, move |deadline| {
            let known = traces.shutdown(deadline).complete;
            let counts = traces.counts();
            // Spans whose fate is not known by the deadline are lost with the process.
            let unknown = if known { 0 } else { counts.in_flight() };
            Flushed { delivered: counts.exported, lost: counts.dropped + unknown }
        });
        if let Some(push) = self.push.clone() {
            lifecycle.on_flush(FlushStage::Metrics, move |deadline| {
                // The numbers are cumulative: the last push alone decides whether any are lost.
                let lost = u64::from(!push.shutdown(deadline));
                Flushed { delivered: push.counts().delivered, lost }
            });
        }
        let outputs: Vec<_> = self.log_outputs().cloned().collect();
        lifecycle.on_flush(FlushStage::Logs, move |deadline| {
            let begun = Instant::now();
            let mut flushed = Flushed { delivered: 0, lost: 0 };
            for logging in &outputs {
                let _ = logging.shutdown(deadline.saturating_sub(begun.elapsed()));
                let counts = logging.counts();
                flushed.delivered += counts.written;
                flushed.lost += counts.dropped;
            }
            flushed
        });
        self.tell_addresses(&listener);
        let server = Server::new(listener).limits(self.server_limits);
        Ok(server.serve(app, lifecycle).await)
    }

    fn tell_addresses(&self, listener: &TcpListener) {
        let addr = listener.local_addr().map(|addr| addr.to_string()).unwrap_or_default();
        match self.admin_addr() {
            Some(admin) => ::tracing::info!(addr, %admin, "listening"),
            None => ::tracing::info!(addr, "listening"),
        }
    }
}
