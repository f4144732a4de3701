//! Captures a stack as addresses, and resolves it to frames.

mod addresses;

use std::fmt::Write;
use std::ptr::without_provenance_mut;

use obs_guard::frames;

use crate::report::{Frame, Source};
use crate::source::SourceCache;

/// Frames of one stack.
const MAX_FRAMES: usize = 128;
/// Library frames in a row that are shown; of more, those between the first and the last are folded into one.
const MAX_UNFOLDED: usize = 3;

/// A stack as it was taken: its addresses, or the text of an error's own backtrace.
#[derive(Debug, Default)]
pub(crate) enum Stack {
    #[default]
    None,
    Addresses(Vec<usize>),
    Text(String),
}

impl Stack {
    /// The calling thread's stack, without symbols.
    pub(crate) fn capture() -> Self {
        Self::Addresses(addresses::capture())
    }

    /// Resolves names and lines. This is slow: it must not run on a request's thread.
    pub(crate) fn resolve(self, sources: &mut SourceCache, in_app: &[String]) -> Vec<Frame> {
        let frames = match self {
            Self::None => Vec::new(),
            Self::Addresses(list) => resolve_addresses(&list),
            Self::Text(text) => parse_backtrace(&text),
        };
        let mut frames = trim_ends(frames);
        frames.truncate(MAX_FRAMES);
        for frame in &mut frames {
            frame.in_app = is_in_app(frame, in_app);
            if frame.in_app {
                frame.source = source_of(frame, sources);
            }
        }
        fold_library_frames(frames)
    }
}

fn source_of(frame: &Frame, sources: &mut SourceCache) -> Option<Box<Source>> {
    let (file, line) = (frame.file.as_deref()?, frame.line?);
    sources.context(file, line).map(Box::new)
}

/// One address at a time: the crate's lock is held while one is looked up, and the application may want it.
fn resolve_addresses(addresses: &[usize]) -> Vec<Frame> {
    let mut frames = Vec::with_capacity(addresses.len());
    for &address in addresses {
        let known = frames.len();
        backtrace::resolve(without_provenance_mut(address), |symbol| {
            // The alternate form leaves the hash out.
            let function = symbol.name().map(|name| format!("{name:#}")).unwrap_or_default();
            frames.push(Frame {
                function,
                file: symbol.filename().map(|file| file.to_string_lossy().into_owned()),
                line: symbol.lineno(),
                column: symbol.colno(),
                address: address as u64,
                ..Frame::default()
            });
        });
        if frames.len() == known {
            let function = format!("{address:#x}");
            frames.push(Frame { function, address: address as u64, ..Frame::default() });
        }
    }
    frames
}

/// The text of `std::backtrace::Backtrace`, as errors show it: `  3: app::work` and, behind it,
/// `             at ./src/main.rs:7:5`.
fn parse_backtrace(text: &str) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(place) = line.strip_prefix("at ") {
            let Some(frame) = frames.last_mut() else { continue };
            let mut parts = place.rsplitn(3, ':');
            let (last, middle, rest) = (parts.next(), parts.next(), parts.next());
            let number = |text: Option<&str>| text.and_then(|text| text.parse().ok());
            match (rest, number(middle), number(last)) {
                (Some(file), Some(line), column) => {
                    frame.file = Some(file.to_owned());
                    (frame.line, frame.column) = (Some(line), column);
                }
                _ => frame.file = Some(place.to_owned()),
            }
        } else if let Some((number, function)) = line.split_once(": ")
            && number.parse::<u32>().is_ok()
        {
            // `12: 0x55d0c0ffee - app::work` where the text is the full one.
            let function = match function.split_once(" - ") {
                Some((address, function)) if address.starts_with("0x") => function,
                _ => function,
            };
            frames.push(Frame { function: strip_hash(function).to_owned(), ..Frame::default() });
        }
    }
    frames
}

/// `app::work::h0123456789abcdef` without its hash.
fn strip_hash(function: &str) -> &str {
    match function.rsplit_once("::h") {
        Some((name, hash))
            if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            name
        }
        _ => function,
    }
}

/// Without the frames that captured the stack, and without those below every thread.
fn trim_ends(mut frames: Vec<Frame>) -> Vec<Frame> {
    let capture_frames = frames.iter().take_while(|frame| is_capture_frame(frame)).count();
    if capture_frames < frames.len() {
        frames.drain(..capture_frames);
    }
    let below =
        frames.iter().position(|frame| frame.function.contains("__rust_begin_short_backtrace"));
    if let Some(below) = below.filter(|below| *below > 0) {
        frames.truncate(below);
    }
    frames
}

/// Whether the frame lies between the application and this crate: the panic hook, or the layer below the macro, with the
/// parts of the standard library that both use. An inlined function has no path in its name, but a file.
fn is_capture_frame(frame: &Frame) -> bool {
    const NAMES: [&str; 9] = [
        "backtrace::",
        "tracing",
        "alloc::boxed",
        "core::ops::function",
        "std::panicking::",
        "std::panic::panic_any",
        "core::panicking::",
        "__rustc::rust_begin_unwind",
        "std::sys::backtrace::",
    ];
    const FILES: [&str; 4] = ["/backtrace-", "/tracing-", "/rustc/", "/rustlib/src/"];
    const CRATES: [&str; 6] =
        ["obs_all", "obs_context", "obs_errors", "obs_guard", "obs_logging", "obs_tracing"];
    let name = frames::type_path(&frame.function);
    crate_of(frame).is_some_and(|name| CRATES.contains(&&*name))
        || NAMES.iter().any(|known| name.starts_with(known))
        || frame.file.as_ref().is_some_and(|file| FILES.iter().any(|known| file.contains(known)))
}

