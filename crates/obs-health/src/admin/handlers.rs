//! Runs the routes that were added: each on a thread of its own, a bounded number at once.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use obs_guard::Place;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::admin::body::AnswerBody;
use crate::admin::response::text;

/// Handlers at once, until their answers are nearly written. A scrape, a profile and a few people.
pub(crate) const MAX_HANDLERS: usize = 16;

static HANDLER: Place = Place::new("health.admin_handler");

pub(crate) type Answer = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;
pub(crate) type Handler = Arc<dyn Fn(Request<Bytes>) -> Answer + Send + Sync>;

#[derive(Debug)]
pub(crate) struct Handlers {
    places: Arc<Semaphore>,
}

impl Handlers {
    pub(crate) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(MAX_HANDLERS)) }
    }

    /// `None` when every place is taken.
    pub(crate) async fn run(
        &self,
        handler: Handler,
        request: Request<Bytes>,
    ) -> Option<Response<AnswerBody>> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let runtime = Handle::current();
        // The place goes with the handler, which may block for longer than its client waits.
        let running = tokio::task::spawn_blocking(move || {
            let answer = HANDLER.call(|| runtime.block_on(handler(request)));
            (answer, place)
        });
        Some(match running.await {
            Ok((Some(answer), place)) => with_place(answer, place),
            Ok((None, _)) | Err(_) => {
                let panicked = "the handler of this path panicked\n";
                text(StatusCode::INTERNAL_SERVER_ERROR, panicked).map(AnswerBody::new)
            }
        })
    }
}

fn with_place(answer: Response<Bytes>, place: OwnedSemaphorePermit) -> Response<AnswerBody> {
    answer.map(|body| AnswerBody::new(body).holding(place))
}
