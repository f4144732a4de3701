//! A peer must go on reading.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use crate::pace::{Pace, WaitBudget};
use crate::watched::{INSERTED_LENGTH, Reads, Writes};

/// Fails a write whose peer is too far behind.
#[derive(Debug)]
pub(crate) struct WriteLimit {
    pace: Pace,
    watch: WriteWatch,
}

/// What a [`WriteLimit`] shares with its owner.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteWatch(Arc<AtomicU8>);

/// Zero: neither.
const DISABLED: u8 = 1;
const EXPIRED: u8 = 2;

impl WriteWatch {
    /// Whether the peer was given up.
    pub(crate) fn is_expired(&self) -> bool {
        self.0.load(Ordering::Acquire) == EXPIRED
    }

    /// Lets writes wait for ever: the stream carries HTTP no more.
    pub(crate) fn disable(&self) {
        self.0.store(DISABLED, Ordering::Release);
    }
}

impl WriteLimit {
    pub(crate) fn new(budget: WaitBudget) -> Self {
        Self { pace: Pace::new(budget), watch: WriteWatch::default() }
    }

    pub(crate) fn watch(&self) -> WriteWatch {
        self.watch.clone()
    }
}

impl Writes for WriteLimit {
    fn check(&mut self, _: &mut Context<'_>) -> io::Result<()> {
        Ok(())
    }

    fn sent(&mut self, _: &[u8]) {}

    fn wrote(&mut self, bytes: usize) {
        self.pace.progress(bytes);
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if self.watch.0.load(Ordering::Acquire) == DISABLED {
            self.pace.reset();
            return Poll::Pending;
        }
        ready!(self.pace.wait(context));
        self.watch.0.store(EXPIRED, Ordering::Release);
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read"))
    }
}

/// No limit for what is read.
impl Reads for () {
    fn check(&mut self, _: &mut Context<'_>) -> io::Result<()> {
        Ok(())
    }

    fn read(&mut self, _: &[u8]) {}

    fn inserted(&mut self) -> Option<[u8; INSERTED_LENGTH]> {
        None
    }

    fn wait(&mut self, _: &mut Context<'_>) -> Poll<io::Error> {
        Poll::Pending
    }
}
