//! A middleware for reqwest.

use std::fmt;

use http::{Extensions, HeaderMap};
use reqwest::{Body, Request, Response, ResponseBuilderExt, Url};
use reqwest_middleware::{Error, Middleware, Next, Result};

use crate::{Observe, ObserveLayer, PeerAddr, unrouted};

/// Watches every request of a `reqwest_middleware` client (feature `reqwest`): with redirects that are
/// followed, up to the end of the response's body.
///
/// Middleware for retries belongs outside, `with`ed before: then every attempt is watched by itself.
#[derive(Clone)]
pub struct ObserveReqwest<O>(ObserveLayer<O>);

impl<O: Observe> ObserveReqwest<O> {
    /// With this observer.
    pub fn new(observer: O) -> Self {
        Self(ObserveLayer::new(observer, unrouted))
    }
}

impl<O: Observe + Default> Default for ObserveReqwest<O> {
    fn default() -> Self {
        Self::new(O::default())
    }
}

#[async_trait::async_trait]
impl<O: Observe<Exchange: Sync>> Middleware for ObserveReqwest<O> {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let head = head(&mut request);
        let observed = self.0.observe(head, |head| async move {
            *request.headers_mut() = head.into_parts().0.headers;
            let response = next.run(request, extensions).await?;
            let (url, peer) = (response.url().clone(), response.remote_addr());
            let mut response = http::Response::<Body>::from(response);
            response.extensions_mut().insert(Target(url));
            if let Some(peer) = peer {
                response.extensions_mut().insert(PeerAddr(peer));
            }
            Ok::<_, Error>(response)
        });
        let (head, body) = observed.await?.into_parts();
        // reqwest's response has its URL, which no header carries.
        let mut builder = http::Response::builder();
        if let Some(Target(url)) = head.extensions.get() {
            builder = builder.url(url.clone());
        }
        let mut response = builder.body(Body::wrap(body)).map_err(Error::middleware)?;
        *response.status_mut() = head.status;
        *response.version_mut() = head.version;
        *response.headers_mut() = head.headers;
        response.extensions_mut().extend(head.extensions);
        Ok(Response::from(response))
    }
}

impl<O> fmt::Debug for ObserveReqwest<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ObserveReqwest").finish_non_exhaustive()
    }
}

/// Where the response came from, after all redirects.
#[derive(Clone)]
struct Target(Url);

/// What is observed; its headers are the request's own, on their way there and back.
fn head(request: &mut Request) -> http::Request<()> {
    let mut head = http::Request::new(());
    *head.method_mut() = request.method().clone();
    *head.headers_mut() = std::mem::replace(request.headers_mut(), HeaderMap::new());
    // A URL that is no URI, which has yet to be seen, leaves the observer without an address.
    *head.uri_mut() = request.url().as_str().parse().unwrap_or_default();
    head
}
