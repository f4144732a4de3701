//! Where threads' stacks end: known, a handler copies at once what else the kernel would have to check.

use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Threads past it are sampled the slow way. Number 0 is not used.
pub(crate) const MAX_TIMERS: usize = 16 * 1024;

/// The stacks of threads, by the numbers of their timers: as long as a timer can fire, its thread and its
/// stack are there. By default nothing is known of any.
#[derive(Debug, Default)]
pub(crate) struct Bounds(Box<[Stack]>);

#[derive(Debug, Default)]
struct Stack {
    low: AtomicU64,
    /// 0 while it is not known.
    high: AtomicU64,
}

impl Bounds {
    pub(crate) fn none() -> Self {
        Self((0..MAX_TIMERS).map(|_| Stack::default()).collect())
    }

    /// How many bytes of the stack lie above its pointer; `None` where that is not known. A signal handler
    /// may call it.
    pub(crate) fn above(&self, number: usize, pointer: u64) -> Option<u64> {
        let stack = self.0.get(number)?;
        let high = stack.high.load(Acquire);
        let is_inside = (stack.low.load(Relaxed)..high).contains(&pointer);
        is_inside.then(|| high - pointer)
    }

    pub(crate) fn set(&self, number: usize, bounds: Range<u64>) {
        if let Some(stack) = self.0.get(number) {
            stack.low.store(bounds.start, Relaxed);
            stack.high.store(bounds.end, Release);
        }
    }
}

/// The stack that a stack pointer and a thread's own pointer lie in, from `/proc/self/maps`.
///
/// The C library keeps a thread's block at the upper end of the stack that it makes, and makes no access
/// possible below it. Where it is not like that (a stack made by the application, a coroutine's), what
/// lies above the pointer may be unmapped while the thread lives, and nothing is told.
pub(crate) fn find(maps: &str, pointer: u64, thread: u64) -> Option<Range<u64>> {
    let mut below: Option<(Range<u64>, bool)> = None;
    for line in maps.lines() {
        let (range, rest) = parse(line)?;
        if range.contains(&pointer) && rest.ends_with("[stack]") {
            return Some(range);
        }
        if range.contains(&pointer) {
            let is_guarded =
                below.is_some_and(|(below, is_barred)| is_barred && below.end == range.start);
            let is_whole = is_guarded && range.contains(&thread) && pointer < thread;
            return is_whole.then_some(range.start..thread);
        }
        below = Some((range, rest.starts_with("---")));
    }
    None
}

fn parse(line: &str) -> Option<(Range<u64>, &str)> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let hexadecimal = |text| u64::from_str_radix(text, 16).ok();
    Some((hexadecimal(start)?..hexadecimal(end)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "1000-2000 ---p 00000000 00:00 0 \n\
        2000-9000 rw-p 00000000 00:00 0 \n\
        a000-f000 rw-p 00000000 00:00 0 \n\
        20000-30000 rw-p 00000000 00:00 0                          [stack]\n";

    #[test]
    fn guarded_stack_ends_at_thread_block() {
        assert_eq!(find(MAPS, 0x3000, 0x8000), Some(0x2000..0x8000));
        assert_eq!(find(MAPS, 0x21000, 0x100), Some(0x20000..0x30000));
    }

    #[test]
    fn memory_outside_stacks_has_no_bounds() {
        for (pointer, thread) in
            [(0xb000, 0xe000), (0x3000, 0xb000), (0x8500, 0x8000), (0x10, 0x20)]
        {
            assert_eq!(find(MAPS, pointer, thread), None, "{pointer:x}");
        }
        assert_eq!(find("nonsense", 1, 2), None);
    }

    #[test]
    fn bounds_are_returned_only_inside_stack() {
        let bounds = Bounds::none();
        assert_eq!(bounds.above(3, 0x3000), None);
        bounds.set(3, 0x2000..0x8000);
        assert_eq!(bounds.above(3, 0x3000), Some(0x5000));
        assert_eq!((bounds.above(3, 0x8000), bounds.above(3, 0x1fff)), (None, None));
        bounds.set(3, 0..0);
        assert_eq!(bounds.above(3, 0x3000), None);
    }
}
