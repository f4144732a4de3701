//! An observer that writes down what happens to it.

#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part of it")]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response, request, response};
use http_body::Body;
use obs_context::Route;
use obs_http::{End, Exchange, Observe, ObserveLayer, unrouted};
use tower::{Layer, ServiceExt, service_fn};

/// Writes down what happens to it.
#[derive(Clone, Default)]
pub(crate) struct Diary {
    pub(crate) name: &'static str,
    pub(crate) entries: Arc<Mutex<Vec<String>>>,
    pub(crate) ends: Arc<Mutex<Vec<End>>>,
}

impl Diary {
    pub(crate) fn note(&self, what: &str) {
        self.entries.lock().unwrap().push(format!("{}{what}", self.name));
    }

    pub(crate) fn the_end(&self) -> End {
        let ends = self.ends.lock().unwrap();
        assert_eq!(ends.len(), 1, "ended exactly once");
        ends[0].clone()
    }
}

pub(crate) struct Noted(pub(crate) Diary);
pub(crate) struct Left<'a>(&'a Diary);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        self.0.note(" left");
    }
}

impl Observe for Diary {
    type Exchange = Noted;

    fn begin(&self, _: &mut request::Parts, _: Option<Route>) -> Noted {
        self.note(" begun");
        Noted(self.clone())
    }
}

impl Exchange for Noted {
    type Entered<'a> = Left<'a>;

    fn enter(&self) -> Left<'_> {
        self.0.note(" entered");
        Left(&self.0)
    }

    fn response(&mut self, _: &mut response::Parts) {
        self.0.note(" response");
    }

    fn end(self, end: &End) {
        self.0.note(" ended");
        self.0.ends.lock().unwrap().push(end.clone());
    }
}

pub(crate) fn get() -> Request<()> {
    Request::builder().uri("/orders/7").body(()).unwrap()
}

pub(crate) async fn answer<B: Body + Send + 'static>(
    diary: &Diary,
    response: Response<B>,
) -> Response<impl Body>
where
    B::Data: Send,
{
    let response = Mutex::new(Some(response));
    let inner = service_fn(move |_: Request<()>| {
        let response = response.lock().unwrap().take().unwrap();
        async move { Ok::<_, Infallible>(response) }
    });
    ObserveLayer::new(diary.clone(), unrouted).layer(inner).oneshot(get()).await.unwrap()
}

/// Of gRPC.
pub(crate) fn call() -> Request<()> {
    let request =
        Request::post("/shop.Orders/Get").header("content-type", "application/grpc+proto");
    request.body(()).unwrap()
}
