//! Every exchange is begun once, entered whenever it is polled, and ended once, with the right outcome.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod common;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use common::{Diary, Left, Noted, answer, call, get};
use futures_util::FutureExt;
use http::{Request, Response, request};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full};
use obs_context::Route;
use obs_http::{End, Exchange, Observe, ObserveLayer, Outcome, unrouted};
use tower::{Layer, Service, ServiceExt, service_fn};

#[tokio::test]
async fn body_read_to_end_is_completed() {
    let diary = Diary::default();
    let response = answer(&diary, Response::new(Full::new(Bytes::from_static(b"hello")))).await;
    assert!(diary.ends.lock().unwrap().is_empty(), "not before the body's end");
    drop(response.into_body().collect().await);
    let end = diary.the_end();
    assert_eq!((end.outcome, end.response_bytes, end.status_code()), (Outcome::Completed, 5, 200));
    assert_eq!(end.route, Route::UNMATCHED);
}

#[tokio::test]
async fn body_dropped_early_is_aborted_unless_empty() {
    let diary = Diary::default();
    drop(answer(&diary, Response::new(Full::new(Bytes::from_static(b"hello")))).await);
    assert_eq!(diary.the_end().outcome, Outcome::BodyAborted);

    let diary = Diary::default();
    drop(answer(&diary, Response::new(Empty::<Bytes>::new())).await);
    assert_eq!(diary.the_end().outcome, Outcome::Completed);

    let diary = Diary::default();
    let not_modified =
        Response::builder().status(304).body(Full::new(Bytes::from_static(b"unsent")));
    drop(answer(&diary, not_modified.unwrap()).await);
    assert_eq!(diary.the_end().outcome, Outcome::Completed, "servers never poll it");
}

#[tokio::test]
async fn future_dropped_before_response_is_cancelled_with_499() {
    let diary = Diary::default();
    let inner = service_fn(|_: Request<()>| {
        std::future::pending::<Result<Response<Empty<Bytes>>, Infallible>>()
    });
    let future = ObserveLayer::new(diary.clone(), unrouted).layer(inner).oneshot(get());
    let mut future = Box::pin(future);
    assert!(future.as_mut().now_or_never().is_none());
    drop(future);
    let end = diary.the_end();
    assert_eq!((end.outcome, end.status_code()), (Outcome::Cancelled, 499));
}

#[tokio::test]
async fn service_error_ends_as_failed() {
    let diary = Diary::default();
    let inner = service_fn(|_: Request<()>| async { Err::<Response<Empty<Bytes>>, _>("no") });
    let layer = ObserveLayer::new(diary.clone(), unrouted);
    assert_eq!(layer.layer(inner).oneshot(get()).await.unwrap_err(), "no");
    assert_eq!((diary.the_end().outcome, diary.the_end().status_code()), (Outcome::Failed, 500));
}

/// A body that gives one frame, then fails or panics.
struct Breaks {
    frames: u32,
    panics: bool,
}

impl Body for Breaks {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        self.frames += 1;
        match self.frames {
            1 => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"part"))))),
            _ if self.panics => panic!("as a body may"),
            _ => Poll::Ready(Some(Err("broken"))),
        }
    }
}

#[tokio::test]
async fn failing_or_panicking_body_has_own_outcome() {
    let diary = Diary::default();
    let response = answer(&diary, Response::new(Breaks { frames: 0, panics: false })).await;
    assert!(response.into_body().collect().await.is_err());
    assert_eq!((diary.the_end().outcome, diary.the_end().response_bytes), (Outcome::BodyFailed, 4));

    let diary = Diary::default();
    let response = answer(&diary, Response::new(Breaks { frames: 0, panics: true })).await;
    let body = std::panic::AssertUnwindSafe(response.into_body().collect());
    assert!(body.catch_unwind().await.is_err());
    assert_eq!(diary.the_end().outcome, Outcome::Panicked);
}

#[tokio::test]
async fn body_at_content_length_is_completed() {
    let diary = Diary::default();
    let promised =
        Response::builder().header("content-length", "4").body(Breaks { frames: 0, panics: false });
    let mut body = answer(&diary, promised.unwrap()).await.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    drop(body);
    assert_eq!(diary.the_end().outcome, Outcome::Completed);
}

