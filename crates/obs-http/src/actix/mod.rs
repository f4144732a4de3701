//! actix-web's requests and responses, which are neither `http`'s of today nor `Send`.

mod body;
mod head;

use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::error::InternalError;
use actix_web::{Error, HttpResponse, http::StatusCode};

use crate::{Observe, ObserveLayer, unrouted};
use head::Rest;

pub use body::ActixBody;

/// Watches every exchange of an actix-web application (feature `actix`): `App::new().wrap(middleware)`, as the
/// last `wrap`, which is the outermost.
///
/// The route is what [`HttpRequest::match_pattern`](actix_web::HttpRequest::match_pattern) answers, unless the response's extensions have a
/// [`Route`](obs_context::Route). A panic of the handler is answered with 500, whereas actix-web would close the
/// connection. The error that a handler returned for a 5xx is logged.
#[derive(Clone)]
pub struct ObserveActix<O>(ObserveLayer<O>);

impl<O: Observe> ObserveActix<O> {
    /// With this observer.
    pub fn new(observer: O) -> Self {
        Self(ObserveLayer::new(observer, unrouted).catch_panics())
    }
}

impl<S, B, O> Transform<S, ServiceRequest> for ObserveActix<O>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
    O: Observe,
{
    type Response = ServiceResponse<ActixBody<B, O::Exchange>>;
    type Error = Error;
    type Transform = ObservedActix<S, O>;
    type InitError = ();
    type Future = std::future::Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        std::future::ready(Ok(ObservedActix { service, layer: self.0.clone() }))
    }
}

/// A service whose exchanges are watched: made by [`ObserveActix`].
pub struct ObservedActix<S, O> {
    service: S,
    layer: ObserveLayer<O>,
}

impl<S, B, O> Service<ServiceRequest> for ObservedActix<S, O>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
    O: Observe,
{
    type Response = ServiceResponse<ActixBody<B, O::Exchange>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(context)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let rest: Rc<RefCell<Option<Rest>>> = Rc::default();
        let put = Rc::clone(&rest);
        let observed = self.layer.observe(head::of_request(&request), |_| {
            let answer = self.service.call(request);
            async move {
                let answer = answer.await;
                log_error(&answer);
                let (response, is) = match answer {
                    Ok(response) => head::of_response(response),
                    Err(error) => (head::of_error(&error), Err(error)),
                };
                *put.borrow_mut() = Some(is);
                Ok::<_, Error>(response)
            }
        });
        Box::pin(async move {
            let (head, body) = observed.await?.into_parts();
            let rest = rest.take();
            match rest {
                Some(Ok((request, mut response))) => {
                    head::add_headers(response.headers_mut(), &head);
                    let body = ActixBody::new(body);
                    Ok(ServiceResponse::new(request, response.set_body(body)))
                }
                Some(Err(error)) => {
                    drop(body);
                    let mut response = error.error_response();
                    head::add_headers(response.headers_mut(), &head);
                    Err(InternalError::from_response(error, response).into())
                }
                // The handler panicked.
                None => {
                    let mut response = HttpResponse::new(StatusCode::INTERNAL_SERVER_ERROR);
                    head::add_headers(response.headers_mut(), &head);
                    Err(InternalError::from_response("the handler panicked", response).into())
                }
            }
        })
    }
}

/// actix-web keeps the error that a handler returned, and shows it to nobody.
fn log_error<B>(answer: &Result<ServiceResponse<B>, Error>) {
    let error = match answer {
        Ok(response) => response.response().error(),
        Err(error) => Some(error),
    };
    let error = error.filter(|error| error.as_response_error().status_code().is_server_error());
    if let Some(error) = error {
        tracing::error!(error = %error, details = ?error, "request failed");
    }
}

impl<O> fmt::Debug for ObserveActix<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ObserveActix").finish_non_exhaustive()
    }
}

impl<S, O> fmt::Debug for ObservedActix<S, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObservedActix").finish_non_exhaustive()
    }
}
