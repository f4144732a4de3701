//! What joins the pillars: request ids, routes and the active span.
//!
//! `cargo run -p obs-context --all-features --example identities`

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use obs_context::{RequestId, Route, active_span};

fn main() {
    for given in [Some(&b"order-42"[..]), Some(b"two\nlines"), None] {
        println!(
            "{:?} becomes {}",
            given.map(String::from_utf8_lossy),
            RequestId::accept(given).as_str()
        );
    }
    println!("{}", Route::intern("/orders/{id}").as_str());
    println!("the active span outside of every span: {:?}", active_span());
}
