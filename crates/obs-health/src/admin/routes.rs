//! From a path to its answer.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};

use crate::Health;
use crate::admin::access::Access;

type Answer = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

struct Route {
    protected: bool,
    handler: Arc<dyn Fn(Request<Bytes>) -> Answer + Send + Sync>,
}

pub(crate) struct Routes {
    health: Health,
    added: BTreeMap<&'static str, Route>,
}

impl Routes {
    pub(crate) fn new(health: Health) -> Self {
        Self { health, added: BTreeMap::new() }
    }

    pub(crate) fn add<Handler, Future>(
        &mut self,
        path: &'static str,
        protected: bool,
        handler: Handler,
    ) where
        Handler: Fn(Request<Bytes>) -> Future + Send + Sync + 'static,
        Future: std::future::Future<Output = Response<Bytes>> + Send + 'static,
    {
        let handler = Arc::new(move |request| Box::pin(handler(request)) as Answer);
        self.added.insert(path, Route { protected, handler });
    }

    pub(crate) async fn answer(&self, request: Request<Bytes>, access: &Access) -> Response<Bytes> {
        let (head, body) = request.into_parts();
        if !access.allows_host(&head) {
            return text(StatusCode::FORBIDDEN, "the Host header names no loopback address\n");
        }
        if let Some(probe) = self.health.answer(&head).await {
            return probe;
        }
        if head.uri.path() == "/" {
            return text(
                StatusCode::OK,
                self.index(access.refuses_protected(&head.headers).is_none()),
            );
        }
        let Some(route) = self.added.get(head.uri.path()) else { return not_found() };
        if route.protected {
            match access.refuses_protected(&head.headers) {
                None => {}
                Some(StatusCode::UNAUTHORIZED) => return unauthorized(),
                Some(_) => return not_found(),
            }
        }
        (route.handler)(Request::from_parts(head, body)).await
    }

    fn index(&self, with_protected: bool) -> String {
        let mut paths = vec!["/healthz", "/readyz", "/startupz"];
        let listed = self.added.iter().filter(|(_, route)| with_protected || !route.protected);
        paths.extend(listed.map(|(path, _)| *path));
        paths.join("\n") + "\n"
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.added.keys()).finish()
    }
}

pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

fn not_found() -> Response<Bytes> {
    text(StatusCode::NOT_FOUND, "not here: GET / lists what is\n")
}

fn unauthorized() -> Response<Bytes> {
    let mut response =
        text(StatusCode::UNAUTHORIZED, "send Authorization: Bearer with the admin token\n");
    let challenge = HeaderValue::from_static("Bearer");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}
