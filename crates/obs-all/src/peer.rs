//! The peer's address, where an application looks for it.

use std::any::TypeId;
use std::net::SocketAddr;

#[cfg(feature = "axum")]
use axum::extract::ConnectInfo;
use http::Extensions;
use obs_http::PeerAddr;

type InsertPeer = fn(&mut Extensions, SocketAddr);

/// The insertion for this type of application: each extension is an allocation, and axum's router needs one only.
#[cfg(feature = "axum")]
pub(crate) fn insert_for(app: TypeId) -> InsertPeer {
    if app == TypeId::of::<axum::Router>() {
        return |extensions, peer| {
            extensions.insert(ConnectInfo(peer));
        };
    }
    |extensions, peer| {
        extensions.insert(PeerAddr(peer));
        // A router may be inside of what is served.
        extensions.insert(ConnectInfo(peer));
    }
}

#[cfg(not(feature = "axum"))]
pub(crate) fn insert_for(_: TypeId) -> InsertPeer {
    |extensions, peer| {
        extensions.insert(PeerAddr(peer));
    }
}

#[cfg(all(test, feature = "axum"))]
mod tests {
    use super::*;

    #[test]
    fn router_gets_one_extension_and_wrapper_gets_both() {
        let peer = SocketAddr::from(([127, 0, 0, 1], 4711));
        let inserted = |insert: InsertPeer| {
            let mut extensions = Extensions::new();
            insert(&mut extensions, peer);
            let info = extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
            assert_eq!(info, Some(peer));
            assert_eq!(PeerAddr::of(&extensions), Some(PeerAddr(peer)));
            extensions.get::<PeerAddr>().copied()
        };
        assert_eq!(inserted(insert_for(TypeId::of::<axum::Router>())), None);
        assert_eq!(
            inserted(insert_for(TypeId::of::<Option<axum::Router>>())),
            Some(PeerAddr(peer))
        );
    }
}
