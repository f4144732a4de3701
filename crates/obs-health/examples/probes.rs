//! A service with one check on free ports: its probe before and after the check is up, and its shutdown.
//!
//! `cargo run -p obs-health --all-features --example probes`

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use obs_health::{Check, Health};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let is_there = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&is_there);
    let health = Health::new();
    let check = Check::new("database", move || {
        let is_there = asked.load(Relaxed);
        async move { is_there.then_some(()).ok_or_else(|| io::Error::other("not there yet")) }
    });
    health.add(check.interval(Duration::from_millis(20)))?;
    health.start();
    tokio::time::sleep(Duration::from_millis(100)).await;
    println!("before: {:?}", health.state());
    is_there.store(true, Relaxed);
    tokio::time::sleep(Duration::from_millis(100)).await;
    println!("after:  {:?}", health.state());
    Ok(())
}
