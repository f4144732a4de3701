//! `/debug/pprof/`, over a plain server and read by Go.

#![cfg(all(target_os = "linux", feature = "http"))]
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

mod work;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use obs_context::{ActiveSpan, Route, SpanId, TraceId, set_active_span};
use obs_profiling::endpoint;
use work::Burner;

/// A process has one profiler.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn request(method: &str, path: &str, body: &str) -> Request<Bytes> {
    let path = format!("http://localhost/debug/pprof/{path}");
    Request::builder().method(method).uri(path).body(Bytes::from(body.to_owned())).unwrap()
}

fn ask(method: &str, path: &str, body: &str) -> (Response<()>, String) {
    let answer = wait(endpoint::answer(request(method, path, body)));
    let (head, body) = answer.into_parts();
    (Response::from_parts(head, ()), String::from_utf8_lossy(&body).into_owned())
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(work)
}

fn serves() {
    set_active_span(Some(ActiveSpan {
        trace_id: TraceId::new(7),
        span_id: SpanId::new(8),
        sampled: true,
        name: "orders",
        route: Some(Route::intern("/orders/{id}")),
    }));
    work::two_parts();
    set_active_span(None);
    work::one_part();
}

#[test]
fn flame_graph_is_filtered_by_route() {
    let _alone = alone();
    let burner = Burner::start("server", serves);
    let (head, svg) = ask("GET", "flamegraph?seconds=3&hz=250&route=/orders/%7Bid%7D", "");
    drop(burner);
    assert_eq!(head.status(), StatusCode::OK, "{svg}");
    assert_eq!(head.headers()["content-type"], "image/svg+xml");
    assert!(svg.contains("two_parts") && !svg.contains("one_part"), "{svg}");
}

#[test]
fn wrong_request_is_answered_with_remedy() {
    let (head, told) = ask("GET", "profile?seconds=3600", "");
    assert_eq!(head.status(), StatusCode::BAD_REQUEST);
    assert!(told.contains("1 to 300"), "{told}");
    assert_eq!(ask("GET", "nonsense", "").0.status(), StatusCode::NOT_FOUND);
    let (head, _) = ask("DELETE", "profile", "");
    assert_eq!(
        (head.status(), head.headers().contains_key("allow")),
        (StatusCode::METHOD_NOT_ALLOWED, true)
    );
}

#[test]
fn second_profile_answers_503_until_first_is_dropped() {
    let _alone = alone();
    let mut first = Box::pin(endpoint::answer(request("GET", "profile?seconds=200", "")));
    let mut context = Context::from_waker(Waker::noop());
    assert!(matches!(pin!(&mut first).poll(&mut context), Poll::Pending));
    let (head, told) = ask("GET", "profile?seconds=1", "");
    assert_eq!(head.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(told.contains("being taken already"), "{told}");
    let seconds: u64 = head.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=201).contains(&seconds), "{seconds}");
    drop(first);
    let begun = Instant::now();
    while ask("GET", "profile?seconds=1", "").0.status() != StatusCode::OK {
        assert!(begun.elapsed() < Duration::from_secs(30), "the first goes on");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn threads_cmdline_and_symbols_are_served() {
    let (_, threads) = ask("GET", "goroutine?debug=2", "");
    assert!(threads.contains("Thread "), "{threads}");
    let burner = Burner::start("burner", || _ = work::two_parts());
    let asked = std::iter::repeat_with(|| ask("GET", "threads", "").1).take(1_000);
    let told = asked.into_iter().find(|threads| threads.contains("two_parts"));
    drop(burner);
    assert!(told.is_some_and(|threads| threads.contains("\"burner\"")), "a thread that runs");
    let (_, cmdline) = ask("GET", "cmdline", "");
    assert_eq!(cmdline.split('\0').next(), std::env::args().next().as_deref());
    let (_, count) = ask("GET", "symbol", "");
    assert_eq!(count, "num_symbols: 1\n");
    let address = format!("{:#x}", work::two_parts as *const () as usize);
    for (_, told) in [ask("POST", "symbol", &address), ask("GET", &format!("symbol?{address}"), "")]
    {
        assert!(told.contains(&format!("{address}\t")) && told.contains("two_parts"), "{told}");
    }
    let (_, index) = ask("GET", "", "");
    assert!(index.contains("href=\"profile?seconds=10\""), "{index}");
}

/// Answers requests by the endpoint until the process ends.
fn serve(listener: TcpListener) {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        std::thread::spawn(move || {
            let Some(target) = requested(&mut stream) else { return };
            let request = Request::get(target).body(Bytes::new()).unwrap();
            let answer = wait(endpoint::answer(request));
            let (status, length) = (answer.status().as_u16(), answer.body().len());
            write!(
                stream,
                "HTTP/1.1 {status} -\r\nconnection: close\r\ncontent-length: {length}\r\n"
            )
            .unwrap();
            for (name, value) in answer.headers() {
                write!(stream, "{name}: {}\r\n", value.to_str().unwrap()).unwrap();
            }
            stream.write_all(b"\r\n").unwrap();
            let _ = stream.write_all(answer.body());
        });
    }
}

fn requested(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()?.split(' ').nth(1).map(str::to_owned)
}

#[test]
fn go_pprof_reads_profile_from_endpoint() {
    let Some(go) = work::go() else { return };
    let _alone = alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || serve(listener));
    let burner = Burner::start("server", serves);
    let folder = tempfile::tempdir().unwrap();
    let top = |source: &str| {
        let command = std::process::Command::new(&go)
            .args(["tool", "pprof", "-top", "-cum", "-symbolize=none", source])
            .env("PPROF_TMPDIR", folder.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&command.stdout).into_owned();
        assert!(command.status.success(), "{told}{}", String::from_utf8_lossy(&command.stderr));
        let names = told.lines().skip(6).filter_map(|line| line.split_whitespace().nth(5));
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let live = top(&format!("http://{addr}/debug/pprof/profile?seconds=2"));
    drop(burner);
    assert!(live.iter().any(|name| name.contains("two_parts")), "{live:?}");
    let saved = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    assert_eq!(top(saved.to_str().unwrap()), live);
}
