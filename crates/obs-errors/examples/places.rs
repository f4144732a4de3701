//! Errors go to a sink of the application, and are counted by place in any case.
//!
//! `cargo run -p obs-errors --all-features --example places`

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use std::time::Duration;

use obs_errors::{Builder, Outcome, Report};
use tracing_subscriber::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let print = |report: &Report| {
        println!("told: {} at {}", report.message, report.place);
        Outcome::Delivered
    };
    let (layer, errors) = Builder::new("orders").sink(print).build()?;
    let level = layer.max_level();
    tracing_subscriber::registry().with(layer.with_filter(level)).init();

    for number in 0..3 {
        tracing::error!(number, "the payment was refused");
    }
    if let Err(error) = "x".parse::<u8>() {
        errors.capture(&error);
    }
    println!("{:#}", errors.places());
    println!("{:?}", errors.shutdown(Duration::from_secs(60)));
    Ok(())
}
