//! The thread that writes what waits in the shards.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::merge::Batch;
use super::state::{QueueState, while_writing};

/// How often the worker polls the shards while lines come: logging threads need not wake it then.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// After this many polls without a line it parks until it is woken.
const MAX_IDLE_POLLS: u32 = 5;

/// How long it stays parked at most.
const PARK_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) fn start(shared: Arc<QueueState>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new()
        .name("obs-log-writer".to_owned())
        .spawn(move || while_writing(|| run(&shared)))
}

fn run(shared: &QueueState) {
    let mut batch = Batch::default();
    let mut idle = 0;
    loop {
        let is_ending = shared.is_ending();
        if is_ending {
            shared.end(); // before the last pass: nothing comes after what it finds
        }
        let requested = shared.flushes_requested();
        shared.waker.is_urgent.store(false, Ordering::SeqCst);
        let found = drain_shards(shared, &mut batch);
        shared.complete_flushes(requested, is_ending);
        if is_ending {
            return;
        }
        idle = if found { 0 } else { idle + 1 };
        park(shared, idle);
    }
}

/// Writes what every shard holds at this moment; answers whether there was anything.
fn drain_shards(shared: &QueueState, batch: &mut Batch) -> bool {
    let mut target = shared.target.lock().unwrap_or_else(PoisonError::into_inner);
    let found = batch.take(&shared.shards);
    let mut is_well = true;
    batch.write(|bytes, ends| is_well = target.write(bytes, ends, &shared.tally));
    if found && is_well {
        let dropped = shared.dropped_lines() + shared.tally.dropped();
        target.report_losses(dropped, &shared.tally);
    }
    if found {
        target.flush(&shared.tally);
    }
    found
}

fn park(shared: &QueueState, idle: u32) {
    let waker = &shared.waker;
    if idle < MAX_IDLE_POLLS {
        if !waker.is_urgent.load(Ordering::SeqCst) {
            thread::park_timeout(POLL_INTERVAL);
        }
        return;
    }
    waker.is_parked.store(true, Ordering::SeqCst);
    let is_empty = shared.shards.iter().all(|shard| shard.lock().ends.is_empty());
    if is_empty && !waker.is_urgent.load(Ordering::SeqCst) && !shared.is_ending() {
        thread::park_timeout(PARK_TIMEOUT);
    }
    waker.is_parked.store(false, Ordering::SeqCst);
}
