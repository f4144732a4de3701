//! The open spans.

mod block;
mod sync;
mod table;
mod wait;

pub(crate) use table::{Table, ThreadBlock};

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64 as Number;
    use std::sync::atomic::Ordering::Relaxed;

    use super::block::{Block, FREE, LOCKED, SlotGuard};

    #[test]
    fn block_has_at_most_one_writer() {
        let block = Arc::new(Block::<u64>::new(3));
        let first = block.writer();
        assert!(first.is_some());
        assert!(block.writer().is_none());
        drop(first);
        assert!(block.writer().is_some());
    }

    #[test]
    fn occupied_slots_and_invalid_ids_are_rejected() {
        let block = Arc::new(Block::new(4));
        let mut claim = block.writer().unwrap_or_else(|| unreachable!("nobody has it"));
        assert_eq!(claim.insert(5, "five"), Ok(()));
        assert_eq!(claim.insert(9, "nine"), Err("nine"));
        assert_eq!(claim.insert(FREE, "none"), Err("none"));
        assert_eq!(claim.insert(LOCKED, "none"), Err("none"));
        assert!(
            block.lock(9).is_none() && block.lock(FREE).is_none() && block.lock(LOCKED).is_none()
        );
        assert_eq!(block.lock(5).and_then(SlotGuard::take), Some("five"));
        assert!(block.lock(5).is_none());
        assert_eq!(claim.insert(9, "nine"), Ok(()));
    }

    #[test]
    fn block_filled_by_one_thread_is_emptied_by_others() {
        const ITEMS: u64 = 20_000;
        const MAX_BLOCK_SLOTS: u64 = 8;
        let block = Arc::new(Block::<u64>::new(MAX_BLOCK_SLOTS as usize));
        let (taken, changed, sum) = (Number::new(0), Number::new(0), Number::new(0));
        let change = |id| block.lock(id).and_then(|mut guard| guard.with(|item| *item += 1));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while taken.load(Relaxed) < ITEMS {
                        block.for_each(|_| {});
                        for id in 1..=MAX_BLOCK_SLOTS {
                            changed.fetch_add(u64::from(change(id).is_some()), Relaxed);
                            if let Some(item) = block.lock(id).and_then(SlotGuard::take) {
                                sum.fetch_add(item, Relaxed);
                                taken.fetch_add(1, Relaxed);
                            }
                        }
                        std::thread::yield_now();
                    }
                });
            }
            scope.spawn(|| {
                let mut claim = block.writer().unwrap_or_else(|| unreachable!("nobody has it"));
                for number in 0..ITEMS {
                    while claim.insert(number % MAX_BLOCK_SLOTS + 1, 0).is_err() {
                        std::thread::yield_now();
                    }
                }
            });
        });
        assert_eq!(taken.load(Relaxed), ITEMS);
        assert_eq!(sum.load(Relaxed), changed.load(Relaxed));
    }
}
