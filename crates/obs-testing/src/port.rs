//! Ports for programs that must be told theirs.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Below the range that the kernel takes its own choices from (32768 and up): a port of that range that
/// is free now may be another socket's before the program has bound it.
const FIRST_PORT: u16 = 12_000;
const PORT_COUNT: u16 = 18_000;

/// A port of the loopback that nobody listens on. This process gives each only once; others begin
/// elsewhere.
pub fn free_port() -> u16 {
    static NEXT_OFFSET: AtomicU16 = AtomicU16::new(0);
    let start = u64::from(std::process::id()) * 7_919 + u64::from(process_seed());
    loop {
        let next = u64::from(NEXT_OFFSET.fetch_add(1, Ordering::Relaxed));
        let port = FIRST_PORT + ((start + next) % u64::from(PORT_COUNT)) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Another number for each process, the same within one.
fn process_seed() -> u32 {
    static PROCESS_SEED: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *PROCESS_SEED.get_or_init(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.subsec_nanos())
    })
}
