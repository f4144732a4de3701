//! A counter and a histogram, as Prometheus reads them.
//!
//! `cargo run -p obs-metrics --all-features --example exposition`

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use obs_metrics::{Buckets, Registry};

fn main() -> Result<(), obs_metrics::Error> {
    let registry = Registry::new();
    let orders = registry.counter_vec("orders_total", "Orders processed.", ["status"])?;
    let took = registry.histogram(
        "checkout_duration_seconds",
        "Time to check out.",
        Buckets::around(0.3),
    )?;
    for status in ["created", "created", "refused"] {
        let _timer = took.start_timer();
        orders.with([status]).inc();
    }
    print!("{}", registry.encode_text());
    Ok(())
}
