//! What may be said on the demo's command line.

use clap::Args;

/// What the demo does.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Options {
    /// Stay up afterwards and print the page's address, until Ctrl-C.
    #[arg(long)]
    pub(super) serve: bool,
    /// Print one JSON document instead of the story.
    #[arg(long)]
    pub(super) json: bool,
    /// Send the traces to this collector instead of the console: http://127.0.0.1:4317.
    #[arg(long, value_name = "URL")]
    pub(super) otlp: Option<String>,
    /// How the collector is spoken to.
    #[arg(long, value_name = "grpc|http/protobuf", default_value = "grpc", requires = "otlp")]
    pub(super) otlp_protocol: Option<String>,
    /// Use this PostgreSQL instead of SQLite: postgres://user:password@host/database.
    #[arg(long, value_name = "URL")]
    pub(super) database: Option<String>,
    /// Run Debian's Prometheus too, and find the request's exemplar through its API.
    #[arg(long)]
    pub(super) prometheus: bool,
    /// How many requests are in flight when SIGTERM comes.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(super) in_flight: usize,
    /// Break a join on purpose, to see that it is noticed: `traceparent` or `x-request-id`.
    #[arg(long = "break", value_name = "HEADER", value_parser = ["traceparent", "x-request-id"])]
    pub(super) broken: Option<String>,
}

impl Options {
    /// Everything that needs nobody to look at it.
    pub(crate) fn headless() -> Self {
        Self { in_flight: 200, ..Self::default() }
    }
}
