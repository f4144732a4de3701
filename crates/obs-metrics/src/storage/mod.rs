//! Where the numbers live: words that belong to one thread each, so that counting takes no lock and
//! no atomic read-modify-write.

mod address;
mod membarrier;
mod pin;
pub(crate) mod sync;
mod thread;
mod words;

pub(crate) use pin::{Pin, Retired, pin};
pub(crate) use words::Words;

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, since pins of other tests' threads would be waited for too.
    #[test]
    fn what_is_retired_waits_for_the_pins_of_its_time_alone() {
        let first = pin();
        let second = pin();
        let mut retired = Retired::new(());
        assert!(!retired.is_over());
        drop(first);
        assert!(!retired.is_over(), "the thread is still pinned");
        drop(second);
        let _later = pin();
        assert!(wait(&mut retired), "a later pin does not matter");
    }

    /// Other tests' threads are pinned for moments only.
    fn wait(retired: &mut Retired<()>) -> bool {
        (0..1000).any(|_| {
            std::thread::yield_now();
            retired.is_over()
        })
    }
}
