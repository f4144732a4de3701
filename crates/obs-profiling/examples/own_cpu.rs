//! The busiest functions of this process, and its flame graph's size (Linux).
//!
//! `cargo run -p obs-profiling --all-features --example own_cpu`

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use std::time::{Duration, Instant};

use obs_profiling::{CpuProfiler, Format, Recording};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let recording = Recording { rate: 100, duration: Duration::from_secs(1) };
    let profile = match CpuProfiler::start(recording) {
        Ok(profiler) => {
            let until = Instant::now() + Duration::from_millis(900);
            let mut number = 0_u64;
            while Instant::now() < until {
                number = std::hint::black_box(number.wrapping_mul(31).wrapping_add(7));
            }
            profiler.wait()?
        }
        Err(error) => {
            println!("no profile here: {error}");
            return Ok(());
        }
    };
    for (function, own, _with_callees) in profile.functions().into_iter().take(5) {
        println!("{own:6} {function}");
    }
    let mut svg = Vec::new();
    profile.write(Format::Svg, &mut svg)?;
    println!("{} samples, {} bytes of SVG", profile.total(), svg.len());
    Ok(())
}
