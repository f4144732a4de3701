//! The address of the peer.

use std::net::SocketAddr;

/// The address of the connection's other end, as an extension of a request that is served, or of a
/// response that a client got. obs-health's server sets it; behind another server, do so in its accept
/// loop. Spans have it as `network.peer.address` and `network.peer.port`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);
