//! Requests: whose error it is, what led to it, and 5xx that nobody told of.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod common;

use std::convert::Infallible;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use common::{Kept, builder};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use obs_context::{ActiveSpan, RequestId, Route, SpanId, TraceId, set_active_span};
use obs_errors::http::{HandlerError, WatchErrors};
use obs_errors::{Kind, Report};
use obs_http::ObserveLayer;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tracing::{error, info};

const ROUTE: fn(&http::request::Parts) -> Option<Route> = |_| Some(Route::intern("/orders/{id}"));

fn block_on<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn request(uri: &str) -> Request<Empty<Bytes>> {
    Request::get(uri)
        .header("authorization", "Bearer hunter2")
        .header("cookie", "session=hunter2")
        .body(Empty::new())
        .unwrap()
}

/// What is reported while a handler answers one request.
fn answered<H, F>(handler: H) -> Vec<Report>
where
    H: Fn(Request<Empty<Bytes>>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send,
{
    let kept = Kept::default();
    let (layer, errors) = builder().sink(kept.sink()).build().unwrap();
    tracing::dispatcher::with_default(&common::dispatch(layer), || {
        let watch = ObserveLayer::new(WatchErrors::new(&errors), ROUTE).catch_panics();
        let service = ServiceBuilder::new().layer(watch).service(service_fn(handler));
        block_on(async {
            let answer = service.oneshot(request("/orders/17?token=hunter2")).await.unwrap();
            let _its_error_is_the_tests = answer.into_body().collect().await;
        });
    });
    assert!(errors.flush(Duration::from_secs(60)).complete());
    let mut reports = kept.reports();
    // This file's own lines say it.
    reports.iter_mut().for_each(|report| report.stack.clear());
    assert!(!format!("{reports:?}").contains("hunter2"), "{reports:#?}");
    reports
}

fn answer(status: u16) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::from("x")).unwrap()
}

#[test]
fn error_event_has_request() {
    let reports = answered(|_| async {
        info!("looking");
        error!("not found in time");
        Ok(answer(500))
    });
    let [report] = &reports[..] else { panic!("once, not for its 500 as well: {reports:#?}") };
    assert_eq!(report.kind, Kind::Event);
    let request = report.request.as_ref().unwrap();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/orders/17"));
    assert_eq!(request.route, Some("/orders/{id}"));
    assert_eq!(report.breadcrumbs.len(), 1);
}

#[test]
fn response_5xx_without_report_is_captured_with_cause() {
    let reports = answered(|_| async { Ok(answer(503)) });
    let [report] = &reports[..] else { panic!("{reports:#?}") };
    assert_eq!((report.kind, report.place.as_str()), (Kind::Response, "/orders/{id}:503"));
    assert_eq!(report.chain[0].message, "GET /orders/{id} answered 503");
    assert_eq!(report.request.as_ref().unwrap().status, Some(503));

    let reports = answered(|_| async {
        let mut answer = answer(500);
        let cause = std::io::Error::other("disk on fire");
        answer.extensions_mut().insert(HandlerError::new(cause));
        Ok(answer)
    });
    assert_eq!(reports[0].chain[0].message, "disk on fire");
    assert_eq!(reports[0].chain[0].kind, "std::io::Error");

    assert!(answered(|_| async { Ok(answer(404)) }).is_empty());
}

/// Its place has told enough: that is no reason to tell of its 500 instead.
#[test]
fn response_500_after_limited_error_is_not_counted_again() {
    let kept = Kept::default();
    let (layer, errors) =
        builder().limit(1, Duration::from_secs(3600)).sink(kept.sink()).build().unwrap();
    tracing::dispatcher::with_default(&common::dispatch(layer), || {
        let watch = ObserveLayer::new(WatchErrors::new(&errors), ROUTE);
        let handler = service_fn(|_: Request<Empty<Bytes>>| async {
            error!("it failed");
            Ok::<_, Infallible>(answer(500))
        });
        let service = ServiceBuilder::new().layer(watch).service(handler);
        block_on(async {
            for _ in 0..3 {
                let answer = service.clone().oneshot(request("/orders/17")).await.unwrap();
                answer.into_body().collect().await.unwrap();
            }
        });
    });
    assert!(errors.flush(Duration::from_secs(60)).complete());
    assert_eq!(kept.reports().len(), 1);
    let places = errors.places();
    assert_eq!((places.as_array().unwrap().len(), &places[0]["count"]), (1, &3.into()));
}

/// Also where nobody is told, and errors are counted alone.
#[test]
fn response_500_after_error_without_sink_is_not_counted_again() {
    let (layer, errors) = builder().build().unwrap();
    tracing::dispatcher::with_default(&common::dispatch(layer), || {
        let watch = ObserveLayer::new(WatchErrors::new(&errors), ROUTE);
        let handler = service_fn(|_: Request<Empty<Bytes>>| async {
            error!("it failed");
            Ok::<_, Infallible>(answer(500))
        });
        let service = ServiceBuilder::new().layer(watch).service(handler);
        block_on(async {
            for _ in 0..3 {
                let answer = service.clone().oneshot(request("/orders/17")).await.unwrap();
                answer.into_body().collect().await.unwrap();
            }
        });
    });
    let places = errors.places();
    assert_eq!((places.as_array().unwrap().len(), &places[0]["count"]), (1, &3.into()));
}

