//! Payments: a service on bare hyper, without a framework.

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, request};
use http_body_util::Full;
use hyper::body::Incoming;
use obs_all::metrics::{Buckets, Histogram};
use obs_context::Route;
use obs_demo::{Failure, exit, listener};
use tower::service_fn;

static CHARGED: LazyLock<Histogram> = LazyLock::new(|| {
    let buckets = Buckets::new([1.0, 10.0, 100.0, 1_000.0]);
    obs_all::metrics::histogram("payments_charged_amount", "What was charged, in euros.", buckets)
});

#[tokio::main]
async fn main() -> ExitCode {
    exit("payments", serve().await)
}

async fn serve() -> Result<(), Failure> {
    let obs = obs_all::init("payments")?;
    let app = obs.observe((service_fn(answer), route as fn(&_) -> _));
    obs.serve(listener("127.0.0.1:8003").await?, app).await?;
    Ok(())
}

fn route(request: &request::Parts) -> Option<Route> {
    charged_order(request.uri.path()).map(|_| Route::intern("/charge/{id}"))
}

fn charged_order(path: &str) -> Option<&str> {
    path.strip_prefix("/charge/").filter(|id| !id.is_empty() && !id.contains('/'))
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let response = match (request.method(), charged_order(request.uri().path())) {
        (&Method::POST, Some(order)) => charge(order).await,
        (_, Some(_)) => status(StatusCode::METHOD_NOT_ALLOWED),
        (_, None) => status(StatusCode::NOT_FOUND),
    };
    Ok(response)
}

async fn charge(order: &str) -> Response<Full<Bytes>> {
    let amount = 10.0 + f64::from(order.bytes().map(u32::from).sum::<u32>() % 90);
    tokio::time::sleep(Duration::from_millis(2)).await; // the bank
    if order.starts_with("declined") {
        tracing::warn!(order.id = order, amount, "card declined");
        return status(StatusCode::PAYMENT_REQUIRED);
    }
    CHARGED.observe(amount);
    tracing::info!(order.id = order, amount, "card charged");
    Response::new(Full::from(format!(r#"{{"charged":{amount}}}"#)))
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
