//! The orders service with our telemetry: the pillars one by one, and the facade with all of them.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::get;
use obs_all::Config;
use obs_http::{ObserveLayer, matched_path};
use obs_logging::http::RequestContext;
use obs_metrics::Endpoint;
use obs_metrics::http::ServerMetrics;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::{Failure, Mode, listener, routes, serve};

/// Serves until SIGTERM with what the environment asks for; `more` are routes beside those of the orders.
///
/// # Errors
///
/// When the telemetry or the service does not start.
pub async fn run(more: Router) -> Result<(), Failure> {
    let app = routes().await?.merge(more);
    match Mode::from_environment()? {
        Mode::Bare => serve(listener().await?, app).await,
        Mode::Logs => with_logs(app, None).await,
        Mode::Metrics => {
            with_logs(app, Some(ServerMetrics::new(obs_metrics::default_registry())?)).await
        }
        Mode::Traces => {
            let obs = Config::new("orders").database_system("sqlite").init()?;
            let app = obs.observe(app);
            obs.serve(listener().await?, app).await?;
            Ok(())
        }
    }
}

async fn with_logs(app: Router, red: Option<ServerMetrics>) -> Result<(), Failure> {
    let (layer, logging) = obs_logging::Builder::new().filter("info").build()?;
    tracing_subscriber::registry().with(layer).init();
    let endpoint = red.is_some().then(|| Endpoint::new(obs_metrics::default_registry().clone()));
    let app = app.layer(ObserveLayer::new((RequestContext::new(), red), matched_path));
    let app = match endpoint {
        None => app,
        Some(endpoint) => app.route(
            "/metrics",
            get(async move |request: Request| {
                endpoint.respond(&request.into_parts().0).map(Body::from)
            }),
        ),
    };
    serve(listener().await?, app).await?;
    let _ = logging.shutdown(std::time::Duration::from_secs(5));
    Ok(())
}
