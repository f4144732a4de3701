//! The thread that writes what waits in the shards.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use super::merge::Batch;
use super::queue::{Shared, while_writing};

/// While lines come, the worker looks for them so often, and nobody needs to wake it.
const NAP: Duration = Duration::from_millis(4);

/// After so many naps without a line it sleeps until it is woken.
const NAPS: u32 = 25;

/// How long it sleeps at most.
const SLEEP: Duration = Duration::from_secs(1);

/// What wakes the worker: at a price only when it sleeps, or when it must hurry.
#[derive(Default)]
pub(super) struct Bell {
    sleeps: AtomicBool,
    is_urgent: AtomicBool,
    worker: OnceLock<Thread>,
}

impl Bell {
    pub(super) fn is_for(&self, worker: Thread) {
        let _ = self.worker.set(worker);
    }

    /// Wakes the worker if it sleeps, and from a nap if it is urgent.
    #[inline]
    pub(super) fn ring(&self, is_urgent: bool) {
        if is_urgent && !self.is_urgent.swap(true, Ordering::SeqCst) {
            return self.wake();
        }
        if self.sleeps.load(Ordering::SeqCst) && self.sleeps.swap(false, Ordering::SeqCst) {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        if let Some(worker) = self.worker.get() {
            worker.unpark();
        }
    }
}

pub(super) fn start(shared: Arc<Shared>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new()
        .name("obs-log-writer".to_owned())
        .spawn(move || while_writing(|| run(&shared)))
}

fn run(shared: &Shared) {
    let mut batch = Batch::default();
    let mut idle = 0;
    loop {
        let is_ending = shared.is_ending();
        if is_ending {
            shared.end(); // before the last pass: nothing comes after what it finds
        }
        let asked = shared.flushes_asked();
        shared.bell.is_urgent.store(false, Ordering::SeqCst);
        let found = pass(shared, &mut batch);
        shared.answer_flushes(asked, is_ending);
        if is_ending {
            return;
        }
        idle = if found { 0 } else { idle + 1 };
        rest(shared, idle);
    }
}

/// Writes what every shard holds at this moment; answers whether there was anything.
fn pass(shared: &Shared, batch: &mut Batch) -> bool {
    let mut target = shared.target.lock().unwrap_or_else(PoisonError::into_inner);
    let found = batch.take(&shared.shards);
    let mut is_well = true;
    batch.write(|bytes, ends| is_well = target.write(bytes, ends, &shared.tally));
    if found && is_well {
        let dropped = shared.refused() + shared.tally.dropped();
        target.tell_of_losses(dropped, &shared.tally);
    }
    if found {
        target.flush(&shared.tally);
    }
    found
}

fn rest(shared: &Shared, idle: u32) {
    let bell = &shared.bell;
    if idle < NAPS {
        if !bell.is_urgent.load(Ordering::SeqCst) {
            thread::park_timeout(NAP);
        }
        return;
    }
    bell.sleeps.store(true, Ordering::SeqCst);
    let is_empty = shared.shards.iter().all(|shard| shard.lock().ends.is_empty());
    if is_empty && !bell.is_urgent.load(Ordering::SeqCst) && !shared.is_ending() {
        thread::park_timeout(SLEEP);
    }
    bell.sleeps.store(false, Ordering::SeqCst);
}
