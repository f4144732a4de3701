//! A value whose `Display` panics, and one that is too long, cost a line neither its end nor its rest.
//!
//! `cargo run -p obs-guard --all-features --example hostile_values`

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use std::fmt;

use obs_guard::write_display;

struct Hostile;

impl fmt::Display for Hostile {
    #[allow(clippy::panic, reason = "it is what this shows")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("so far so good")?;
        panic!("and no further")
    }
}

fn main() {
    let mut line = String::new();
    let ended = write_display(&mut line, &Hostile, 1024);
    println!("{ended:?}: {line}");

    line.clear();
    let ended = write_display(&mut line, &"long ".repeat(1000), 16);
    println!("{ended:?}: {line}");
    for (place, panics) in obs_guard::panics() {
        println!("{panics} panics at {place}");
    }
}
