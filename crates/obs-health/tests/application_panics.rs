//! Application code that panics costs its own answer, and is counted.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod support;

use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, request};
use http_body_util::Full;
use hyper::body::Incoming;
use obs_context::Route;
use obs_health::lifecycle::{Deadlines, FlushStage, Flushed, Lifecycle, Stage};
use obs_health::{Acceptor, Check, Health, Server, State};
use support::{captured_log, get};
use tokio::net::{TcpListener, TcpStream};
use tower::service_fn;

fn panics(place: &str) -> u64 {
    obs_guard::panics().find(|(name, _)| *name == place).map_or(0, |(_, panics)| panics)
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..12_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never came: {what}");
}

/// Which of an error's methods panics.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hostile {
    Display,
    Source,
    Drop,
    Endless,
    OwnCause,
}

#[derive(Debug)]
struct HostileError(Hostile);

impl fmt::Display for HostileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Hostile::Display => panic!("in Display"),
            Hostile::Endless => loop {
                f.write_str("and so on ")?;
            },
            _ => f.write_str("hostile"),
        }
    }
}

impl StdError for HostileError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self.0 {
            Hostile::Source => panic!("in source"),
            Hostile::OwnCause => Some(self),
            _ => None,
        }
    }
}

impl Drop for HostileError {
    fn drop(&mut self) {
        if self.0 == Hostile::Drop {
            panic!("in Drop");
        }
    }
}

const ALL: [Hostile; 5] =
    [Hostile::Display, Hostile::Source, Hostile::Drop, Hostile::Endless, Hostile::OwnCause];

fn check(hostile: Hostile, runs: &Arc<AtomicUsize>) -> Check {
    let runs = Arc::clone(runs);
    let name = format!("{hostile:?}").to_lowercase();
    Check::new(name, move || {
        runs.fetch_add(1, Ordering::SeqCst);
        async move { Err::<(), _>(HostileError(hostile)) }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn scheduled_check_with_hostile_error_keeps_running() {
    let log = captured_log();
    for hostile in ALL {
        let (health, runs) = (Health::new(), Arc::default());
        health.add(check(hostile, &runs).interval(Duration::from_millis(10))).unwrap();
        health.start();
        until("a third run", || runs.load(Ordering::SeqCst) >= 3).await;
        assert_eq!(health.state(), State::NotReady, "{hostile:?}");
        health.stop();
    }
    assert!(panics("format") >= 3 && panics("health.check_error") >= 6);
    let longest = log.text().lines().map(str::len).max().unwrap();
    assert!(longest < 2_000, "an endless error is bounded: {longest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_demand_check_with_hostile_error_runs_again() {
    for hostile in ALL {
        let (health, runs) = (Health::new(), Arc::default());
        health.add(check(hostile, &runs).on_demand(Duration::ZERO)).unwrap();
        health.start();
        let head: request::Parts =
            Request::builder().uri("/readyz").body(()).unwrap().into_parts().0;
        while runs.load(Ordering::SeqCst) < 3 {
            let answer = health.answer(&head).await.unwrap();
            assert_eq!(answer.status(), 503, "{hostile:?}");
        }
    }
}

#[tokio::test]
async fn panicking_check_is_counted() {
    let health = Health::new();
    health.add(Check::new("panics", || async { panics_always() })).unwrap();
    health.start();
    until("it is down", || health.state() == State::NotReady).await;
    assert!(panics("health.check") >= 1);
}

fn panics_always() -> Result<(), io::Error> {
    panic!("as a check may")
}

#[tokio::test]
async fn panicking_hooks_and_tasks_are_counted_during_shutdown() {
    let lifecycle = Lifecycle::new(Health::new(), Deadlines::development());
    lifecycle.on_close("at once", || -> std::future::Ready<()> { panic!("at once") });
    lifecycle.on_close("later", || async { panic!("later") });
    lifecycle.on_flush(FlushStage::Traces, |_| panic!("as a flush may"));
    lifecycle.on_flush(FlushStage::Logs, |_| Flushed { delivered: 7, lost: 0 });
    lifecycle.spawn(async { panic!("as a task may") });
    lifecycle.shut_down();
    let report = lifecycle.run().await;
    assert_eq!(report.stage(Stage::Logs).unwrap().finished, 7);
    assert_eq!(report.stage(Stage::Resources).unwrap().lost, 2);
    assert_eq!(panics("health.on_close"), 2);
    assert_eq!(panics("health.on_flush"), 1);
    assert_eq!(panics("health.background_task"), 1);
}

/// Panics for the first two connections: in the handshake, then in `Clone`.
struct PanickingAcceptor(Arc<AtomicUsize>);

impl Clone for PanickingAcceptor {
    fn clone(&self) -> Self {
        if self.0.fetch_add(1, Ordering::SeqCst) == 1 {
            panic!("in Clone");
        }
        Self(Arc::clone(&self.0))
    }
}

impl Acceptor for PanickingAcceptor {
    type Stream = TcpStream;

    async fn accept(&self, stream: TcpStream) -> io::Result<TcpStream> {
        if self.0.load(Ordering::SeqCst) == 1 {
            panic!("in the handshake");
        }
        Ok(stream)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn panicking_acceptor_loses_one_connection() {
    let health = Health::new();
    let lifecycle = Lifecycle::new(health.clone(), Deadlines::development());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let app = service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"done"))))
    });
    let server = Server::new(listener).acceptor(PanickingAcceptor(Arc::default()));
    let serving = tokio::spawn(server.serve(app, lifecycle.clone()));
    let answers = tokio::task::spawn_blocking(move || [0; 3].map(|_| get(addr, "/")));
    let answers = answers.await.unwrap();
    assert_eq!((answers[0].as_str(), answers[1].as_str()), ("", ""));
    assert!(answers[2].ends_with("done"), "{answers:?}");
    assert_eq!(panics("health.acceptor"), 2);
    assert!(support::total(&health, "http_server_handshakes_failed_total") >= 1.0);
    lifecycle.shut_down();
    assert!(serving.await.unwrap().is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn panicking_handler_is_counted_once() {
    #[derive(Clone)]
    struct Nothing;
    impl obs_http::Observe for Nothing {
        type Exchange = Nothing;
        fn begin(&self, _: &mut request::Parts, _: Option<Route>) -> Self {
            Nothing
        }
    }
    impl obs_http::Exchange for Nothing {
        type Entered<'a> = ();
        fn enter(&self) {}
        fn end(self, _: &obs_http::End) {}
    }
    async fn handler(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        panic!("as a handler may")
    }
    for (catches, counted) in [(false, "health.handler"), (true, "http.handler")] {
        let before = ["health.handler", "http.handler"].map(panics);
        let lifecycle = Lifecycle::new(Health::new(), Deadlines::development());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let layer = obs_http::ObserveLayer::new(Nothing, obs_http::unrouted);
        let layer = if catches { layer.catch_panics() } else { layer };
        let app = tower::Layer::layer(&layer, service_fn(handler));
        tokio::spawn(Server::new(listener).serve(app, lifecycle.clone()));
        let answer = tokio::task::spawn_blocking(move || get(addr, "/")).await.unwrap();
        assert_eq!(answer.starts_with("HTTP/1.1 500"), catches, "{answer}");
        until("the count", || panics(counted) == 1).await;
        let after = ["health.handler", "http.handler"].map(panics);
        assert_eq!(after.iter().sum::<u64>(), before.iter().sum::<u64>() + 1);
        lifecycle.shut_down();
    }
}
