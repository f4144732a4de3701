//! This process's stacks, for the watchdog's report.

use obs_profiling::{Method, dump};

/// Of the threads that wait: a process cannot stop its own, and those that run are listed as such.
pub(crate) fn of_this_process() -> String {
    let Ok(pid) = i32::try_from(std::process::id()) else { return String::new() };
    match dump(pid, Method::Nonstop) {
        Ok(dump) => dump.to_string(),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_thread_that_waits_is_shown_with_its_functions() {
        let (done, waits) = mpsc::channel::<()>();
        let waiter = std::thread::Builder::new().name("wedged-worker".into());
        let waiter = waiter.spawn(move || wait_on(&waits)).expect("a thread");
        // Until it waits: the kernel tells where only then.
        let shown = std::iter::repeat_with(of_this_process).take(20).find(|text| {
            let thread = text.split("Thread ").find(|thread| thread.contains("wedged-worker"));
            thread.is_some_and(|thread| thread.contains("wait_on"))
        });
        drop(done);
        waiter.join().expect("it ends");
        assert!(shown.is_some(), "{}", of_this_process());
    }

    #[inline(never)]
    fn wait_on(waits: &mpsc::Receiver<()>) {
        let _ = waits.recv();
    }
}
