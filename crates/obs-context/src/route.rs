//! Route templates (`/orders/{id}`), interned so that they are one small number everywhere.

use std::fmt;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// A service has as many routes as its source names: more than this are raw paths by mistake.
const MAX_ROUTES: usize = 1024;

/// Twice the number of routes, so that probing soon finds a free slot.
const TABLE_SIZE: usize = 2 * MAX_ROUTES;

static NAMES: [OnceLock<&'static str>; MAX_ROUTES] = [const { OnceLock::new() }; MAX_ROUTES];
/// An open-addressed table of route numbers plus one; 0 is a free slot.
static TABLE: [AtomicU16; TABLE_SIZE] = [const { AtomicU16::new(0) }; TABLE_SIZE];
/// The number of names. Locked while one is added.
static COUNT: Mutex<usize> = Mutex::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// A route template such as `/orders/{id}`: never a raw path, which would be a label value per user.
///
/// At most 1,024 templates are kept for the life of the process; past that [`Route::intern`] answers
/// [`Route::OTHER`] and counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route(u16);

impl Route {
    /// A request that no route matched.
    pub const UNMATCHED: Self = Self(u16::MAX);
    /// The templates past the limit.
    pub const OTHER: Self = Self(u16::MAX - 1);

    /// The route of this template: for a known one, a hash and a comparison, and no lock.
    pub fn intern(template: &str) -> Self {
        Self::find(template).unwrap_or_else(|_| Self::add(template))
    }

    /// The template's text; `<unmatched>` and `<other>` for the two constants.
    #[inline]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UNMATCHED => "<unmatched>",
            Self::OTHER => "<other>",
            Self(number) => {
                NAMES.get(usize::from(number)).and_then(OnceLock::get).copied().unwrap_or("<other>")
            }
        }
    }

    /// How many calls of [`Route::intern`] were answered [`Route::OTHER`].
    pub fn refused() -> u64 {
        REFUSED.load(Ordering::Relaxed)
    }

    /// The route of this template, or its free slot.
    #[inline]
    fn find(template: &str) -> Result<Self, &'static AtomicU16> {
        let (before, from) = TABLE.split_at(hash(template.as_bytes()) as usize % TABLE_SIZE);
        for slot in from.iter().chain(before) {
            let known = match slot.load(Ordering::Acquire).checked_sub(1) {
                Some(number) => Self(number),
                None => return Err(slot),
            };
            if known.as_str() == template {
                return Ok(known);
            }
        }
        Ok(Self::OTHER) // unreachable: half of the slots are free
    }

    #[cold]
    fn add(template: &str) -> Self {
        let mut count = COUNT.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = match Self::find(template) {
            Ok(route) => return route,
            Err(slot) => slot,
        };
        let Some(name) = NAMES.get(*count) else {
            REFUSED.fetch_add(1, Ordering::Relaxed);
            return Self::OTHER;
        };
        name.get_or_init(|| Box::leak(template.into()));
        let number = *count as u16;
        *count += 1;
        slot.store(number + 1, Ordering::Release);
        Self(number)
    }

    pub(crate) const fn to_slot(route: Option<Self>) -> u32 {
        match route {
            Some(Self(number)) => number as u32 + 1,
            None => 0,
        }
    }

    pub(crate) const fn from_slot(word: u32) -> Option<Self> {
        match word {
            0 => None,
            number => Some(Self((number - 1) as u16)),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Route({self})")
    }
}

/// Eight bytes a step (the multiplier of Fx): templates come from the service's source, not from its callers.
#[inline]
fn hash(text: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0x517C_C1B7_2722_0A95;
    let step = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(MULTIPLIER);
    let (words, rest) = text.as_chunks::<8>();
    let hash =
        words.iter().fold(text.len() as u64, |hash, word| step(hash, u64::from_le_bytes(*word)));
    let rest = rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let hash = step(hash, rest);
    hash ^ hash >> 32
}