/// Code of the application: what the caller says, or what lies neither in the toolchain nor among cargo's
/// downloads nor in a library that is known by name.
fn is_in_app(frame: &Frame, in_app: &[String]) -> bool {
    crate_of(frame).is_some_and(|name| in_app.contains(&name))
        || frames::is_of_application(&frame.function, frame.file.as_deref())
}

fn crate_of(frame: &Frame) -> Option<String> {
    frames::crate_of(&frame.function, frame.file.as_deref())
}

/// Long runs of library code as their first and last call, with the number of those between.
fn fold_library_frames(frames: Vec<Frame>) -> Vec<Frame> {
    let mut kept = Vec::with_capacity(frames.len());
    let mut rest = frames.into_iter().peekable();
    while let Some(frame) = rest.next() {
        if frame.in_app {
            kept.push(frame);
            continue;
        }
        let mut run = vec![frame];
        while let Some(next) = rest.next_if(|next| !next.in_app) {
            run.push(next);
        }
        if run.len() <= MAX_UNFOLDED {
            kept.append(&mut run);
            continue;
        }
        let between = run.get(1..run.len() - 1).unwrap_or_default();
        let mut roots: Vec<String> = Vec::new();
        for root in between.iter().filter_map(crate_of) {
            if !roots.contains(&root) && roots.len() < 4 {
                roots.push(root);
            }
        }
        let mut function = String::new();
        let _infallible = write!(function, "[{} frames of {}]", run.len() - 2, roots.join(", "));
        let between = Frame { function, ..Frame::default() };
        let last = run.pop();
        run.truncate(1);
        kept.append(&mut run);
        kept.push(between);
        kept.extend(last);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backtrace_text_of_error_is_parsed() {
        let text = "   0: app::load::h0123456789abcdef\n             at ./src/load.rs:12:9\n   1: \
                    <app::Job as core::future::future::Future>::poll\n             at ./src/job.rs:7\n   2: \
                    0x55d0c0ffee - std::rt::lang_start\n";
        let frames = Stack::Text(text.to_owned()).resolve(&mut SourceCache::default(), &[]);
        let summary: Vec<_> = frames
            .iter()
            .map(|frame| (frame.function.as_str(), frame.file.as_deref(), frame.line, frame.in_app))
            .collect();
        assert_eq!(
            summary,
            [
                ("app::load", Some("./src/load.rs"), Some(12), true),
                (
                    "<app::Job as core::future::future::Future>::poll",
                    Some("./src/job.rs:7"),
                    None,
                    true
                ),
                ("std::rt::lang_start", None, None, false),
            ]
        );
    }

    #[test]
    fn library_frames_in_row_are_folded() {
        let of = |function: &str| Frame { function: function.to_owned(), ..Frame::default() };
        let mut frames = vec![of("app::inner")];
        frames.extend(["tokio::a", "hyper::b", "hyper::c", "axum::d", "std::e"].map(of));
        frames.push(of("app::main"));
        for frame in &mut frames {
            frame.in_app = is_in_app(frame, &[]);
        }
        let names: Vec<_> =
            fold_library_frames(frames).into_iter().map(|frame| frame.function).collect();
        assert_eq!(
            names,
            ["app::inner", "tokio::a", "[3 frames of hyper, axum]", "std::e", "app::main"]
        );
    }

    #[test]
    fn inlined_frames_are_classified_by_file() {
        let of = |function: &str, file: &str| {
            let file = Some(file.to_owned());
            let frame = Frame { function: function.to_owned(), file, ..Frame::default() };
            (crate_of(&frame).unwrap_or_default(), is_in_app(&frame, &[]), is_capture_frame(&frame))
        };
        let registry = "/usr/local/cargo/registry/src/index-1a2b";
        for (function, file, name, in_app, leads) in [
            ("app::work", "/build/app/src/main.rs", "app", true, false),
            ("{async_fn#0}<tokio::Stream>", "/build/my-app/src/job.rs", "my_app", true, false),
            ("work<T>", "src/main.rs", "", true, false),
            ("obs_shop::work", "/build/shop/src/main.rs", "obs_shop", true, false),
            ("scope<(), app::Job>", "crates/obs-guard/src/once.rs", "obs_guard", false, true),
            ("poll<app::Job>", "/build/obs-health/src/watched.rs", "obs_health", false, false),
            ("poll<T>", &format!("{registry}/tokio-1.54.1/src/park.rs"), "tokio", false, false),
            (
                "run<T>",
                &format!("{registry}/other-lib-2.0.0/src/lib.rs"),
                "other_lib",
                false,
                false,
            ),
            ("call<T>", "/rustc/1a2b/library/core/src/ops.rs", "core", false, true),
            ("run<T>", "/build/vendor/other/src/lib.rs", "other", false, false),
        ] {
            assert_eq!(of(function, file), (name.to_owned(), in_app, leads), "{function} {file}");
        }
    }

    #[test]
    fn captured_stack_begins_at_caller() {
        let frames =
            Stack::capture().resolve(&mut SourceCache::default(), &["obs_errors".to_owned()]);
        // The crate's own frames are what a user never sees; here nothing else is left but the harness.
        assert!(
            frames.iter().all(|frame| !frame.function.starts_with("obs_errors::")),
            "{frames:#?}"
        );
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_text_is_parsed_without_panic(text in "\\PC{0,200}|([ 0-9:a-z\n./]|at ){0,80}") {
            let frames = Stack::Text(text).resolve(&mut SourceCache::default(), &[]);
            proptest::prop_assert!(frames.len() <= MAX_FRAMES);
        }
    }
}
