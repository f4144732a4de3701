//! A whole service in one file: it serves, asks itself once, and shuts down.
//!
//! `cargo run -p obs-all --example service` prints its log lines and what the shutdown did.

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use obs_all::{Config, Preset};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let obs = Config::new("example")
        .preset(Preset::Development)
        .admin_addr(Some(([127, 0, 0, 1], 0).into()))
        .init()?;
    let app = obs.observe(Router::new().route("/orders/{id}", get(order)));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let lifecycle = obs.lifecycle().clone();
    let serving = tokio::spawn(obs.serve(listener, app));

    let mut client = TcpStream::connect(addr).await?;
    client
        .write_all(b"GET /orders/42 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    client.read_to_string(&mut answer).await?;
    println!("{}", answer.lines().next().unwrap_or_default());

    lifecycle.shut_down();
    let report = serving.await??;
    println!("{report}");
    Ok(())
}

async fn order(Path(id): Path<u64>) -> String {
    obs_all::logging::bind!(order_id = id);
    tracing::info!("looking the order up");
    format!("order {id}")
}
