//! The `obs-console` program.

use std::ffi::OsString;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use obs_console::{Action, Console, Error, Program, Running, Signals, Target, Token};

/// Development console: takes OTLP, error events, log lines and scrapes, and joins them into one document per
/// request. Prints one JSON line with its addresses when it is ready.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    #[command(flatten)]
    common: CommonOptions,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct CommonOptions {
    /// Where OTLP over gRPC is taken; port 0 takes a free one [default: 127.0.0.1:4317]
    #[arg(long, value_name = "ADDR", global = true)]
    otlp_grpc: Option<SocketAddr>,
    /// Where OTLP over HTTP and Sentry's envelopes are taken [default: 127.0.0.1:4318]
    #[arg(long, value_name = "ADDR", global = true)]
    otlp_http: Option<SocketAddr>,
    /// Where the page and the API answer [default: 127.0.0.1:4320]
    #[arg(long, value_name = "ADDR", global = true)]
    api: Option<SocketAddr>,
    /// A service whose /metrics, /readyz and /healthz are looked at every second; may be repeated.
    #[arg(long = "service", value_name = "NAME=ADMIN_URL", global = true)]
    services: Vec<Target>,
    /// A button of the page, and the request to a loopback address that it makes; may be repeated.
    #[arg(long = "action", value_name = "NAME=METHOD URL", global = true)]
    actions: Vec<Action>,
    /// What the API's callers have to send, in place of a random token; `none` for nothing.
    #[arg(long, global = true)]
    token: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts a program with what joins everything of it, and ends with its exit code.
    Run(RunOptions),
}

#[derive(Debug, Args)]
struct RunOptions {
    /// The service's name; OTEL_SERVICE_NAME or the program's own by default.
    #[arg(long)]
    name: Option<String>,
    /// Another program to start; may be repeated. All end with the first.
    #[arg(long = "with", value_name = "NAME=COMMAND")]
    others: Vec<Program>,
    /// Stays after the program's end, until Ctrl-C.
    #[arg(long)]
    stay: bool,
    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Options { common, command } = Options::parse();
    let ended = match command {
        None => serve(common).await,
        Some(Command::Run(run)) => self::run(common, run).await,
    };
    ended.unwrap_or_else(|(error, code)| {
        report(&error);
        ExitCode::from(code)
    })
}

type Outcome = Result<ExitCode, (String, u8)>;

fn failed(error: impl std::fmt::Display) -> (String, u8) {
    (error.to_string(), 1)
}

fn run_failed(error: Error) -> (String, u8) {
    (error.to_string(), error.exit_code())
}

async fn serve(common: CommonOptions) -> Outcome {
    // Before the line with the addresses: its reader may send a signal at once.
    let mut signals = Signals::catch().map_err(failed)?;
    let running = start(common, false).await.map_err(failed)?;
    print_addresses(&running).map_err(failed)?;
    signals.received().await;
    running.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

async fn run(common: CommonOptions, run: RunOptions) -> Outcome {
    let mut signals = Signals::catch().map_err(failed)?;
    let first = Program::new(run.name.as_deref(), run.command).map_err(run_failed)?;
    let running = start(common, true).await.map_err(failed)?;
    report(&running.page());
    if std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_some() {
        report(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, so traces go there and not here: unset it to see them",
        );
    }
    let ended = running.run(first, run.others, &mut signals).await;
    if run.stay && ended.is_ok() {
        report(&format!("{} stays until Ctrl-C", running.page()));
        signals.received().await;
    }
    running.shutdown().await;
    ended.map(ExitCode::from).map_err(run_failed)
}

/// With `or_free`, a default port that is in use is replaced by a free one, and that is reported.
async fn start(common: CommonOptions, or_free: bool) -> Result<Running, Error> {
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let is_default =
        common.otlp_grpc.is_none() || common.otlp_http.is_none() || common.api.is_none();
    let mut builder = Console::builder().scrape(common.services).actions(common.actions);
    builder = builder
        .otlp_grpc(common.otlp_grpc.unwrap_or(loopback(4317)))
        .otlp_http(common.otlp_http.unwrap_or(loopback(4318)))
        .api(common.api.unwrap_or(loopback(4320)));
    if or_free && is_default {
        builder = builder.free_ports();
    }
    if let Some(token) = common.token {
        builder = builder.token(match &*token {
            "none" => Token::NONE,
            token => Token::new(token)?,
        });
    }
    let running = builder.start().await?;
    for (what, given, port, bound) in [
        ("OTLP over gRPC", common.otlp_grpc, 4317, running.otlp_grpc()),
        ("OTLP over HTTP", common.otlp_http, 4318, running.otlp_http()),
        ("the page", common.api, 4320, running.api()),
    ] {
        let wanted = given.map_or(port, |address| address.port());
        if wanted != 0 && bound.port() != wanted {
            report(&format!("port {wanted} is in use: {what} is at {bound}"));
        }
    }
    Ok(running)
}

fn print_addresses(running: &Running) -> std::io::Result<()> {
    let line = serde_json::json!({
        "otlp_grpc": format!("http://{}", running.otlp_grpc()),
        "otlp_http": format!("http://{}", running.otlp_http()),
        "sentry_dsn": running.sentry_dsn(),
        "api": format!("http://{}", running.api()),
        "page": running.page(),
        "token": running.token().reveal(),
    });
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

fn report(text: &str) {
    let _ = writeln!(std::io::stderr(), "obs-console: {text}");
}
