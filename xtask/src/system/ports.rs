//! Free addresses, and programs that may be installed.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// A loopback address whose port is free, and which nobody gets by chance.
pub(crate) fn free_addr() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, obs_testing::free_port()).into()
}

/// Where this program is installed, by `PATH`.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
