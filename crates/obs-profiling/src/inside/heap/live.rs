//! Samples whose memory is in use, found by address: no lock, as any thread may free anything at any time.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// With the default interval, enough for 32 GiB in use; past it samples are counted and not kept.
const ROWS: usize = 8 * 1024;
const IN_ROW: usize = 8;

const EMPTY: u64 = 0;
/// No block lies there.
const RESERVED: u64 = 1;

static TABLE: OnceLock<Box<[Row]>> = OnceLock::new();
static REJECTED: AtomicU64 = AtomicU64::new(0);

type Row = [Place; IN_ROW];

#[derive(Debug, Default)]
struct Place {
    address: AtomicU64,
    size: AtomicU64,
    stack: AtomicU64,
}

/// What is known of a sampled allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sampled {
    pub(super) size: u64,
    /// The number of its stack.
    pub(super) stack: u64,
}

/// Before the first sample is taken.
pub(super) fn prepare() {
    TABLE.get_or_init(|| (0..ROWS).map(|_| Row::default()).collect());
}

#[inline]
pub(super) fn is_used() -> bool {
    TABLE.get().is_some()
}

/// `false` when there is no room.
pub(super) fn insert(address: usize, sampled: Sampled) -> bool {
    for place in places(address) {
        if place.address.compare_exchange(EMPTY, RESERVED, Acquire, Relaxed).is_err() {
            continue;
        }
        place.size.store(sampled.size, Relaxed);
        place.stack.store(sampled.stack, Relaxed);
        place.address.store(address as u64, Release);
        return true;
    }
    REJECTED.fetch_add(1, Relaxed);
    false
}

/// Forgets the sample at this address, if there is one. The block is still the caller's.
pub(super) fn remove(address: usize) -> Option<Sampled> {
    let place = places(address).find(|place| place.address.load(Acquire) == address as u64)?;
    let sampled = Sampled { size: place.size.load(Relaxed), stack: place.stack.load(Relaxed) };
    place.address.store(EMPTY, Release);
    Some(sampled)
}

/// Every sample that is in use.
pub(super) fn all() -> impl Iterator<Item = Sampled> {
    let places = TABLE.get().into_iter().flatten().flatten();
    places.filter_map(|place| {
        let address = place.address.load(Acquire);
        let sampled = Sampled { size: place.size.load(Relaxed), stack: place.stack.load(Relaxed) };
        let is_steady = place.address.fetch_add(0, AcqRel) == address;
        (address > RESERVED && is_steady).then_some(sampled)
    })
}

/// Samples for which there was no room.
pub(super) fn overflowed() -> u64 {
    REJECTED.load(Relaxed)
}

/// Two rows, so that few are full before all are.
fn places(address: usize) -> impl Iterator<Item = &'static Place> {
    let table = TABLE.get().map(|table| &**table).unwrap_or_default();
    let mixed = (address as u64 >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let rows = [(mixed >> 51) as usize, (mixed >> 38) as usize & (ROWS - 1)];
    rows.into_iter().filter_map(|row| table.get(row)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inserted_block_is_found_until_removed() {
        prepare();
        let sampled = |number: usize| Sampled { size: number as u64, stack: 1 << 40 | 7 };
        let addresses: Vec<usize> = (1..10_000).map(|number| number * 4096 + 64).collect();
        for &address in &addresses {
            assert!(insert(address, sampled(address)));
        }
        assert_eq!(all().filter(|found| found.stack == 1 << 40 | 7).count(), addresses.len());
        for &address in &addresses {
            assert_eq!(remove(address), Some(sampled(address)));
            assert_eq!(remove(address), None);
        }
    }
}
