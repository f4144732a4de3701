//! A service on actix-web: it serves, asks itself once, and shuts down.
//!
//! `cargo run -p obs-all --features actix --example actix` prints its log lines and what the shutdown did.

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use actix_web::{App, HttpServer, web};
use obs_all::{Config, Preset};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let obs = Config::new("example")
        .preset(Preset::Development)
        .admin_addr(Some(([127, 0, 0, 1], 0).into()))
        .init()?;
    let watch = obs.actix();
    let app = move || App::new().route("/orders/{id}", web::get().to(order)).wrap(watch.clone());
    let server = HttpServer::new(app).workers(1).bind("127.0.0.1:0")?;
    let addr = server.addrs()[0];
    let server = server.disable_signals().run();
    let lifecycle = obs.lifecycle().clone();
    tokio::spawn(async move {
        let answer = ask(addr).await;
        println!("{}", answer.unwrap_or_else(|error| error.to_string()));
        lifecycle.shut_down();
    });
    let finished = obs.run_actix(server).await?;
    println!("{}", finished.report);
    finished.output.transpose()?;
    Ok(())
}

async fn order(id: web::Path<u64>) -> String {
    obs_all::logging::bind!(order_id = *id);
    tracing::info!("looking the order up");
    format!("order {id}")
}

async fn ask(addr: std::net::SocketAddr) -> std::io::Result<String> {
    let mut client = TcpStream::connect(addr).await?;
    client
        .write_all(b"GET /orders/42 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    client.read_to_string(&mut answer).await?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}
