//! Panics.

use std::cell::Cell;
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use obs_guard::{panic_message, truncated};

use crate::core::{Core, Happened, StackOf};
use crate::current::with_current_id;
use crate::place::Key;
use crate::report::{Cause, Kind};
use crate::told::Told;

/// How long a process that is about to die waits for its last error to be told.
const LAST_WORDS: Duration = Duration::from_secs(2);

thread_local! {
    /// Whether this thread is inside of the hook: what panics there is not told again.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

pub(crate) fn install(core: &Arc<Core>) {
    core.hooked.store(true, Relaxed);
    let weak = Arc::downgrade(core);
    let earlier = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let entered = INSIDE.try_with(|inside| !inside.replace(true)).unwrap_or(false);
        let core = weak.upgrade().filter(|_| entered);
        let id = core.as_ref().and_then(|core| told(core, panic));
        with_current_id(id, || earlier(panic));
        if let Some(queue) = core.as_ref().and_then(|core| core.queue.as_ref())
            && is_the_end(panic)
        {
            queue.flush(LAST_WORDS);
        }
        if entered {
            let _gone_with_its_thread = INSIDE.try_with(|inside| inside.set(false));
        }
    }));
}

fn told(core: &Core, panic: &PanicHookInfo<'_>) -> Option<crate::ErrorId> {
    let message = panic_message(panic.payload()).unwrap_or("the panic's payload is no text");
    let message = truncated(message, 8 * 1024).to_owned();
    let told = Told { chain: vec![Cause { kind: "panic".to_owned(), message }], ..Told::default() };
    let (file, line) =
        panic.location().map_or(("<unknown>", 0), |at| (lasting(at.file()), at.line()));
    core.happened(Happened {
        kind: Kind::Panic,
        place: Key { kind: Kind::Panic, file, line },
        target: "panic",
        told,
        stack: StackOf::Here,
        spans: None,
        request: None,
    })
}

/// The name of a source file for as long as the process lives. There are as many as places that panicked;
/// the compiler's own are leaked once each.
fn lasting(file: &str) -> &'static str {
    use std::collections::HashSet;
    use std::sync::{Mutex, PoisonError};
    static KNOWN: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    match known.get(file) {
        Some(file) => file,
        None => {
            let file: &'static str = Box::leak(file.into());
            known.insert(file);
            file
        }
    }
}

/// Whether the process does not survive this panic: then what was captured has to leave now.
fn is_the_end(panic: &PanicHookInfo<'_>) -> bool {
    // The texts of the standard library's panics that end in an abort.
    let text = panic_message(panic.payload()).unwrap_or_default();
    cfg!(panic = "abort")
        || text.starts_with("panic in a destructor during cleanup")
        || text.starts_with("panic in a function that cannot unwind")
}
