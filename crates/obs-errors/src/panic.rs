//! Panics.

use std::cell::Cell;
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use obs_guard::{panic_message, truncated};

use crate::core::{Core, ErrorOccurrence, StackSource};
use crate::current::with_current_id;
use crate::details::ErrorDetails;
use crate::place::PlaceKey;
use crate::report::{Cause, Kind};

/// How long a process that is about to end waits for its last report.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

thread_local! {
    /// Whether this thread is in the hook: a panic there is not captured.
    static IN_HOOK: Cell<bool> = const { Cell::new(false) };
}

pub(crate) fn install(core: &Arc<Core>) {
    core.has_panic_hook.store(true, Relaxed);
    let weak = Arc::downgrade(core);
    let earlier = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let entered = IN_HOOK.try_with(|inside| !inside.replace(true)).unwrap_or(false);
        let core = weak.upgrade().filter(|_| entered);
        let id = core.as_ref().and_then(|core| capture(core, panic));
        with_current_id(id, || earlier(panic));
        if let Some(queue) = core.as_ref().and_then(|core| core.queue.as_ref())
            && is_fatal(panic)
        {
            queue.flush(FLUSH_TIMEOUT);
        }
        if entered {
            let _gone_with_its_thread = IN_HOOK.try_with(|inside| inside.set(false));
        }
    }));
}

fn capture(core: &Core, panic: &PanicHookInfo<'_>) -> Option<crate::ErrorId> {
    let message = panic_message(panic.payload()).unwrap_or("the panic's payload is no text");
    let message = truncated(message, 8 * 1024).to_owned();
    let details = ErrorDetails {
        chain: vec![Cause { kind: "panic".to_owned(), message }],
        ..ErrorDetails::default()
    };
    let (file, line) =
        panic.location().map_or(("<unknown>", 0), |at| (intern_path(at.file()), at.line()));
    core.record(ErrorOccurrence {
        kind: Kind::Panic,
        place: PlaceKey { kind: Kind::Panic, file, line },
        target: "panic",
        details,
        stack: StackSource::Current,
        spans: None,
        request: None,
    })
}

/// The path of a source file with a static lifetime. There are as many as files that panicked;
/// each is leaked once.
fn intern_path(file: &str) -> &'static str {
    use std::collections::HashSet;
    use std::sync::{Mutex, PoisonError};
    static PATHS: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut paths = PATHS.lock().unwrap_or_else(PoisonError::into_inner);
    let paths = paths.get_or_insert_default();
    match paths.get(file) {
        Some(file) => file,
        None => {
            let file: &'static str = Box::leak(file.into());
            paths.insert(file);
            file
        }
    }
}

/// Whether this panic ends the process: then the reports must be sent now.
fn is_fatal(panic: &PanicHookInfo<'_>) -> bool {
    // The texts of the standard library's panics that end in an abort.
    let text = panic_message(panic.payload()).unwrap_or_default();
    cfg!(panic = "abort")
        || text.starts_with("panic in a destructor during cleanup")
        || text.starts_with("panic in a function that cannot unwind")
}
