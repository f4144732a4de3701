//! JSON lines with the fields of a job, a bound field and an error.
//!
//! `cargo run -p obs-logging --all-features --example lines`

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use std::time::Duration;

use obs_logging::{Builder, Context, Format, Output, bind};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (layer, logging) = Builder::new()
        .format(Format::Json)
        .filter("info")
        .output(Output::stdout())
        .static_field("service", "orders")
        .build()?;
    tracing_subscriber::registry().with(layer).try_init()?;
    obs_logging::panic::install(&logging);

    let job = Context::new();
    job.bind("job_id", 7);
    {
        let _entered = job.enter();
        bind!(attempt = 2);
        tracing::info!(user_id = 123, "user created");
        if let Err(error) = "x".parse::<u8>() {
            tracing::warn!(error = &error as &dyn std::error::Error, "no number");
        }
    }
    match logging.shutdown(Duration::from_secs(60)).complete {
        true => Ok(()),
        false => Err("lines were lost".into()),
    }
}
