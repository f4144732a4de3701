//! Where each signal goes, and how a variable with pairs is read.
//!
//! `cargo run -p obs-otlp --all-features --example paths`

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use obs_otlp::Signal;
use obs_otlp::environment::parse_pairs;

fn main() {
    for signal in [Signal::Traces, Signal::Logs, Signal::Metrics] {
        println!("{}: POST {} or gRPC {}", signal.items(), signal.http_path(), signal.grpc_path());
    }
    // As in OTEL_RESOURCE_ATTRIBUTES and OTEL_EXPORTER_OTLP_HEADERS.
    println!("{:?}", parse_pairs("service.name=orders,region=eu%20west"));
    println!("{:?}", parse_pairs("no pair"));
}
