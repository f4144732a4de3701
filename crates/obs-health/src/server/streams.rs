//! The HTTP/2 streams of a server, each a task: one whose peer takes nothing of its answer is reset, and
//! the others of its connection go on.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::time::Sleep;

use crate::counts::StreamReset;
use crate::health::Health;
use crate::server::limits::ServerLimits;
use crate::server::parts::{WaitsFor, track_body_poll};

/// Spawns them.
#[derive(Clone)]
pub(crate) struct Streams {
    pub(crate) limits: Arc<ServerLimits>,
    pub(crate) health: Health,
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
{
    fn execute(&self, future: F) {
        let stream = Stream { future: Some(future), streams: self.clone(), timer: None };
        tokio::spawn(stream);
    }
}

pin_project! {
    struct Stream<F> {
        #[pin]
        future: Option<F>,
        streams: Streams,
        // Runs while the peer is waited for.
        timer: Option<Pin<Box<Sleep>>>,
    }
}

impl<F: Future> Future for Stream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Ready(()) };
        let (polled, waits_for) = track_body_poll(|| future.poll(context));
        if polled.is_ready() {
            return Poll::Ready(());
        }
        match waits_for {
            None => {}
            Some(WaitsFor::Application) => *this.timer = None,
            Some(WaitsFor::Peer(bytes)) => {
                let limit = time_to_take(&this.streams.limits, bytes);
                *this.timer = Some(Box::pin(tokio::time::sleep(limit)));
            }
        }
        let Some(timer) = this.timer else { return Poll::Pending };
        ready!(timer.as_mut().poll(context));
        // Its drop resets the stream.
        this.future.set(None);
        this.streams.health.server_counts().stream_reset(StreamReset::Write);
        Poll::Ready(())
    }
}

fn time_to_take(limits: &ServerLimits, bytes: usize) -> Duration {
    let seconds = bytes as u64 / u64::from(limits.min_write_rate.max(1));
    limits.write_timeout.saturating_add(Duration::from_secs(seconds))
}
