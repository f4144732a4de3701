//! A panic of the application's ends its exchange, wherever it comes from.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod common;

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use common::{Diary, answer, call, get};
use futures_util::FutureExt;
use http::{Request, Response, request};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty};
use obs_context::Route;
use obs_http::{ObserveLayer, Outcome, unrouted};
use tower::{Layer, Service, ServiceExt, service_fn};

#[tokio::test]
async fn panicking_handler_is_observed_and_unwinds_or_answers_500() {
    let panics = || service_fn(|_: Request<()>| async { panic_in_handler() });
    let diary = Diary::default();
    let layer = ObserveLayer::new(diary.clone(), unrouted);
    let unwound =
        std::panic::AssertUnwindSafe(layer.layer(panics()).oneshot(get())).catch_unwind().await;
    assert!(unwound.is_err());
    assert_eq!(diary.the_end().outcome, Outcome::Panicked);

    let diary = Diary::default();
    let layer = ObserveLayer::new(diary.clone(), unrouted).catch_panics();
    let response = layer.layer(panics()).oneshot(get()).await.unwrap();
    assert_eq!(response.status(), 500);
    assert!(response.into_body().is_end_stream());
    assert_eq!((diary.the_end().outcome, diary.the_end().status_code()), (Outcome::Panicked, 500));
}

#[tokio::test]
async fn panicking_service_call_ends_and_is_answered() {
    type Never = std::future::Pending<Result<Response<Empty<Bytes>>, Infallible>>;
    let panics = || service_fn(|_: Request<()>| -> Never { panic!("as a middleware may") });
    let diary = Diary::default();
    let mut service = ObserveLayer::new(diary.clone(), unrouted).layer(panics());
    let call = std::panic::AssertUnwindSafe(|| service.call(get()));
    assert!(std::panic::catch_unwind(call).is_err());
    assert_eq!(diary.the_end().outcome, Outcome::Panicked);

    let diary = Diary::default();
    let layer = ObserveLayer::new(diary.clone(), unrouted).catch_panics();
    let response = layer.layer(panics()).oneshot(get()).await.unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!((diary.the_end().outcome, diary.the_end().status_code()), (Outcome::Panicked, 500));
}

/// A handler's local, or a part of its body.
struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("as a drop may")
        }
    }
}

#[tokio::test]
async fn handler_that_panics_in_drop_ends_its_exchange() {
    // Cancelled.
    let diary = Diary::default();
    let inner = service_fn(|_: Request<()>| async {
        let _local = PanicsInDrop;
        std::future::pending::<Result<Response<Empty<Bytes>>, Infallible>>().await
    });
    let layer = ObserveLayer::new(diary.clone(), unrouted);
    let mut future = Box::pin(layer.layer(inner).oneshot(get()));
    assert!(future.as_mut().now_or_never().is_none());
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(future))).is_err());
    assert_eq!(diary.the_end().outcome, Outcome::Panicked);

    // Ended: the future keeps what it was made of until it is dropped.
    let diary = Diary::default();
    let inner = service_fn(|_: Request<()>| KeepsPart(Some(PanicsInDrop)));
    let layer = ObserveLayer::new(diary.clone(), unrouted).catch_panics();
    let response = layer.layer(inner).oneshot(get()).await.unwrap();
    assert_eq!((response.status().as_u16(), diary.the_end().outcome), (500, Outcome::Panicked));
}

struct KeepsPart(#[expect(dead_code, reason = "its drop is what counts")] Option<PanicsInDrop>);

impl Future for KeepsPart {
    type Output = Result<Response<Empty<Bytes>>, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(Response::new(Empty::new())))
    }
}

#[tokio::test]
async fn panicking_route_function_leaves_request_unmatched() {
    let diary = Diary::default();
    let inner = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    let route_of = |_: &request::Parts| -> Option<Route> { panic!("as a function may") };
    let layer = ObserveLayer::new(diary.clone(), route_of);
    let response = layer.layer(inner).oneshot(get()).await.unwrap();
    drop(response);
    let end = diary.the_end();
    assert_eq!((end.outcome, end.route), (Outcome::Completed, Route::UNMATCHED));
}

fn panic_in_handler() -> Result<Response<Empty<Bytes>>, Infallible> {
    panic!("as a handler may")
}

/// A body that panics where it is asked for its end, and where it is dropped.
struct PanicsAtEnd(PanicsInDrop);

impl Body for PanicsAtEnd {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"part")))))
    }

    fn is_end_stream(&self) -> bool {
        panic!("as a body may")
    }
}

#[tokio::test]
async fn body_that_panics_at_its_end_ends_its_exchange() {
    for polled in [true, false] {
        let diary = Diary::default();
        let mut body = answer(&diary, Response::new(PanicsAtEnd(PanicsInDrop))).await.into_body();
        if polled {
            let frame = std::panic::AssertUnwindSafe(body.frame());
            assert!(frame.catch_unwind().await.is_err());
        }
        let dropped = std::panic::AssertUnwindSafe(|| drop(body));
        assert!(std::panic::catch_unwind(dropped).is_err());
        assert_eq!(diary.the_end().outcome, Outcome::Panicked);
    }
}

#[tokio::test]
async fn panicking_grpc_handler_answers_internal() {
    let diary = Diary::default();
    let inner = service_fn(|_: Request<()>| async { panic_in_handler() });
    let layer = ObserveLayer::new(diary.clone(), unrouted).catch_panics();
    let response = layer.layer(inner).oneshot(call()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["grpc-status"], "13");
    assert_eq!(response.headers()["content-type"], "application/grpc");
    let end = diary.the_end();
    assert_eq!(
        (end.outcome, end.grpc_status, end.status_code()),
        (Outcome::Panicked, Some(13), 500)
    );
}
