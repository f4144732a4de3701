//! Route templates (`/orders/{id}`), interned so that they are one small number everywhere.

use std::fmt;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// A service has as many routes as its source names: more than this is raw paths by mistake.
const LIMIT: usize = 1024;

/// Twice as many as there can be names, so that a search soon comes upon a free one.
const PLACES: usize = 2 * LIMIT;

static NAMES: [OnceLock<&'static str>; LIMIT] = [const { OnceLock::new() }; LIMIT];
/// Numbers and one, each near the place that its name's hash says; 0 where there is none.
static TABLE: [AtomicU16; PLACES] = [const { AtomicU16::new(0) }; PLACES];
/// How many names there are: held by whoever adds one.
static COUNT: Mutex<usize> = Mutex::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// A route template such as `/orders/{id}`: never a raw path, which would be a label value per user.
///
/// At most 1,024 templates are kept for the life of the process; past that [`Route::intern`] answers
/// [`Route::OTHER`] and counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route(u16);

impl Route {
    /// What stands for a request that no route matched.
    pub const UNMATCHED: Self = Self(u16::MAX);
    /// What stands for the templates past the limit.
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

    /// The route of this template, or the place where it would be.
    #[inline]
    fn find(template: &str) -> Result<Self, &'static AtomicU16> {
        let (before, from) = TABLE.split_at(hash(template.as_bytes()) as usize % PLACES);
        for place in from.iter().chain(before) {
            let known = match place.load(Ordering::Acquire).checked_sub(1) {
                Some(number) => Self(number),
                None => return Err(place),
            };
            if known.as_str() == template {
                return Ok(known);
            }
        }
        Ok(Self::OTHER) // half of the places are free
    }

    #[cold]
    fn add(template: &str) -> Self {
        let mut count = COUNT.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match Self::find(template) {
            Ok(route) => return route,
            Err(place) => place,
        };
        let Some(name) = NAMES.get(*count) else {
            REFUSED.fetch_add(1, Ordering::Relaxed);
            return Self::OTHER;
        };
        name.get_or_init(|| Box::leak(template.into()));
        let number = *count as u16;
        *count += 1;
        place.store(number + 1, Ordering::Release);
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
