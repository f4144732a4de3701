//! Free addresses, and programs that may be installed.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use crate::error::{During, Failure};

/// A loopback address whose port is free at this moment.
pub(crate) fn free_addr() -> Result<SocketAddr, Failure> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).during("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?)
}

/// Where this program is installed, by `PATH`.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
