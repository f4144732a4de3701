//! Where the numbers live: words that belong to one thread each, so that counting takes no lock and
//! no atomic read-modify-write.

mod address;
mod cells;
mod membarrier;
mod pin;
pub(crate) mod sync;
mod thread;

pub(crate) use cells::ShardedCells;
pub(crate) use pin::{Pin, Retired, pin};

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, since pins of other tests' threads would be waited for too.
    #[test]
    fn retired_value_waits_only_for_earlier_pins() {
        let first = pin();
        let second = pin();
        let mut retired = Retired::new(());
        assert!(!retired.is_reclaimable());
        drop(first);
        assert!(!retired.is_reclaimable(), "the thread is still pinned");
        drop(second);
        let _later = pin();
        assert!(wait(&mut retired), "a later pin does not matter");
    }

    /// Other tests' threads are pinned for moments only.
    fn wait(retired: &mut Retired<()>) -> bool {
        (0..1000).any(|_| {
            std::thread::yield_now();
            retired.is_reclaimable()
        })
    }
}
