//! Route templates (`/orders/{id}`), interned so that they are one small number everywhere.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};

/// A service has as many routes as its source names: more than this is raw paths by mistake.
const LIMIT: usize = 1024;

static NAMES: [OnceLock<&'static str>; LIMIT] = [const { OnceLock::new() }; LIMIT];
static NUMBERS: OnceLock<RwLock<HashMap<&'static str, u16>>> = OnceLock::new();
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

    /// The route of this template: one lock shared among readers and one hash for a known template.
    pub fn intern(template: &str) -> Self {
        let numbers = NUMBERS.get_or_init(RwLock::default);
        let known = |numbers: &HashMap<&'static str, u16>| numbers.get(template).copied();
        if let Some(number) = known(&numbers.read().unwrap_or_else(PoisonError::into_inner)) {
            return Self(number);
        }
        let mut numbers = numbers.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = known(&numbers) {
            return Self(number);
        }
        let next = numbers.len();
        let Some(place) = NAMES.get(next) else {
            REFUSED.fetch_add(1, Ordering::Relaxed);
            return Self::OTHER;
        };
        let name = place.get_or_init(|| Box::leak(template.into()));
        numbers.insert(name, next as u16);
        Self(next as u16)
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