#[tokio::test]
async fn pair_of_observers_is_nested() {
    let entries = Arc::new(Mutex::new(Vec::new()));
    let diary = |name| Diary { name, entries: Arc::clone(&entries), ..Diary::default() };
    let inner = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    let observer = (diary("outer"), Some(diary("inner")));
    let response = ObserveLayer::new(observer, unrouted).layer(inner).oneshot(get()).await.unwrap();
    let begun: Vec<_> = entries.lock().unwrap().drain(..).collect();
    assert_eq!(begun[..4], ["outer begun", "outer entered", "inner begun", "outer left"]);
    assert_eq!(begun[4..8], ["outer entered", "inner entered", "inner left", "outer left"]);
    drop(response);
    let ended = entries.lock().unwrap().split_off(4);
    assert_eq!(ended, ["outer entered", "inner ended", "outer left", "outer ended"]);
}

#[derive(Clone)]
struct Alone(Diary);

impl Observe for Alone {
    type Exchange = Noted;

    const BEGINS_ALONE: bool = true;

    fn begin(&self, request: &mut request::Parts, route: Option<Route>) -> Noted {
        self.0.begin(request, route)
    }
}

#[tokio::test]
async fn lone_observer_begins_without_entering_others() {
    let entries = Arc::new(Mutex::new(Vec::new()));
    let diary = |name| Diary { name, entries: Arc::clone(&entries), ..Diary::default() };
    let inner = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    let observer = (diary("outer"), Some(Alone(diary("inner"))));
    drop(ObserveLayer::new(observer, unrouted).layer(inner).oneshot(get()).await.unwrap());
    assert_eq!(
        entries.lock().unwrap()[..4],
        ["outer begun", "inner begun", "outer entered", "inner entered"]
    );
}

/// Its exchange needs no other at its end.
#[derive(Clone)]
struct EndsAlone(Diary);

struct NotedAlone(Noted);

impl Observe for EndsAlone {
    type Exchange = NotedAlone;

    fn begin(&self, request: &mut request::Parts, route: Option<Route>) -> NotedAlone {
        NotedAlone(self.0.begin(request, route))
    }
}

impl Exchange for NotedAlone {
    type Entered<'a> = Left<'a>;

    const IS_TIMED: bool = false;

    fn enter(&self) -> Left<'_> {
        self.0.enter()
    }

    fn can_end_alone(&self, _: &End) -> bool {
        true
    }

    fn end(self, end: &End) {
        self.0.end(end);
    }
}

/// What is written down at the end of an exchange.
async fn entries_of_end<O: Observe>(entries: &Mutex<Vec<String>>, observer: O) -> Vec<String> {
    let inner = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    let response = ObserveLayer::new(observer, unrouted).layer(inner).oneshot(get()).await.unwrap();
    entries.lock().unwrap().clear();
    drop(response);
    let mut ended = std::mem::take(&mut *entries.lock().unwrap());
    // The rest is the drop of the body.
    ended.split_off(
        ended
            .iter()
            .position(|entry| entry.ends_with("ended"))
            .map_or(0, |at| at.saturating_sub(1)),
    )
}

#[tokio::test]
async fn exchange_that_ends_alone_is_ended_without_entering_others() {
    let entries = Arc::new(Mutex::new(Vec::new()));
    let diary = |name| Diary { name, entries: Arc::clone(&entries), ..Diary::default() };
    let pair = (diary("outer"), Some(EndsAlone(diary("inner"))));
    let ended = entries_of_end(&entries, pair).await;
    assert_eq!(ended[ended.len() - 2..], ["inner ended", "outer ended"], "{ended:?}");
    assert!(!ended.contains(&"outer entered".to_owned()), "{ended:?}");
}

#[tokio::test]
async fn exchange_is_entered_for_one_of_two_that_needs_it() {
    let entries = Arc::new(Mutex::new(Vec::new()));
    let diary = |name| Diary { name, entries: Arc::clone(&entries), ..Diary::default() };
    let three = (diary("outer"), (diary("middle"), EndsAlone(diary("inner"))));
    let ended = entries_of_end(&entries, three).await;
    let expected = ["outer entered", "inner ended", "middle ended", "outer left", "outer ended"];
    assert_eq!(ended[ended.len() - 5..], expected, "{ended:?}");
}

