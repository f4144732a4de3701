//! The routes: from a path to its answer.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode, request};

use crate::admin::access::Access;
use crate::admin::body::AnswerBody;
use crate::admin::handlers::{Answer, Handler, Handlers};
use crate::admin::response::{busy, not_found, text, unauthorized};
use crate::health::Health;

struct Route {
    protected: bool,
    handler: Handler,
}

pub(crate) struct Routes {
    health: Health,
    added: BTreeMap<&'static str, Route>,
    handlers: Handlers,
}

impl Routes {
    pub(crate) fn new(health: Health) -> Self {
        Self { health, added: BTreeMap::new(), handlers: Handlers::new() }
    }

    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    pub(crate) fn add<Handle, Future>(
        &mut self,
        path: &'static str,
        protected: bool,
        handler: Handle,
    ) where
        Handle: Fn(Request<Bytes>) -> Future + Send + Sync + 'static,
        Future: std::future::Future<Output = Response<Bytes>> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |request| Box::pin(handler(request)) as Answer);
        self.added.insert(path, Route { protected, handler });
    }

    /// Probes are answered here, from what is known; what was added runs elsewhere.
    pub(crate) async fn answer(
        &self,
        request: Request<Bytes>,
        access: &Access,
    ) -> Response<AnswerBody> {
        let (head, body) = request.into_parts();
        let answer = match self.answer_here(&head, access).await {
            Ok(answer) => answer,
            Err(handler) => {
                let request = Request::from_parts(head, body);
                match self.handlers.run(handler, request).await {
                    Some(answer) => return answer,
                    None => {
                        self.health.admin_counts().rejected();
                        busy()
                    }
                }
            }
        };
        answer.map(AnswerBody::new)
    }

    async fn answer_here(
        &self,
        head: &request::Parts,
        access: &Access,
    ) -> Result<Response<Bytes>, Handler> {
        if !access.allows_host(head) {
            return Ok(text(StatusCode::FORBIDDEN, "the Host header names no loopback address\n"));
        }
        if let Some(probe) = self.health.answer(head).await {
            return Ok(probe);
        }
        let refusal = access.refuses_protected(&head.headers);
        if head.uri.path() == "/" {
            return Ok(text(StatusCode::OK, self.index(refusal.is_none())));
        }
        let Some(route) = self.added.get(head.uri.path()) else { return Ok(not_found()) };
        match refusal.filter(|_| route.protected) {
            None => Err(Arc::clone(&route.handler)),
            Some(StatusCode::UNAUTHORIZED) => Ok(unauthorized()),
            Some(_) => Ok(not_found()),
        }
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
