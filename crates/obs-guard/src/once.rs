//! Formats a value once for several readers, so that all get the same text.

use std::cell::Cell;
use std::fmt::{Arguments, Debug};
use std::ops::Range;

use crate::write_debug;

/// Larger buffers are not kept for the next scope.
const MAX_KEPT_BYTES: usize = 64 * 1024;

thread_local! {
    /// `None` outside a scope, and while the value of a scope is being formatted.
    static CURRENT: Cell<Option<Box<Memo>>> = const { Cell::new(None) };
    /// An empty one, for its buffers.
    static SPARE: Cell<Option<Box<Memo>>> = const { Cell::new(None) };
    /// Whether the value that is being formatted must be formatted for each reader.
    static FORMAT_AGAIN: Cell<bool> = const { Cell::new(false) };
}

/// A field's number and its value's address: either alone may be that of another value.
type Key = (usize, *const ());

#[derive(Default)]
struct Memo {
    limit: usize,
    text: String,
    known: Vec<(Key, Option<Range<usize>>)>,
}

/// Runs `code`. Each value that it hands to [`debug_once`] is formatted once, to at most a few bytes more
/// than `limit`, and its text is kept until `code` returns.
///
/// Make it around the readers of one event or span, and give the largest of their limits. A scope inside
/// another one does not share its values.
pub fn scope<T>(limit: usize, code: impl FnOnce() -> T) -> T {
    let mut memo = SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default();
    // Readers cut at a character's boundary, and see from the bytes behind it that they must.
    memo.limit = limit.saturating_add(4);
    let outer = CURRENT.try_with(|current| current.replace(Some(memo))).ok().flatten();
    let _restore = Restore(outer);
    code()
}

/// Brings the outer scope back, also when the inner one unwinds.
struct Restore(Option<Box<Memo>>);

impl Drop for Restore {
    fn drop(&mut self) {
        let outer = self.0.take();
        let Ok(Some(mut memo)) = CURRENT.try_with(|current| current.replace(outer)) else { return };
        if memo.text.capacity() <= MAX_KEPT_BYTES {
            memo.text.clear();
            memo.known.clear();
            let _thread_ends = SPARE.try_with(|spare| spare.set(Some(memo)));
        }
    }
}

/// Hands what the value's `Debug` writes to `read`: inside a [`scope`] the text of the first time, else
/// the value itself. `field` is the number of the field whose value it is.
#[inline]
pub fn debug_once<T>(field: usize, value: &dyn Debug, read: impl FnOnce(Arguments<'_>) -> T) -> T {
    match CURRENT.try_with(Cell::take).ok().flatten() {
        None => read(format_args!("{value:?}")),
        Some(memo) => format_once(memo, (field, (&raw const *value).cast()), value, read),
    }
}

/// For a `Debug` whose text depends on the reader: each reader of the value being formatted gets its
/// own formatting.
pub fn format_again() {
    let _thread_ends = FORMAT_AGAIN.try_with(|asked| asked.set(true));
}

fn format_once<T>(
    mut memo: Box<Memo>,
    key: Key,
    value: &dyn Debug,
    read: impl FnOnce(Arguments<'_>) -> T,
) -> T {
    let known = memo.known.iter().find(|(known, _)| *known == key);
    let range = match known {
        Some((_, range)) => range.clone(),
        None => {
            let start = memo.text.len();
            let outer = FORMAT_AGAIN.replace(false);
            // Its code may log: the memo must not be reachable then.
            write_debug(&mut memo.text, value, memo.limit);
            let range = start..memo.text.len();
            let is_for_all = !FORMAT_AGAIN.replace(outer);
            memo.known.push((key, is_for_all.then(|| range.clone())));
            Some(range)
        }
    };
    let result = match range.and_then(|range| memo.text.get(range)) {
        Some(text) => read(format_args!("{text}")),
        None => read(format_args!("{value:?}")),
    };
    let _thread_ends = CURRENT.try_with(|current| current.set(Some(memo)));
    result
}
