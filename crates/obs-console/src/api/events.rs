//! What is new, told as it happens: server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::answer::{Answer, Refusal};
use crate::store::{Revision, Store};

/// Changes are told no more often than this.
const INTERVAL: Duration = Duration::from_millis(250);
/// After so long without a change a comment is sent, so that whoever listens knows that we are here.
const QUIET: Duration = Duration::from_secs(15);
/// A listener that has not taken so many messages is dropped.
const BEHIND: usize = 8;
const LISTENERS: usize = 16;

/// Who listens.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    store: Arc<Store>,
    places: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

impl Events {
    pub(crate) fn new(store: Arc<Store>, stop: watch::Receiver<bool>) -> Self {
        Self { store, places: Arc::new(Semaphore::new(LISTENERS)), stop }
    }

    pub(super) fn listen(&self) -> Answer {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let reason = "16 pages listen already: close one of them";
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason));
        };
        let (sender, body) = Channel::<Bytes, Infallible>::new(BEHIND);
        tokio::spawn(tell(Arc::clone(&self.store), sender, place, self.stop.clone()));
        let mut response = Response::new(body.boxed_unsync());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Ok(response)
    }
}

/// Ends with the console, and when the listener is gone or has fallen behind.
async fn tell(
    store: Arc<Store>,
    mut sender: Sender<Bytes, Infallible>,
    _place: OwnedSemaphorePermit,
    mut stop: watch::Receiver<bool>,
) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told: Option<Revision> = None;
    let mut last = Instant::now();
    loop {
        tokio::select! {
            _ = stop.wait_for(|stopped| *stopped) => return,
            _ = ticks.tick() => {}
        }
        let now = store.revision();
        let message = if told != Some(now) {
            let data = serde_json::to_string(&now).unwrap_or_default();
            format!("event: change\ndata: {data}\n\n")
        } else if last.elapsed() >= QUIET {
            String::from(": nothing new\n\n")
        } else {
            continue;
        };
        if sender.try_send(Frame::data(message.into())).is_err() {
            return;
        }
        (told, last) = (Some(now), Instant::now());
    }
}
