//! The key of a series: the values of its labels, read a few words at a time.

/// The number of values whose ends are kept beside the hash.
const MAX_KEPT_VALUES: usize = 3;
/// Up to this many bytes, a value's ends and length determine it.
const MAX_WHOLE_VALUE: usize = 16;

/// The seeds of one family's hashes.
#[derive(Debug)]
pub(super) struct KeyHasher {
    first: u64,
    last: u64,
}

impl KeyHasher {
    pub(super) fn new() -> Self {
        Self { first: obs_context::random_u64(), last: obs_context::random_u64() }
    }

    fn hash(&self, [first, last]: [u64; 2], length: usize) -> u64 {
        folded_multiply(first ^ self.first, last ^ self.last ^ length as u64)
    }

    /// Continues with the bytes between the ends of a long value.
    fn middle(&self, hash: u64, value: &[u8]) -> u64 {
        let middle = value.get(8..value.len().saturating_sub(8)).unwrap_or_default();
        middle.chunks(16).fold(hash, |hash, chunk| {
            let [first, last] = ends(chunk);
            self.hash([first ^ hash, last], chunk.len())
        })
    }
}

/// Label values as words: three short values are compared without reading their bytes.
#[derive(Debug, Default)]
pub(super) struct Key {
    pub(super) hash: u64,
    /// The lengths of the values, or [`Key::PARTIAL`].
    lengths: u64,
    ends: [[u64; 2]; MAX_KEPT_VALUES],
}

impl Key {
    /// In place of the lengths where there are more or longer values than the ends determine.
    const PARTIAL: u64 = u64::MAX;

    #[inline(always)]
    pub(super) fn new<const N: usize>(hasher: &KeyHasher, values: &[&str; N]) -> Self {
        let mut key = Self::default();
        for (at, value) in values.iter().enumerate() {
            let value = value.as_bytes();
            let ends = ends(value);
            // Each is hashed by itself, so that the processor works on all at once.
            let mut hash = hasher.hash(ends, value.len());
            if value.len() > MAX_WHOLE_VALUE {
                hash = hasher.middle(hash, value);
                key.lengths = Self::PARTIAL;
            }
            key.hash = key.hash.rotate_left(23).wrapping_add(hash);
            match key.ends.get_mut(at) {
                Some(kept) => {
                    *kept = ends;
                    // It is less than 32; OR into `PARTIAL` leaves it as it is.
                    key.lengths |= (value.len() as u64) << (5 * at);
                }
                None => key.lengths = Self::PARTIAL,
            }
        }
        key
    }

    /// Whether both are of the same `N` values, or may be, where they are [partial](Key::is_partial).
    #[inline(always)]
    pub(super) fn matches<const N: usize>(&self, other: &Self) -> bool {
        let unlike = (self.hash ^ other.hash) | (self.lengths ^ other.lengths);
        let ends = self.ends.iter().zip(&other.ends).take(N);
        let unlike = ends.fold(unlike, |unlike, (one, another)| {
            unlike | (one[0] ^ another[0]) | (one[1] ^ another[1])
        });
        unlike == 0
    }

    /// Whether the values themselves must be compared, too.
    #[inline(always)]
    pub(super) fn is_partial(&self) -> bool {
        self.lengths == Self::PARTIAL
    }
}

/// The first and the last eight bytes, which overlap in what is shorter than sixteen; of less than eight
/// bytes, with the length, all there is to know.
#[inline(always)]
fn ends(value: &[u8]) -> [u64; 2] {
    if let (Some(first), Some(last)) = (value.first_chunk(), value.last_chunk()) {
        return [u64::from_le_bytes(*first), u64::from_le_bytes(*last)];
    }
    if let (Some(first), Some(last)) = (value.first_chunk(), value.last_chunk()) {
        return [u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into()];
    }
    match value.get(value.len() / 2) {
        Some(middle) => {
            let (first, last) = (value[0], value[value.len() - 1]);
            [first.into(), u64::from(*middle) << 8 | u64::from(last)]
        }
        None => empty_ends(),
    }
}

#[cold]
fn empty_ends() -> [u64; 2] {
    [0, 0]
}

/// Both halves of the product: every bit of either factor counts.
#[inline(always)]
fn folded_multiply(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn differ(a: &str, b: &str) -> bool {
        let hasher = KeyHasher::new();
        let (a, b) = (Key::new(&hasher, &[a]), Key::new(&hasher, &[b]));
        a.hash != b.hash && !a.matches::<1>(&b)
    }

    #[test]
    fn keys_of_values_of_different_length_differ() {
        let text = "x".repeat(70);
        for length in 0..text.len() {
            let value = &text[..length];
            assert!(!differ(value, value) && differ(value, &text));
            for at in 0..length {
                let mut other = value.to_owned();
                other.replace_range(at..=at, "y");
                assert!(differ(value, &other), "{length} {at}");
            }
        }
    }

    #[test]
    fn keys_of_short_values_with_trailing_zeros_differ() {
        let zeros = "\0".repeat(17);
        let hasher = KeyHasher::new();
        let key = |value: &str| Key { hash: 0, ..Key::new(&hasher, &["a", value]) };
        for one in 0..17 {
            for other in 0..17 {
                let same = key(&zeros[..one]).matches::<2>(&key(&zeros[..other]));
                assert_eq!(same, one == other, "{one} {other}");
            }
        }
    }

    #[test]
    fn keys_of_many_or_long_values_are_partial() {
        let hasher = KeyHasher::new();
        let long = "x".repeat(17);
        assert!(!Key::new(&hasher, &["x", &long[..16], "x"]).is_partial());
        assert!(!Key::new(&hasher, &[]).is_partial());
        assert!(Key::new(&hasher, &["x", &long, "x"]).is_partial());
        assert!(Key::new(&hasher, &["x", "x", "x", "x"]).is_partial());
    }

    #[test]
    fn hash_depends_on_order_of_values() {
        let hasher = KeyHasher::new();
        let hash = |values| Key::new::<2>(&hasher, &values).hash;
        assert_ne!(hash(["a", "b"]), hash(["b", "a"]));
        assert_ne!(hash(["", "a"]), hash(["a", ""]));
    }

    #[test]
    fn hashes_of_similar_values_are_spread() {
        let hasher = KeyHasher::new();
        let mut buckets = [0_u32; 256];
        let mut hashes = HashSet::new();
        for number in 0..25_600 {
            let hash = Key::new(&hasher, &["GET", &format!("/orders/{number}"), "200"]).hash;
            buckets[hash as usize % 256] += 1;
            assert!(hashes.insert(hash));
        }
        // A hundred each, with a deviation of ten: six of them.
        assert!(buckets.iter().all(|count| (40..160).contains(count)), "{buckets:?}");
    }
}
