//! So many a second of each kind.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use obs_context::Route;

use super::rate::Rate;

/// Names come from the source, so that there are few; what is past this shares one budget.
const NAMES: usize = 1024;

/// A budget for every route, or name where there is none.
pub(super) struct Budget {
    per_second: f64,
    rates: Mutex<HashMap<(Option<Route>, &'static str), Rate>>,
    others: Rate,
}

impl Budget {
    pub(super) fn new(per_second: f64) -> Self {
        Self { per_second, rates: Mutex::default(), others: Rate::new(per_second) }
    }

    pub(super) fn per_second(&self) -> f64 {
        self.per_second
    }

    pub(super) fn admit(&self, name: &'static str, route: Option<Route>) -> bool {
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        if rates.len() >= NAMES && !rates.contains_key(&(route, name)) {
            return self.others.admit();
        }
        rates.entry((route, name)).or_insert_with(|| Rate::new(self.per_second)).admit()
    }
}
