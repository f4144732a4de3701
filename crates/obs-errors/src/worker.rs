//! The thread that resolves stacks and calls the sink.

use std::io;
use std::sync::Arc;
use std::thread;

use obs_guard::Place;

use crate::captured::CapturedError;
use crate::queue::Queue;
use crate::report::Report;
use crate::scrub::Scrubber;
use crate::sink::{Loss, Outcome, Sink};
use crate::source::SourceCache;

static SINK: Place = Place::new("errors.sink");
static BEFORE_SEND: Place = Place::new("errors.before_send");

/// Changes a report before it is sent; `false` discards it.
pub(crate) type BeforeSend = Box<dyn FnMut(&mut Report) -> bool + Send>;

pub(crate) struct Worker {
    pub(crate) queue: Arc<Queue>,
    pub(crate) sink: Box<dyn Sink>,
    pub(crate) scrub: Scrubber,
    pub(crate) in_app: Vec<String>,
    pub(crate) before_send: Option<BeforeSend>,
}

impl Worker {
    pub(crate) fn start(mut self) -> io::Result<()> {
        let run = move || {
            let mut sources = SourceCache::default();
            while let Some(captured) = self.queue.next() {
                let outcome = self.deliver(captured, &mut sources);
                self.queue.settle(outcome);
            }
        };
        thread::Builder::new().name("obs-errors".to_owned()).spawn(run).map(drop)
    }

    fn deliver(&mut self, captured: CapturedError, sources: &mut SourceCache) -> Outcome {
        let mut report = captured.into_report(sources, &self.scrub, &self.in_app);
        if let Some(before_send) = &mut self.before_send
            && BEFORE_SEND.call(|| before_send(&mut report)) != Some(true)
        {
            return Outcome::Lost(Loss::Discarded);
        }
        let sink = &mut self.sink;
        SINK.call(|| sink.send(&report)).unwrap_or(Outcome::Lost(Loss::Discarded))
    }
}
