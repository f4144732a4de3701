//! The same by the sentry crates, to a transport that throws away.

use std::convert::Infallible;
use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Empty;
use sentry_backtrace::{AttachStacktraceIntegration, ProcessStacktraceIntegration};
use sentry_core::{ClientOptions, Hub};
use sentry_tower::{NewSentryLayer, SentryHttpLayer};
use sentry_tracing::{BreadcrumbLayer, ErrorLayer};
use tower::{Service, ServiceBuilder, service_fn};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

use super::work::{Refused, added as added_by, failed_line, failures, with};
use crate::measure::nanoseconds;
use crate::tracing::SentToNowhere;

fn client() {
    // The integrations that `sentry::init` adds for stacks.
    let mut options = ClientOptions::new()
        .attach_stacktrace(true)
        .add_integration(AttachStacktraceIntegration::new())
        .add_integration(ProcessStacktraceIntegration::new());
    options.dsn = "http://public@127.0.0.1/1".parse().ok();
    options.transport = Some(Arc::new(SentToNowhere));
    Hub::current().bind_client(Some(Arc::new(options.into())));
}

fn subscriber() -> impl Subscriber + Send + Sync {
    client();
    tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(BreadcrumbLayer::new())
        .with(ErrorLayer::new().with_filter(LevelFilter::ERROR))
}

/// Its errors are not asked about the line: that it has but a layer of breadcrumbs is in its favour.
pub(super) fn added() -> f64 {
    client();
    added_by(tracing_subscriber::registry().with(LevelFilter::INFO).with(BreadcrumbLayer::new()))
}

pub(super) fn logged() -> f64 {
    with(subscriber(), || failures(failed_line, || ()))
}

pub(super) fn captured() -> f64 {
    with(subscriber(), || {
        let capture = || assert!(!sentry_core::capture_error(&Refused).is_nil(), "it is told");
        failures(capture, || ())
    })
}

pub(super) fn request() -> f64 {
    client();
    let layers =
        ServiceBuilder::new().layer(NewSentryLayer::new_from_top()).layer(SentryHttpLayer::new());
    requests(layers)
}

/// Nanoseconds of one request and its answer through these layers, without those of the service alone.
pub(super) fn requests<L, B>(layers: ServiceBuilder<L>) -> f64
where
    L: tower::Layer<Handler>,
    L::Service: Service<Request<()>, Response = Response<B>, Error = Infallible>,
    B: Body,
{
    let bare = nanoseconds_of(handler());
    nanoseconds_of(layers.service(handler())) - bare
}

type Answered = std::future::Ready<Result<Response<Empty<Bytes>>, Infallible>>;
type Handler = tower::util::ServiceFn<fn(Request<()>) -> Answered>;

fn handler() -> Handler {
    service_fn(|_| ready(Ok(Response::new(Empty::new()))))
}

fn nanoseconds_of<S, B>(mut service: S) -> f64
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
    B: Body,
{
    let mut context = Context::from_waker(Waker::noop());
    nanoseconds(|| {
        let request = Request::get("/orders/17?page=2").header("accept", "*/*").body(());
        let answer = pin!(service.call(request.expect("a request"))).poll(&mut context);
        let Poll::Ready(Ok(answer)) = answer else { panic!("the handler waits for nothing") };
        let _ended = pin!(answer.into_body()).poll_frame(&mut context).is_ready();
    })
}
