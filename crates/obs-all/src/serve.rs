//! Serving the application until its shutdown is over.

use std::any::TypeId;
use std::error::Error as StdError;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::Poll;
use std::time::Instant;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use obs_health::lifecycle::{Finished, FlushStage, Flushed, ShutdownReport};
use obs_health::watchdog::{self, Watchdog};
use obs_health::{Acceptor, PlainTcp, Server};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use crate::{Error, Obs, peer};

impl Obs {
    /// Serves `app` on `listener` until SIGTERM, SIGINT (also one since [`init`](crate::init())) or [`shut_down`](obs_health::lifecycle::Lifecycle::shut_down),
    /// then finishes what is under way, closes what was registered, flushes every pillar, and reports. What
    /// the report counts as lost is of the whole life of the process.
    ///
    /// Starts the background checks and the watchdog of the runtime. Watch the application first: [`Obs::observe`].
    /// Handlers of axum's `Router` find the connection's peer as `ConnectInfo<SocketAddr>`; every other application
    /// finds it by [`PeerAddr::of`](obs_http::PeerAddr::of) the request's extensions.
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
        self.serve_all([listener], app).await
    }

    /// [`Obs::serve`] on several listeners at once: IPv4 and IPv6, or two ports. They close together, with one report.
    ///
    /// # Errors
    ///
    /// As [`Obs::serve`].
    pub async fn serve_all<App, B>(
        self,
        listeners: impl IntoIterator<Item = TcpListener>,
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
        self.serve_with(listeners, PlainTcp, app).await
    }

    /// [`Obs::serve_all`] behind a handshake, such as TLS: each connection goes through `acceptor` first.
    ///
    /// # Errors
    ///
    /// As [`Obs::serve`].
    pub async fn serve_with<A, App, B>(
        self,
        listeners: impl IntoIterator<Item = TcpListener>,
        acceptor: A,
        app: App,
    ) -> Result<ShutdownReport, Error>
    where
        A: Acceptor,
        App: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        App::Future: Send,
        App::Error: Into<Box<dyn StdError + Send + Sync>>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let running = self.begin()?;
        let mut serving = Vec::new();
        for listener in listeners {
            let addr = listener.local_addr().map(|addr| addr.to_string()).unwrap_or_default();
            self.log_start(Some(&addr));
            let server = Server::new(listener)
                .limits(self.server_limits)
                .insert_peer(peer::insert_for(TypeId::of::<App>()))
                .acceptor(acceptor.clone());
            serving.push(Box::pin(server.serve(app.clone(), self.lifecycle.clone())));
        }
        let report = match all(serving).await {
            Some(report) => report,
            None => self.lifecycle.clone().run().await,
        };
        drop(running);
        Ok(report)
    }

    /// Runs a server of another crate (actix-web's, tonic's own) with everything that [`Obs::serve`] has: signals,
    /// checks, watchdog, drain, flushes, report. `serve` is given the token that is cancelled when its listener must
    /// close; from then on it has `OBS_SHUTDOWN_REQUESTS` to end. What it returns is in [`Finished::output`].
    ///
    /// ```no_run
    /// # async fn of_another_crate(_: impl Future<Output = ()>) -> std::io::Result<()> { Ok(()) }
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let obs = obs_all::init("orders")?;
    /// let finished = obs.run_server(|closes| of_another_crate(closes.cancelled_owned())).await?;
    /// finished.output.transpose()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Obs::serve`].
    pub async fn run_server<Foreign: Future>(
        self,
        serve: impl FnOnce(CancellationToken) -> Foreign,
    ) -> Result<Finished<Foreign::Output>, Error> {
        let running = self.begin()?;
        self.log_start(None);
        let finished = self.lifecycle.clone().run_server(serve).await;
        drop(running);
        Ok(finished)
    }

    /// [`Obs::run_server`] for a server of actix-web (feature `actix`): it stops gracefully when its listener must
    /// close. Build it with `HttpServer::disable_signals`, or it stops at the signal, before load balancers know of it.
    ///
    /// # Errors
    ///
    /// As [`Obs::serve`].
    #[cfg(feature = "actix")]
    pub async fn run_actix(
        self,
        server: actix_web::dev::Server,
    ) -> Result<Finished<std::io::Result<()>>, Error> {
        let handle = server.handle();
        let serve = |closes: CancellationToken| async move {
            tokio::spawn(async move {
                closes.cancelled().await;
                handle.stop(true).await;
            });
            server.await
        };
        self.run_server(serve).await
    }

    /// Runs work that takes no connections, such as a consumer of a queue, with everything that [`Obs::serve`] has.
    /// [`Lifecycle::draining`](obs_health::lifecycle::Lifecycle::draining) is cancelled with the signal, no load
    /// balancer is waited for, and the work has `OBS_SHUTDOWN_TASKS` to end. It may end by itself, too.
    ///
    /// ```no_run
    /// # async fn next_job() {}
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let obs = obs_all::init("mailer")?;
    /// let stop = obs.lifecycle().draining();
    /// obs.run(async {
    ///     while stop.run_until_cancelled(next_job()).await.is_some() {}
    /// })
    /// .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Obs::serve`].
    pub async fn run<Work: Future>(self, work: Work) -> Result<Finished<Work::Output>, Error> {
        let running = self.begin()?;
        self.log_start(None);
        let finished = self.lifecycle.clone().run_worker(work).await;
        drop(running);
        Ok(finished)
    }

    /// Starts what runs beside the application, and registers the flushes of the end.
    fn begin(&self) -> Result<Option<Watchdog>, Error> {
        let lifecycle = &self.lifecycle;
        // Only now are the checks known by their names.
        self.health.disable(&self.disabled_checks).map_err(Error::part("OBS_HEALTH_DISABLE"))?;
        self.health.start();
        let watchdog = watchdog::Builder::new(self.health.clone());
        #[cfg(all(feature = "profiling", target_os = "linux"))]
        let watchdog = watchdog.stacks(crate::stacks::of_this_process);
        let watchdog = match self.watchdog {
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
        Ok(watchdog)
    }

    fn log_start(&self, addr: Option<&str>) {
        let admin = self.admin_addr().map(::tracing::field::display);
        match addr {
            Some(addr) => ::tracing::info!(addr, admin, "listening"),
            None => ::tracing::info!(admin, "started"),
        }
    }
}

/// Runs servers on one lifecycle, whose report each of them returns; `None` of none.
async fn all(
    mut servers: Vec<Pin<Box<impl Future<Output = ShutdownReport>>>>,
) -> Option<ShutdownReport> {
    let mut report = None;
    poll_fn(|context| {
        servers.retain_mut(|server| match server.as_mut().poll(context) {
            Poll::Ready(ended) => {
                report = Some(ended);
                false
            }
            Poll::Pending => true,
        });
        if servers.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    report
}
