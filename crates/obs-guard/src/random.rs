//! Fast random numbers for ids and sampling: never for secrets.

use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::fork::watch_forks;
use crate::state::STATE;

/// The next number of this thread's generator (xoroshiro128++, Blackman and Vigna), about 1 ns.
///
/// Its 128 bits of state are seeded once a thread from the operating system's entropy, so that the
/// ids of a whole fleet collide no sooner than 128 random bits do. It is not for secrets.
#[inline]
pub fn random_u64() -> u64 {
    STATE.with(|state| {
        let (a, b) = match state.get() {
            (0, 0) => seed(),
            seeded => seeded,
        };
        let result = a.wrapping_add(b).rotate_left(17).wrapping_add(a);
        let b = b ^ a;
        state.set((a.rotate_left(49) ^ b ^ (b << 21), b.rotate_left(28)));
        result
    })
}

/// The standard library keys `RandomState` from the operating system once a thread. A forked child inherits
/// those keys, so the process and the time go in, too.
#[cold]
fn seed() -> (u64, u64) {
    watch_forks();
    let entropy = RandomState::new();
    let moment = (std::process::id(), SystemTime::now().duration_since(UNIX_EPOCH).ok());
    (entropy.hash_one((0_u64, moment)) | 1, entropy.hash_one((1_u64, moment)))
}
