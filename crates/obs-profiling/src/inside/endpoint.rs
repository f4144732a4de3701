//! `/debug/pprof/`, as Go's `net/http/pprof` serves it.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use crate::attach::dump_own::dump_own;
use crate::error::Error;
use crate::format::Format;
use crate::inside::cpu::CpuProfiler;
use crate::inside::error::Kind;
use crate::inside::heap;
use crate::inside::query;
use crate::inside::symbol;
use crate::inside::task::Task;
use crate::profile::Profile;

const INDEX: &str = "<!doctype html><title>/debug/pprof/</title><h1>/debug/pprof/</h1><ul>\
<li><a href=\"profile?seconds=10\">profile</a>: CPU time, for <code>go tool pprof</code>; \
<code>seconds</code> (30, at most 300), <code>hz</code> (100, at most 250), and only what was done for a \
<code>trace_id</code>, <code>route</code> or <code>span</code>\
<li><a href=\"flamegraph?seconds=10\">flamegraph</a>: the same, drawn\
<li><a href=\"heap\">heap</a>: memory in use\
<li><a href=\"allocs\">allocs</a>: memory allocated since the start\
<li><a href=\"threads\">threads</a>: the stack of each thread\
<li><a href=\"cmdline\">cmdline</a>: the program's arguments\
<li>symbol: functions of addresses</ul>\n";

/// Answers the requests below `/debug/pprof/`. What it tells is not for everyone: stacks, arguments, and CPU
/// time for whoever asks. Serve it behind a token, or on loopback alone.
///
/// ```
/// # fn demo() {
/// use bytes::Bytes;
/// use http::Request;
///
/// let request = Request::get("/debug/pprof/profile?seconds=5").body(Bytes::new());
/// let answer = obs_profiling::endpoint::answer(request.unwrap());
/// # drop(answer);
/// # }
/// ```
///
/// The last part of the path decides; the body is read by `symbol` alone. Nothing blocks the thread that
/// polls it: work is done on threads of the profiler's own. Dropping it ends a profile early.
pub async fn answer(request: Request<Bytes>) -> Response<Bytes> {
    let (head, body) = request.into_parts();
    let name = head.uri.path().rsplit('/').next().unwrap_or_default();
    let query = head.uri.query().unwrap_or_default();
    let is_post = head.method == Method::POST;
    if !(matches!(head.method, Method::GET | Method::HEAD) || is_post && name == "symbol") {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "GET it\n");
        refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match name {
        "" | "pprof" => of_type("text/html; charset=utf-8", INDEX),
        "profile" => sampled(query, Format::Pprof).await,
        "flamegraph" => sampled(query, Format::Svg).await,
        "heap" | "allocs" => on_own_thread(memory).await,
        "threads" | "goroutine" => on_own_thread(threads).await,
        "cmdline" => plain(StatusCode::OK, cmdline()),
        "symbol" if is_post => {
            on_own_thread(move || plain(StatusCode::OK, symbol::answer(&body))).await
        }
        "symbol" => {
            let asked = query.to_owned();
            on_own_thread(move || plain(StatusCode::OK, symbol::answer(asked.as_bytes()))).await
        }
        _ => plain(StatusCode::NOT_FOUND, "there is no such profile: see /debug/pprof/\n"),
    }
}

/// What [`answer`] knows, for servers that route by whole paths.
pub const PATHS: [&str; 10] = [
    "/debug/pprof",
    "/debug/pprof/",
    "/debug/pprof/profile",
    "/debug/pprof/flamegraph",
    "/debug/pprof/threads",
    "/debug/pprof/goroutine",
    "/debug/pprof/cmdline",
    "/debug/pprof/symbol",
    "/debug/pprof/heap",
    "/debug/pprof/allocs",
];

async fn sampled(query: &str, format: Format) -> Response<Bytes> {
    let (recording, filter) = match query::parse(query) {
        Ok(asked) => asked,
        Err(problem) => return plain(StatusCode::BAD_REQUEST, problem + "\n"),
    };
    let started = CpuProfiler::start_and(recording, move |profile| {
        profile.and_then(|profile| written(&profile.filter(&filter), format))
    });
    let written = match started {
        Ok(task) => task.await.unwrap_or_else(|| Err(Kind::Broken.into())),
        Err(error) => Err(error),
    };
    match (written, format) {
        (Ok(svg), Format::Svg) => of_type("image/svg+xml", svg),
        (Ok(pprof), _) => download(pprof, "attachment; filename=\"profile\""),
        (Err(error), _) => failed(&error),
    }
}

fn written(profile: &Profile, format: Format) -> Result<Bytes, Error> {
    let mut file = Vec::new();
    profile.write(format, &mut file)?;
    Ok(file.into())
}

/// One file tells both; which is shown is its reader's choice.
fn memory() -> Response<Bytes> {
    let mut file = Vec::new();
    match heap::profile().and_then(|heap| heap.write_pprof(&mut file)) {
        Ok(()) => download(file.into(), "attachment; filename=\"heap\""),
        Err(error) => failed(&error),
    }
}

fn threads() -> Response<Bytes> {
    match dump_own() {
        Ok(dump) => plain(StatusCode::OK, dump.to_string()),
        Err(error) => failed(&error),
    }
}

/// The arguments with zero bytes between them, as Go answers.
fn cmdline() -> String {
    let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    arguments.collect::<Vec<_>>().join("\0")
}

async fn on_own_thread(work: impl FnOnce() -> Response<Bytes> + Send + 'static) -> Response<Bytes> {
    match Task::spawn("obs-pprof", |_| work()) {
        Ok(task) => task.await.unwrap_or_else(|| failed(&Kind::Broken.into())),
        Err(source) => failed(&Kind::Thread { source }.into()),
    }
}

fn failed(error: &Error) -> Response<Bytes> {
    if !error.is_under_way() {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"));
    }
    let mut answer = plain(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n"));
    let seconds = error.time_left().map_or(1, |left| left.as_secs() + 1);
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    answer
}

fn download(body: Bytes, disposition: &'static str) -> Response<Bytes> {
    let mut answer = of_type("application/octet-stream", body);
    let disposition = HeaderValue::from_static(disposition);
    answer.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    answer
}

fn plain(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut answer = of_type("text/plain; charset=utf-8", body);
    *answer.status_mut() = status;
    answer
}

fn of_type(kind: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut answer = Response::new(body.into());
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}