#[tokio::test]
async fn duration_is_zero_where_no_observer_reads_it() {
    let (alone, timed) = (Diary::default(), Diary::default());
    let entries = Mutex::default();
    entries_of_end(&entries, EndsAlone(alone.clone())).await;
    assert!(alone.the_end().duration.is_zero());
    entries_of_end(&entries, (EndsAlone(alone), timed.clone())).await;
    assert!(!timed.the_end().duration.is_zero());
}

#[tokio::test]
async fn grpc_content_type_without_post_is_no_grpc_call() {
    let diary = Diary::default();
    let inner = service_fn(|_: Request<()>| async {
        let response = Response::builder().header("grpc-status", "14");
        Ok::<_, Infallible>(response.body(Empty::<Bytes>::new()).unwrap())
    });
    let request = Request::get("/").header("content-type", "application/grpc").body(()).unwrap();
    drop(ObserveLayer::new(diary.clone(), unrouted).layer(inner).oneshot(request).await.unwrap());
    let end = diary.the_end();
    assert_eq!((end.grpc_status, end.status_code()), (None, 200));
}

#[tokio::test]
async fn body_of_one_frame_is_entered_once() {
    let diary = Diary::default();
    let response = answer(&diary, Response::new(Full::new(Bytes::from_static(b"hello")))).await;
    let mut body = response.into_body();
    diary.entries.lock().unwrap().clear();
    assert!(body.frame().await.unwrap().is_ok());
    assert!(body.is_end_stream());
    drop(body);
    assert_eq!(*diary.entries.lock().unwrap(), [" entered", " left", " ended"]);
    assert_eq!(diary.the_end().outcome, Outcome::Completed);
}

#[tokio::test]
async fn route_comes_from_router_or_handler() {
    let diary = Diary::default();
    let router: axum::Router = axum::Router::new()
        .route("/orders/{id}", axum::routing::get(|| async { "order" }))
        .layer(ObserveLayer::new(diary.clone(), obs_http::matched_path));
    let request = Request::builder().uri("/orders/7").body(axum::body::Body::empty()).unwrap();
    drop(router.clone().oneshot(request).await.unwrap().into_body().collect().await);
    assert_eq!(diary.the_end().route.as_str(), "/orders/{id}");
    diary.ends.lock().unwrap().clear();
    let request = Request::builder().uri("/raw/7").body(axum::body::Body::empty()).unwrap();
    drop(router.clone().call(request).await.unwrap().into_body().collect().await);
    assert_eq!(diary.the_end().route, Route::UNMATCHED);

    let diary = Diary::default();
    let mut told = Response::new(Empty::<Bytes>::new());
    told.extensions_mut().insert(Route::intern("/pay/{id}"));
    drop(answer(&diary, told).await);
    assert_eq!(diary.the_end().route.as_str(), "/pay/{id}");
}

#[tokio::test]
async fn grpc_call_ends_with_code_of_trailers_or_head() {
    let told = |code: &'static str| {
        http::HeaderMap::from_iter([("grpc-status".parse().unwrap(), code.parse().unwrap())])
    };
    for (in_trailers, code, status, error) in [
        (true, "0", 200, None),
        (true, "5", 404, Some("NOT_FOUND")),
        (false, "14", 503, Some("UNAVAILABLE")),
    ] {
        let diary = Diary::default();
        let inner = service_fn(move |_: Request<()>| async move {
            let trailers = in_trailers.then(|| Ok(told(code)));
            let body = Full::new(Bytes::from_static(b"a message"));
            let body = body.with_trailers(async { trailers });
            let mut response = Response::new(body);
            if !in_trailers {
                *response.headers_mut() = told(code);
            }
            Ok::<_, Infallible>(response)
        });
        let layer = ObserveLayer::new(diary.clone(), unrouted);
        let response = layer.layer(inner).oneshot(call()).await.unwrap();
        match in_trailers {
            true => drop(response.into_body().collect().await),
            false => drop(response),
        }
        let end = diary.the_end();
        assert_eq!(end.outcome, Outcome::Completed);
        assert_eq!(end.grpc_status, code.parse().ok());
        assert_eq!(end.status_code(), status);
        assert_eq!(end.client_error_type(), error);
    }
}
