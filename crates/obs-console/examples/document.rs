//! A console on free ports takes a line, and tells the document of its request.
//!
//! `cargo run -p obs-console --all-features --example document`

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use std::net::{Ipv4Addr, SocketAddr};

use obs_console::{Console, LogLine};
use obs_context::TraceId;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let console = Console::builder().otlp_grpc(free).otlp_http(free).api(free).start().await?;
    println!("send OTLP to http://{}", console.otlp_grpc());

    let trace_id: TraceId = "0af7651916cd43dd8448eb211c80319c".parse()?;
    console.store().add_logs([LogLine {
        service: "orders".into(),
        instance: None,
        unix_nanos: 1_781_863_200_000_000_000,
        level: "info".into(),
        event: "stored".into(),
        target: "orders::store".into(),
        trace_id: Some(trace_id),
        span_id: None,
        request_id: Some("r-1".into()),
        fields: Default::default(),
    }]);
    let document = console.store().request(trace_id).ok_or("evicted")?;
    println!("{} line: {}", document.logs.len(), document.logs[0].event);
    console.shutdown().await;
    Ok(())
}
