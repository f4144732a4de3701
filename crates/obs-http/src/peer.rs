//! The address of the peer.

use std::net::SocketAddr;

use http::Extensions;

/// The address of the connection's other end, as an extension of a request that is served, or of a
/// response that a client got. obs-health's server sets it; behind another server, do so in its accept
/// loop. Spans have it as `network.peer.address` and `network.peer.port`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

impl PeerAddr {
    /// The one among these extensions or, with the feature `axum`, that of axum's `ConnectInfo<SocketAddr>`.
    pub fn of(extensions: &Extensions) -> Option<Self> {
        let own = extensions.get::<Self>().copied();
        #[cfg(feature = "axum")]
        let own = own.or_else(|| {
            let info = extensions.get::<axum::extract::ConnectInfo<SocketAddr>>();
            info.map(|info| Self(info.0))
        });
        own
    }
}
