//! The environment of a program, so that its telemetry arrives here.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::console::Running;

/// Where the program's telemetry goes and how it behaves; what is set already stays.
pub(super) fn variables(running: &Running, service: &str) -> Vec<(&'static str, String)> {
    vec![
        ("OTEL_SERVICE_NAME", service.to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", running.otlp_http())),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", String::from("http/protobuf")),
        // Its lines come by its output: as records they would come twice.
        ("OTEL_LOGS_EXPORTER", String::from("none")),
        // Half a second and five, where the defaults make a person wait for five and sixty.
        ("OTEL_BSP_SCHEDULE_DELAY", String::from("500")),
        ("OTEL_METRIC_EXPORT_INTERVAL", String::from("5000")),
        ("SENTRY_DSN", running.sentry_dsn()),
        ("OBS_PRESET", String::from("development")),
        ("OBS_LOG_FORMAT", String::from("json")),
        ("OBS_PROFILING", String::from("on")),
        // A pipe is no terminal: without it Python keeps its output until there are 8 KiB of it.
        ("PYTHONUNBUFFERED", String::from("1")),
    ]
}

pub(super) fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// A loopback address with a port that is free now.
pub(super) fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// The service's name where none is given: the program's; of `cargo run` what it runs, of an interpreter the
/// script.
pub(super) fn default_name(command: &[OsString]) -> String {
    let text = |at: usize| command.get(at).map(|it| it.to_string_lossy().into_owned());
    let program = stem(&text(0).unwrap_or_default());
    let words: Vec<String> = (1..command.len()).filter_map(text).collect();
    let name = match &*program {
        "cargo" => {
            option_value(&words, &["--bin", "--example", "-p", "--package"]).or_else(directory)
        }
        "node" | "deno" | "bun" | "ruby" | "uv" | "poetry" => script(&words),
        python if python.starts_with("python") => {
            option_value(&words, &["-m"]).or_else(|| script(&words))
        }
        _ => None,
    };
    let name = name.unwrap_or(program);
    let name: String = name.chars().filter(|it| !it.is_control()).take(64).collect();
    if name.is_empty() { String::from("program") } else { name }
}

/// The value of the first of these options.
fn option_value(words: &[String], options: &[&str]) -> Option<String> {
    let before_arguments = || words.iter().take_while(|word| *word != "--");
    options.iter().find_map(|option| {
        let index = before_arguments().position(|word| word == option);
        let next = index.and_then(|index| words.get(index + 1)).cloned();
        next.or_else(|| {
            let with_sign = format!("{option}=");
            before_arguments().find_map(|word| word.strip_prefix(&with_sign)).map(Into::into)
        })
    })
}

fn script(words: &[String]) -> Option<String> {
    if words.iter().any(|word| word == "-c" || word == "-e") {
        return None;
    }
    let file = words.iter().find(|word| !word.starts_with('-') && word.contains('.'))?;
    Some(stem(file)).filter(|stem| !stem.is_empty())
}

fn stem(path: &str) -> String {
    let stem = std::path::Path::new(path).file_stem();
    stem.map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn directory() -> Option<String> {
    let directory = std::env::current_dir().ok()?;
    Some(directory.file_name()?.to_string_lossy().into_owned())
}
