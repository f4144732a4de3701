//! Peers that are stuck: clients for every listener, servers for every client.
//!
//! Each is a plain socket. One thread serves all that are slow, so ten thousand cost memory alone.

mod clients;
mod servers;

pub use clients::{Client, Clients};
pub use servers::{Server, Servers};

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Between two bytes of a slow peer.
pub const BYTE_INTERVAL: Duration = Duration::from_secs(1);

/// Raises the limit of open files as far as it goes, and answers how many of `wanted` sockets fit when
/// each takes `descriptors` in this process (two where both ends are here).
///
/// Says on the standard error stream when it is fewer than wanted.
pub fn affordable(wanted: usize, descriptors: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let free = current.map_or(usize::MAX, |current| current.saturating_sub(200) as usize);
    let count = wanted.min(free / descriptors.max(1));
    if count < wanted {
        crate::impossible(format_args!("{wanted} peers: the limit of open files leaves {count}"));
    }
    count
}
