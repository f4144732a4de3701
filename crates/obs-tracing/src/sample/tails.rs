//! Keeps all tail rules until they are unused. A rule may hold a function of the application, whose captures
//! may do anything when they are dropped, such as opening a span. So they are never dropped where a thread
//! releases them, which is while it makes a span.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use obs_guard::Place;

use crate::record::Tail;

static TAILS: Mutex<Vec<Arc<Tail>>> = Mutex::new(Vec::new());
static DROP: Place = Place::new("tracing.tail_rule_drop");

/// Keeps rules that come into force for as long as they are used.
pub(super) fn register(tail: Option<&Arc<Tail>>) {
    let mut tails = lock();
    if let Some(tail) = tail.filter(|tail| !tails.iter().any(|known| Arc::ptr_eq(known, tail))) {
        tails.push(Arc::clone(tail));
    }
}

/// Drops unused rules. Call it where nothing is locked or borrowed.
pub(crate) fn drop_unused() {
    let is_unused = |tail: &mut Arc<Tail>| Arc::strong_count(tail) == 1;
    let unused: Vec<_> = lock().extract_if(.., is_unused).collect();
    unused.into_iter().for_each(|tail| DROP.drop(tail));
}

fn lock() -> MutexGuard<'static, Vec<Arc<Tail>>> {
    TAILS.lock().unwrap_or_else(PoisonError::into_inner)
}
