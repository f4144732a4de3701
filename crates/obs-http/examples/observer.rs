//! An observer that prints each exchange once it is over, whatever its end.
//!
//! `cargo run -p obs-http --all-features --example observer`

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use std::convert::Infallible;

use http::{Request, Response, StatusCode, request};
use http_body_util::{BodyExt, Full};
use obs_context::Route;
use obs_http::{End, Exchange, Observe, ObserveLayer, unrouted};
use tower::{Layer, ServiceExt, service_fn};

#[derive(Clone)]
struct Print;

struct Printing;

impl Observe for Print {
    type Exchange = Printing;

    fn begin(&self, _request: &mut request::Parts, _route: Option<Route>) -> Printing {
        Printing
    }
}

impl Exchange for Printing {
    type Entered<'a> = ();

    fn enter(&self) {}

    fn end(self, end: &End) {
        println!("{} {} {}", end.method, end.route, end.outcome.as_str());
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let handler = service_fn(async |request: Request<Full<&'static [u8]>>| {
        let mut response = Response::new(Full::new(&b"hello"[..]));
        if request.uri().path() == "/missing" {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        Ok::<_, Infallible>(response)
    });
    let service = ObserveLayer::new(Print, unrouted).catch_panics().layer(handler);
    for path in ["/orders", "/missing"] {
        let request = Request::get(path).body(Full::default())?;
        // It is over with the last byte of its body, not with its head.
        let body = service.clone().oneshot(request).await?.into_body().collect().await?;
        println!("{} bytes", body.to_bytes().len());
    }
    Ok(())
}
