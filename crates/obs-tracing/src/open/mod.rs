//! The spans that are open.

mod block;
mod sync;
mod table;
mod wait;

pub(crate) use table::{OwnBlock, Table};

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64 as Number;
    use std::sync::atomic::Ordering::Relaxed;

    use super::block::{Block, FREE, HELD, Held};

    #[test]
    fn one_claim_at_a_time() {
        let block = Arc::new(Block::<u64>::new(3));
        let first = block.claim();
        assert!(first.is_some());
        assert!(block.claim().is_none());
        drop(first);
        assert!(block.claim().is_some());
    }

    #[test]
    fn a_place_that_is_taken_and_an_id_that_is_none() {
        let block = Arc::new(Block::new(4));
        let mut claim = block.claim().unwrap_or_else(|| unreachable!("nobody has it"));
        assert_eq!(claim.put(5, "five"), Ok(()));
        assert_eq!(claim.put(9, "nine"), Err("nine"));
        assert_eq!(claim.put(FREE, "none"), Err("none"));
        assert_eq!(claim.put(HELD, "none"), Err("none"));
        assert!(
            block.hold(9).is_none() && block.hold(FREE).is_none() && block.hold(HELD).is_none()
        );
        assert_eq!(block.hold(5).and_then(Held::take), Some("five"));
        assert!(block.hold(5).is_none());
        assert_eq!(claim.put(9, "nine"), Ok(()));
    }

    #[test]
    fn filled_by_one_thread_and_emptied_by_others() {
        const ITEMS: u64 = 20_000;
        const PLACES: u64 = 8;
        let block = Arc::new(Block::<u64>::new(PLACES as usize));
        let (taken, changed, sum) = (Number::new(0), Number::new(0), Number::new(0));
        let change = |id| block.hold(id).and_then(|mut held| held.with(|item| *item += 1));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while taken.load(Relaxed) < ITEMS {
                        block.each(|_| {});
                        for id in 1..=PLACES {
                            changed.fetch_add(u64::from(change(id).is_some()), Relaxed);
                            if let Some(item) = block.hold(id).and_then(Held::take) {
                                sum.fetch_add(item, Relaxed);
                                taken.fetch_add(1, Relaxed);
                            }
                        }
                        std::thread::yield_now();
                    }
                });
            }
            scope.spawn(|| {
                let mut claim = block.claim().unwrap_or_else(|| unreachable!("nobody has it"));
                for number in 0..ITEMS {
                    while claim.put(number % PLACES + 1, 0).is_err() {
                        std::thread::yield_now();
                    }
                }
            });
        });
        assert_eq!(taken.load(Relaxed), ITEMS);
        assert_eq!(sum.load(Relaxed), changed.load(Relaxed));
    }
}