#[test]
fn response_5xx_without_sink_is_counted_at_route() {
    let (layer, errors) = builder().build().unwrap();
    tracing::dispatcher::with_default(&common::dispatch(layer), || {
        let watch = ObserveLayer::new(WatchErrors::new(&errors), ROUTE);
        let handler = service_fn(|_: Request<Empty<Bytes>>| async {
            Ok::<_, Infallible>(answer(StatusCode::BAD_GATEWAY.as_u16()))
        });
        let service = ServiceBuilder::new().layer(watch).service(handler);
        block_on(async {
            let answer = service.oneshot(request("/orders/17")).await.unwrap();
            answer.into_body().collect().await.unwrap();
        });
    });
    let places = errors.places();
    assert_eq!(
        (&places[0]["place"], &places[0]["type"]),
        (&"/orders/{id}:502".into(), &"502".into())
    );
}

/// Ten thousand requests under way at once, half of them of one trace, which fail one after another.
#[test]
fn breadcrumbs_of_concurrent_requests_do_not_mix() {
    const REQUESTS: usize = 10_000;
    let kept = Kept::default();
    let sink = kept.sink();
    let (layer, errors) =
        builder().limit(100_000, Duration::from_secs(1)).sink(sink).build().unwrap();
    tracing::dispatcher::with_default(&common::dispatch(layer), || {
        let watch = ObserveLayer::new(WatchErrors::new(&errors), ROUTE);
        let handler = service_fn(|request: Request<Empty<Bytes>>| async move {
            let number = request.uri().path().trim_start_matches('/').to_owned();
            info!("first of {number}");
            let mut polls = 0;
            poll_fn(|context| {
                polls += 1;
                context.waker().wake_by_ref();
                if polls == 3 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            info!("second of {number}");
            Ok::<_, Infallible>(number)
        });
        let service = ServiceBuilder::new().layer(watch).service(service_fn(move |request| {
            async move {
                let number = handler.oneshot(request).await.unwrap();
                // Some fail, and not more at once than can wait to be told.
                if number.parse::<usize>().unwrap() % 50 == 0 {
                    error!("{number} failed");
                }
                Ok::<_, Infallible>(answer(200))
            }
        }));
        block_on(async {
            let local = tokio::task::LocalSet::new();
            let requests = (0..REQUESTS).map(|number| {
                let service = service.clone();
                let traced = async move {
                    let request = request(&format!("/{number}"));
                    let answer = service.oneshot(request).await.unwrap();
                    answer.into_body().collect().await.unwrap();
                };
                let trace = if number % 2 == 0 { 1 } else { number as u128 + 2 };
                local.spawn_local(in_trace(trace, traced))
            });
            let requests: Vec<_> = requests.collect();
            local.await;
            for request in requests {
                request.await.unwrap();
            }
        });
    });
    let flushed = errors.flush(Duration::from_secs(60));
    assert_eq!((flushed.delivered, flushed.lost, flushed.unknown), (200, 0, 0));
    for report in kept.reports() {
        let number = report.message.trim_end_matches(" failed");
        let messages: Vec<_> =
            report.breadcrumbs.iter().map(|crumb| crumb.message.as_str()).collect();
        assert_eq!(messages, [format!("first of {number}"), format!("second of {number}")]);
    }
}

/// Polls in a trace, as a span would be entered.
async fn in_trace<F: Future>(trace: u128, work: F) -> F::Output {
    let mut work = Box::pin(work);
    poll_fn(move |context| {
        let (trace_id, span_id) = (TraceId::new(trace), SpanId::new(7));
        set_active_span(Some(ActiveSpan {
            trace_id,
            span_id,
            sampled: true,
            name: "work",
            route: None,
        }));
        let polled = work.as_mut().poll(context);
        set_active_span(None);
        polled
    })
    .await
}

/// A task that was spawned for a request belongs to it by its trace.
#[test]
fn spawned_task_belongs_to_only_request_of_trace() {
    let kept = Kept::default();
    let (layer, errors) = builder().sink(kept.sink()).build().unwrap();
    let dispatch = common::dispatch(layer);
    tracing::dispatcher::with_default(&dispatch, || {
        let watch = ObserveLayer::new(WatchErrors::new(&errors), ROUTE);
        let elsewhere = dispatch.clone();
        let handler = service_fn(move |_: Request<Empty<Bytes>>| {
            let elsewhere = elsewhere.clone();
            async move {
                info!("in the request");
                let there = move || {
                    tracing::dispatcher::with_default(&elsewhere, || {
                        block_on(in_trace(9, async { error!("on another thread") }));
                    });
                };
                std::thread::spawn(there).join().unwrap();
                Ok::<_, Infallible>(answer(200))
            }
        });
        let service = ServiceBuilder::new().layer(watch).service(handler);
        let _id = RequestId::mint().enter();
        block_on(in_trace(9, async {
            let answer = service.oneshot(request("/orders/17")).await.unwrap();
            answer.into_body().collect().await.unwrap();
        }));
    });
    assert!(errors.flush(Duration::from_secs(60)).complete());
    let report = &kept.reports()[0];
    assert_eq!(report.breadcrumbs[0].message, "in the request");
    assert_eq!(report.request.as_ref().unwrap().path, "/orders/17");
}
