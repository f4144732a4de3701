use tokio::net::TcpStream;

use crate::check::Check;

impl Check {
    /// A check that connects to `addr` (`host:port`) by TCP and hangs up.
    pub fn tcp(name: impl Into<String>, addr: impl Into<String>) -> Self {
        let addr = addr.into();
        Self::new(name, move || {
            let addr = addr.clone();
            async move { TcpStream::connect(&addr).await.map(drop) }
        })
    }
}
