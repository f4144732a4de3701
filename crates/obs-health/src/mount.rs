//! The probes on a listener of the application.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{Either, Full};
use tower_layer::Layer;
use tower_service::Service;

use crate::health::Health;

impl Health {
    /// A layer that answers `/healthz`, `/readyz` and `/startupz` before the application does. Put it
    /// outside of what logs and measures requests: probes are not traffic.
    ///
    /// A wedged runtime cannot answer here; the admin server, on its own thread, can.
    pub fn probe_layer(&self) -> ProbeLayer {
        ProbeLayer { health: self.clone() }
    }
}

/// Mounts the probes: made by [`Health::probe_layer`].
#[derive(Clone, Debug)]
pub struct ProbeLayer {
    health: Health,
}

impl<App> Layer<App> for ProbeLayer {
    type Service = ProbeService<App>;

    fn layer(&self, app: App) -> ProbeService<App> {
        ProbeService { app, health: self.health.clone() }
    }
}

/// An application with the probes mounted: made by [`ProbeLayer`].
#[derive(Clone, Debug)]
pub struct ProbeService<App> {
    app: App,
    health: Health,
}

impl<App, In, Out> Service<Request<In>> for ProbeService<App>
where
    App: Service<Request<In>, Response = Response<Out>>,
    App::Future: Send + 'static,
    In: Send + 'static,
    Out: Body<Data = Bytes>,
{
    type Response = Response<Either<Out, Full<Bytes>>>;
    type Error = App::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, App::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), App::Error>> {
        self.app.poll_ready(context)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        if matches!(request.uri().path(), "/healthz" | "/readyz" | "/startupz") {
            let (health, head) = (self.health.clone(), request.into_parts().0);
            return Box::pin(async move {
                let answer = health.answer(&head).await.unwrap_or_default();
                Ok(answer.map(|body| Either::Right(Full::new(body))))
            });
        }
        let answer = self.app.call(request);
        Box::pin(async move { Ok(answer.await?.map(Either::Left)) })
    }
}
