//! The connection's other end, where an application looks for it.

#[cfg(feature = "axum")]
use std::any::TypeId;
use std::net::SocketAddr;

#[cfg(feature = "axum")]
use axum::extract::ConnectInfo;
use http::Extensions;
use obs_http::PeerAddr;

type TellPeer = fn(&mut Extensions, SocketAddr);

/// For this application: each extension is an allocation, and axum's router needs but one.
pub(crate) fn told_to<App: 'static>() -> TellPeer {
    #[cfg(feature = "axum")]
    if TypeId::of::<App>() == TypeId::of::<axum::Router>() {
        return |extensions, peer| {
            extensions.insert(ConnectInfo(peer));
        };
    }
    |extensions, peer| {
        extensions.insert(PeerAddr(peer));
        // A router may be inside of what is served.
        #[cfg(feature = "axum")]
        extensions.insert(ConnectInfo(peer));
    }
}

#[cfg(all(test, feature = "axum"))]
mod tests {
    use super::*;

    #[test]
    fn router_is_told_by_one_extension_and_what_wraps_one_by_both() {
        let peer = SocketAddr::from(([127, 0, 0, 1], 4711));
        let found = |tell: TellPeer| {
            let mut extensions = Extensions::new();
            tell(&mut extensions, peer);
            let info = extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
            assert_eq!(info, Some(peer));
            assert_eq!(PeerAddr::of(&extensions), Some(PeerAddr(peer)));
            extensions.get::<PeerAddr>().copied()
        };
        assert_eq!(found(told_to::<axum::Router>()), None);
        assert_eq!(found(told_to::<Option<axum::Router>>()), Some(PeerAddr(peer)));
    }
}
