//! Traffic.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Builder, ScopedJoinHandle, scope};

use crate::demo::fleet::Fleet;
use crate::error::Failure;

/// What became of a batch of requests that were in flight together.
pub(crate) struct Batch {
    /// Ids of the requests that were answered 200, in no order.
    pub(crate) answered: Vec<String>,
    /// What became of the others.
    pub(crate) failures: Vec<String>,
}

/// Ordinary traffic, so that nothing that follows is a first time.
pub(crate) fn warm_up(fleet: &Fleet) -> Result<(), Failure> {
    for number in 0..20 {
        let order = format!("{}/orders/warm-{number}", fleet.gateway());
        fleet.http.send("POST", &order, &[], "")?;
        fleet.http.get(&order)?;
    }
    fleet.http.get(&format!("{}/slow/30", fleet.gateway()))?;
    Ok(())
}

/// Sends `count` requests at once, each held open for `ms` by the last service; `when_all_sent` is called
/// once every one of them has been written.
pub(crate) fn in_flight(
    fleet: &Fleet,
    count: usize,
    ms: u64,
    when_all_sent: impl FnOnce() + Send,
) -> Batch {
    let url = format!("{}/slow/{ms}", fleet.gateway());
    let sent = Barrier::new(count + 1);
    let started = AtomicUsize::new(0);
    let (url, sent, started, http) = (&url, &sent, &started, &fleet.http);
    let results: Vec<Result<String, String>> = scope(|threads| {
        let request = move || {
            let number = started.fetch_add(1, Ordering::Relaxed);
            let id = format!("load-{number}");
            sent.wait();
            match http.send("GET", url, &[("x-request-id", &id)], "") {
                Ok(answer) if answer.status == 200 => Ok(id),
                Ok(answer) => Err(format!("{id}: {}", answer.status)),
                Err(failure) => Err(format!("{id}: {failure}")),
            }
        };
        let requests: Vec<_> = (0..count)
            .map(|_| Builder::new().stack_size(256 * 1024).spawn_scoped(threads, request))
            .collect();
        sent.wait();
        when_all_sent();
        let joined =
            requests.into_iter().map(|request| match request.map(ScopedJoinHandle::join) {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => Err("a client thread panicked".to_owned()),
                Err(error) => Err(error.to_string()),
            });
        joined.collect()
    });
    let mut batch = Batch { answered: Vec::new(), failures: Vec::new() };
    for result in results {
        match result {
            Ok(id) => batch.answered.push(id),
            Err(failure) => batch.failures.push(failure),
        }
    }
    batch
}
