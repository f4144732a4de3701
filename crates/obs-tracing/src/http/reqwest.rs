//! The span of a request that reqwest sends.

use std::fmt;

use http::{Extensions, HeaderMap};
use obs_http::{ObserveLayer, PeerAddr, unrouted};
use reqwest::{Body, Request, Response, ResponseBuilderExt, Url};
use reqwest_middleware::{Error, Middleware, Next, Result};

use super::client::ClientSpan;

/// Makes a [`ClientSpan`] of every request of a `reqwest_middleware` client (feature `reqwest`): with
/// redirects that are followed, up to the end of the response's body.
///
/// Middleware for retries belongs outside, `with`ed before: then every attempt has a span of its own.
///
/// ```
/// use obs_tracing::http::ReqwestSpan;
/// use reqwest_middleware::ClientBuilder;
///
/// let client = ClientBuilder::new(reqwest::Client::new()).with(ReqwestSpan::default()).build();
/// # drop(client);
/// ```
#[derive(Clone)]
pub struct ReqwestSpan(ObserveLayer<ClientSpan>);

impl ReqwestSpan {
    /// With a span of one's own settings, its propagators for one.
    pub fn new(span: ClientSpan) -> Self {
        Self(ObserveLayer::new(span, unrouted))
    }
}

impl Default for ReqwestSpan {
    fn default() -> Self {
        Self::new(ClientSpan::new())
    }
}

#[async_trait::async_trait]
impl Middleware for ReqwestSpan {
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
        // A response of reqwest's remembers its URL, which no header tells.
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

impl fmt::Debug for ReqwestSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReqwestSpan").finish_non_exhaustive()
    }
}

/// Where the response came from, after all redirects.
#[derive(Clone)]
struct Target(Url);

/// What the span is made of; its headers are the request's own, on their way there and back.
fn head(request: &mut Request) -> http::Request<()> {
    let mut head = http::Request::new(());
    *head.method_mut() = request.method().clone();
    *head.headers_mut() = std::mem::replace(request.headers_mut(), HeaderMap::new());
    // A URL that is no URI, which has yet to be seen, leaves the span without an address.
    *head.uri_mut() = request.url().as_str().parse().unwrap_or_default();
    head
}
