//! Calls of a stack: which are the application's.

/// Crates that no application writes. Sorted, so that the list is looked through by halves.
const LIBRARIES: [&str; 33] = [
    "__rustc",
    "alloc",
    "axum",
    "axum_core",
    "backtrace",
    "core",
    "futures_core",
    "futures_util",
    "http_body_util",
    "hyper",
    "hyper_util",
    "obs_all",
    "obs_context",
    "obs_errors",
    "obs_guard",
    "obs_health",
    "obs_http",
    "obs_logging",
    "obs_metrics",
    "obs_otlp",
    "obs_profiling",
    "obs_tracing",
    "pin_project_lite",
    "std",
    "tokio",
    "tokio_util",
    "tonic",
    "tower",
    "tower_http",
    "tower_service",
    "tracing",
    "tracing_core",
    "tracing_subscriber",
];

/// Where cargo and the toolchain keep sources; cargo's home may lie anywhere.
const ELSEWHERE: [&str; 5] =
    ["/rustc/", "/rustlib/src/", "/registry/src/", "/git/checkouts/", "/vendor/"];

/// The path of a function in a type's brackets: of `<app::Job as Future>::poll` that of `app::Job`.
pub fn type_path(function: &str) -> &str {
    function
        .trim_start_matches(['<', '&', '*'])
        .trim_start_matches("mut ")
        .trim_start_matches("dyn ")
}

/// The crate of a call, by the path of its function; what the compiler has inlined has none, but lies
/// in a folder named so: `poll<T>` of `/tokio-1.54.1/src/park.rs` in `tokio`.
pub fn crate_of(function: &str, file: Option<&str>) -> Option<String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let path = type_path(function);
    if let Some((root, _)) = path.split_once("::")
        && root.bytes().all(is_name)
    {
        return Some(root.to_owned());
    }
    let (folder, _) = file?.rsplit_once("/src/")?;
    let name = folder.rsplit(['/', '\\']).next()?;
    let version = name.match_indices('-').map(|(at, _)| at).find(|at| {
        name.get(at + 1..)
            .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    });
    Some(name.get(..version.unwrap_or(name.len()))?.replace('-', "_"))
}

/// Whether a call is of code that lies neither in the toolchain nor among cargo's downloads, nor in a library
/// that is known by name.
pub fn is_of_application(function: &str, file: Option<&str>) -> bool {
    if file.is_some_and(|file| ELSEWHERE.iter().any(|part| file.contains(part))) {
        return false;
    }
    let has_place = function.contains("::") || file.is_some();
    let name = crate_of(function, file);
    has_place && name.is_none_or(|name| LIBRARIES.binary_search(&&*name).is_err())
}

/// The text of a `std::backtrace::Backtrace` with the calls of the application alone, under their numbers, and
/// how many others it left out. A text without any such call stays as it is.
///
/// ```
/// let text = "   0: std::panicking::panic\n   1: app::work\n             at ./src/main.rs:7:5\n   2: tokio::run\n";
/// let short = obs_guard::frames::of_application(text);
/// assert_eq!(short.lines().next(), Some("   1: app::work"));
/// assert_eq!(short.lines().last(), Some("   (2 calls of libraries left out)"));
/// ```
pub fn of_application(text: &str) -> String {
    let mut kept = String::new();
    let mut left_out = 0;
    let mut call = Call::default();
    let mut close = |call: &mut Call<'_>| {
        let call = std::mem::take(call);
        match call.is_of_application() {
            _ if call.text.is_empty() => {}
            true => kept.push_str(&call.text),
            false => left_out += 1,
        }
    };
    for line in text.split_inclusive('\n') {
        if let Some(function) = function_of(line) {
            close(&mut call);
            call.function = function;
        } else if let Some(place) = line.trim().strip_prefix("at ") {
            call.file = Some(place);
        }
        call.text.push_str(line);
    }
    close(&mut call);
    if kept.is_empty() || left_out == 0 {
        return text.to_owned();
    }
    if !kept.ends_with('\n') {
        kept.push('\n');
    }
    kept.push_str(&format!("   ({left_out} calls of libraries left out)"));
    kept
}

/// One call, with its lines as they stand in the text.
#[derive(Default)]
struct Call<'a> {
    function: &'a str,
    file: Option<&'a str>,
    text: String,
}

impl Call<'_> {
    fn is_of_application(&self) -> bool {
        // Below every thread stands one that is generic over the application's code.
        !self.function.contains("__rust_begin_short_backtrace")
            && !self.function.contains("__rust_end_short_backtrace")
            && self.function.contains("::")
            && is_of_application(self.function, self.file)
    }
}

/// `  3: app::work`.
fn function_of(line: &str) -> Option<&str> {
    let (number, function) = line.trim().split_once(": ")?;
    number.parse::<u32>().ok()?;
    Some(function)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_sorted() {
        assert!(LIBRARIES.is_sorted());
    }

    #[test]
    fn calls_of_libraries_are_left_out_and_counted() {
        let text = "   0: std::panicking::begin_panic\n             at /rustc/1/std/src/panicking.rs:1:1\n   \
                    1: <app::Job as core::future::future::Future>::poll\n             at ./src/job.rs:7:5\n   \
                    2: poll<T>\n             at /build/.cargo/registry/src/i/tokio-1.54.1/src/park.rs:1:1\n   \
                    3: main\n   4: app::main\n   5: __libc_start_main\n";
        assert_eq!(
            of_application(text),
            "   1: <app::Job as core::future::future::Future>::poll\n             at ./src/job.rs:7:5\n   \
             4: app::main\n   (4 calls of libraries left out)"
        );
    }

    #[test]
    fn text_without_application_frames_is_kept() {
        for text in ["", "disabled backtrace", "   0: <unknown>\n   1: std::rt::lang_start\n"] {
            assert_eq!(of_application(text), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn stack_of_any_text_never_panics(text in "(\\PC|\n| [0-9]: | at )*") {
            of_application(&text);
        }
    }
}
