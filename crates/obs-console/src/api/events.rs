//! Server-sent events about changes.

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

use super::answer::{Answer, Rejection};
use crate::store::{Revision, Store};

/// The shortest time between two messages.
const CHANGE_INTERVAL: Duration = Duration::from_millis(250);
/// After this time without a change a comment is sent, which keeps the connection alive.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// A listener with this many unread messages is dropped.
const LISTENER_CAPACITY: usize = 8;
const MAX_LISTENERS: usize = 16;

/// The listeners.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    store: Arc<Store>,
    permits: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

impl Events {
    pub(crate) fn new(store: Arc<Store>, stop: watch::Receiver<bool>) -> Self {
        Self { store, permits: Arc::new(Semaphore::new(MAX_LISTENERS)), stop }
    }

    pub(super) fn listen(&self) -> Answer {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            let reason = "16 pages listen already: close one of them";
            return Err(Rejection::new(StatusCode::SERVICE_UNAVAILABLE, reason));
        };
        let (sender, body) = Channel::<Bytes, Infallible>::new(LISTENER_CAPACITY);
        tokio::spawn(send_changes(Arc::clone(&self.store), sender, permit, self.stop.clone()));
        let mut response = Response::new(body.boxed_unsync());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Ok(response)
    }
}

/// Sends changes until the console stops, or the listener is gone or too slow.
async fn send_changes(
    store: Arc<Store>,
    mut sender: Sender<Bytes, Infallible>,
    _permit: OwnedSemaphorePermit,
    mut stop: watch::Receiver<bool>,
) {
    let mut ticks = tokio::time::interval(CHANGE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sent: Option<Revision> = None;
    let mut last = Instant::now();
    loop {
        tokio::select! {
            _ = stop.wait_for(|stopped| *stopped) => return,
            _ = ticks.tick() => {}
        }
        let now = store.revision();
        let message = if sent != Some(now) {
            let data = serde_json::to_string(&now).unwrap_or_default();
            format!("event: change\ndata: {data}\n\n")
        } else if last.elapsed() >= KEEP_ALIVE_INTERVAL {
            String::from(": nothing new\n\n")
        } else {
            continue;
        };
        if sender.try_send(Frame::data(message.into())).is_err() {
            return;
        }
        (sent, last) = (Some(now), Instant::now());
    }
}
