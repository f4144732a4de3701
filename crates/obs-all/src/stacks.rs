//! This process's stacks, for the watchdog's report.

use obs_profiling::dump_own;

/// Of all threads: a wedged worker may wait for ever, or run for ever.
pub(crate) fn of_this_process() -> String {
    match dump_own() {
        Ok(dump) => dump.to_string(),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::sync::mpsc;
    use std::thread::Builder;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn waiting_thread_is_shown_with_functions() {
        let (done, waits) = mpsc::channel::<()>();
        let waiter = Builder::new().name("waiting-worker".into());
        let waiter = waiter.spawn(move || wait_on(&waits)).expect("a thread");
        let shown = is_shown("waiting-worker", "wait_on");
        drop(done);
        waiter.join().expect("it ends");
        assert!(shown, "{}", of_this_process());
    }

    #[test]
    fn busy_thread_is_shown_with_functions() {
        static ENDS: AtomicBool = AtomicBool::new(false);
        let runner = Builder::new().name("running-worker".into());
        let runner = runner.spawn(|| run_until(&ENDS)).expect("a thread");
        let shown = is_shown("running-worker", "run_until");
        ENDS.store(true, Relaxed);
        runner.join().expect("it ends");
        assert!(shown, "{}", of_this_process());
    }

    /// Sooner or later: it may not have come so far yet.
    fn is_shown(thread: &str, function: &str) -> bool {
        let end = Instant::now() + Duration::from_secs(60);
        std::iter::repeat_with(of_this_process).take_while(|_| Instant::now() < end).any(|text| {
            let shown = text.split("Thread ").find(|shown| shown.contains(thread));
            shown.is_some_and(|shown| shown.contains(function))
        })
    }

    #[inline(never)]
    fn wait_on(waits: &mpsc::Receiver<()>) {
        let _ = waits.recv();
    }

    #[inline(never)]
    fn run_until(ends: &AtomicBool) {
        while !ends.load(Relaxed) {
            black_box(ends);
        }
    }
}
