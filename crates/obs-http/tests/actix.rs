//! actix-web: every exchange is begun once and ended once, with its route, its status and its outcome.

#![cfg(feature = "actix")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::test::{
    TestRequest, call_and_read_body, call_service, init_service, try_call_service,
};
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, error, middleware};
use http::{HeaderValue, request, response};
use obs_context::Route;
use obs_http::{End, Exchange, Observe, ObserveActix, Outcome};

/// Keeps how exchanges ended.
#[derive(Clone, Default)]
struct Ends(Arc<Mutex<Vec<End>>>);

impl Ends {
    fn last(&self) -> End {
        self.0.lock().unwrap().last().unwrap().clone()
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Observe for Ends {
    type Exchange = Self;

    fn begin(&self, request: &mut request::Parts, _: Option<Route>) -> Self {
        assert_eq!(request.headers.get("x-sent").map(HeaderValue::as_bytes), Some(&b"1"[..]));
        self.clone()
    }
}

impl Exchange for Ends {
    type Entered<'a> = ();

    fn enter(&self) {}

    fn response(&mut self, response: &mut response::Parts) {
        response.headers.insert("x-observed", HeaderValue::from_static("yes"));
    }

    fn end(self, end: &End) {
        self.0.lock().unwrap().push(end.clone());
    }
}

/// A body of three parts, or one that fails after the first.
struct Parts {
    left: usize,
    fails: bool,
}

impl MessageBody for Parts {
    type Error = std::io::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, std::io::Error>>> {
        if self.fails && self.left < 3 {
            return Poll::Ready(Some(Err(std::io::Error::other("reset"))));
        }
        let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
        self.left = left;
        Poll::Ready(Some(Ok(Bytes::from_static(b"part"))))
    }
}

fn get(path: &str) -> TestRequest {
    TestRequest::get().uri(path).insert_header(("x-sent", "1"))
}

macro_rules! app {
    ($ends:expr) => {
        init_service(
            App::new()
                .route("/orders/{id}", web::get().to(async || "an order"))
                .route("/nothing", web::get().to(HttpResponse::NoContent))
                .route(
                    "/stream",
                    web::get()
                        .to(async || HttpResponse::Ok().body(Parts { left: 3, fails: false })),
                )
                .route(
                    "/broken",
                    web::get().to(async || HttpResponse::Ok().body(Parts { left: 3, fails: true })),
                )
                .route("/panic", web::get().to(async || -> &str { panic!("out of cheese") }))
                .route(
                    "/declined",
                    web::get().to(async || Err::<&str, _>(error::ErrorPaymentRequired("declined"))),
                )
                .service(web::scope("/api").route("/users/{id}", web::get().to(async || "a user")))
                .wrap(middleware::from_fn(
                    async |request: actix_web::dev::ServiceRequest, next: middleware::Next<_>| {
                        if request.path() == "/refused" {
                            return Err(error::ErrorForbidden("no"));
                        }
                        next.call(request).await
                    },
                ))
                .wrap(ObserveActix::new($ends.clone())),
        )
        .await
    };
}

#[actix_web::test]
async fn request_ends_with_route_status_and_bytes() {
    let ends = Ends::default();
    let app = app!(ends);
    for (path, route, status, bytes) in [
        ("/orders/7?page=2", "/orders/{id}", 200, 8),
        ("/api/users/7", "/api/users/{id}", 200, 6),
        ("/nothing", "/nothing", 204, 0),
        ("/stream", "/stream", 200, 12),
        ("/declined", "/declined", 402, 8),
        ("/nowhere", "<unmatched>", 404, 0),
    ] {
        let before = ends.count();
        let body = call_and_read_body(&app, get(path).to_request()).await;
        assert_eq!(body.len(), bytes, "{path}");
        assert_eq!(ends.count(), before + 1, "{path}");
        let end = ends.last();
        assert_eq!((end.route.as_str(), end.status_code()), (route, status), "{path}");
        assert_eq!((end.outcome, end.response_bytes), (Outcome::Completed, bytes as u64), "{path}");
    }
    let response = call_service(&app, get("/orders/7").to_request()).await;
    assert_eq!(response.headers().get("x-observed").unwrap(), "yes");
}

#[actix_web::test]
async fn middleware_error_keeps_status_and_added_headers() {
    let ends = Ends::default();
    let app = app!(ends);
    let error = try_call_service(&app, get("/refused").to_request()).await.unwrap_err();
    let response = error.error_response();
    assert_eq!(response.status().as_u16(), 403);
    assert_eq!(response.headers().get("x-observed").unwrap(), "yes");
    assert_eq!((ends.last().status_code(), ends.last().outcome), (403, Outcome::Completed));
    assert_eq!(error.to_string(), "no");
}

#[actix_web::test]
async fn panicking_handler_answers_500_and_ends_as_panicked() {
    let ends = Ends::default();
    let app = app!(ends);
    let error = try_call_service(&app, get("/panic").to_request()).await.unwrap_err();
    assert_eq!(error.error_response().status().as_u16(), 500);
    let end = ends.last();
    assert_eq!((end.outcome, end.status_code()), (Outcome::Panicked, 500));
    assert_eq!(end.route.as_str(), "/panic");
}

#[actix_web::test]
async fn failed_or_dropped_body_has_own_outcome() {
    let ends = Ends::default();
    let app = app!(ends);
    let response = call_service(&app, get("/broken").to_request()).await;
    assert_eq!(ends.count(), 0, "not over before its body");
    assert!(actix_web::body::to_bytes(response.into_body()).await.is_err());
    assert_eq!(ends.last().outcome, Outcome::BodyFailed);
    drop(call_service(&app, get("/stream").to_request()).await);
    assert_eq!(ends.last().outcome, Outcome::BodyAborted);
    assert_eq!(ends.count(), 2);
}

#[actix_web::test]
async fn dropped_request_is_cancelled() {
    let ends = Ends::default();
    let app = init_service(
        App::new()
            .route("/", web::get().to(std::future::pending::<HttpResponse>))
            .wrap(ObserveActix::new(ends.clone())),
    )
    .await;
    let waits = try_call_service(&app, get("/").to_request());
    let waits = tokio::time::timeout(std::time::Duration::from_millis(20), waits);
    assert!(waits.await.is_err());
    assert_eq!(ends.last().outcome, Outcome::Cancelled);
}
