//! The peer's address, where axum's extractors look for it.

use std::task::{Context, Poll};

use http::Request;
use tower_service::Service;

/// Gives each request axum's `ConnectInfo<SocketAddr>` (feature `axum`), as axum's own server does.
#[derive(Clone, Debug)]
pub(crate) struct WithPeer<App>(pub(crate) App);

impl<App, Body> Service<Request<Body>> for WithPeer<App>
where
    App: Service<Request<Body>>,
{
    type Response = App::Response;
    type Error = App::Error;
    type Future = App::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), App::Error>> {
        self.0.poll_ready(context)
    }

    #[cfg_attr(
        not(feature = "axum"),
        expect(unused_mut, reason = "axum's extension is the change")
    )]
    fn call(&mut self, mut request: Request<Body>) -> App::Future {
        #[cfg(feature = "axum")]
        if let Some(peer) = request.extensions().get::<obs_http::PeerAddr>().copied() {
            request.extensions_mut().insert(axum::extract::ConnectInfo(peer.0));
        }
        self.0.call(request)
    }
}
