//! The `obs-console` program.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use obs_console::{Action, Console, Error, Running, Target, Token};
use tokio::signal::unix::{SignalKind, signal};

/// Development console: takes OTLP, error events, log lines and scrapes, and joins them into one document per
/// request. Prints one JSON line with its addresses when it is ready.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Where OTLP over gRPC is taken; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4317")]
    otlp_grpc: SocketAddr,
    /// Where OTLP over HTTP and Sentry's envelopes are taken.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4318")]
    otlp_http: SocketAddr,
    /// Where the API answers.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4320")]
    api: SocketAddr,
    /// A service whose /metrics, /readyz and /healthz are looked at every second; may be repeated.
    #[arg(long = "service", value_name = "NAME=ADMIN_URL")]
    services: Vec<Target>,
    /// A button of the page, and the request to a loopback address that it makes; may be repeated.
    #[arg(long = "action", value_name = "NAME=METHOD URL")]
    actions: Vec<Action>,
    /// What the API's callers have to send, in place of a random token; `none` for nothing.
    #[arg(long)]
    token: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "obs-console: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    // Before the line that says ready: whoever reads it may send a signal at once.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let running = start(options).await?;
    announce(&running)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    running.shutdown().await;
    Ok(())
}

async fn start(options: Options) -> Result<Running, Error> {
    let mut builder = Console::builder()
        .otlp_grpc(options.otlp_grpc)
        .otlp_http(options.otlp_http)
        .api(options.api)
        .scrape(options.services)
        .actions(options.actions);
    if let Some(token) = options.token {
        builder = builder.token(match &*token {
            "none" => Token::NONE,
            token => Token::new(token)?,
        });
    }
    builder.start().await
}

fn announce(running: &Running) -> std::io::Result<()> {
    let line = serde_json::json!({
        "otlp_grpc": format!("http://{}", running.otlp_grpc()),
        "otlp_http": format!("http://{}", running.otlp_http()),
        "sentry_dsn": running.sentry_dsn(),
        "api": format!("http://{}", running.api()),
        "token": running.token().reveal(),
    });
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}
