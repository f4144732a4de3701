//! A budget of traces a second for each route or name.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use obs_context::{Route, fork_generation};

use super::rate::Rate;

/// Names come from the source, so that there are few; what is past this shares one budget.
const MAX_NAMES: usize = 1024;

/// A budget for every route, or name where there is none.
pub(super) struct Budget {
    /// The process in which the lock is taken.
    generation: u32,
    per_second: f64,
    rates: Mutex<HashMap<(Option<Route>, &'static str), Rate>>,
    others: Rate,
}

impl Budget {
    pub(super) fn new(per_second: f64) -> Self {
        let (rates, others) = (Mutex::default(), Rate::new(per_second));
        Self { generation: fork_generation(), per_second, rates, others }
    }

    pub(super) fn per_second(&self) -> f64 {
        self.per_second
    }

    pub(super) fn try_admit(&self, name: &'static str, route: Option<Route>) -> bool {
        if self.generation != fork_generation() {
            return self.others.try_admit(); // a thread that stayed in the parent may hold the lock
        }
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        if rates.len() >= MAX_NAMES && !rates.contains_key(&(route, name)) {
            return self.others.try_admit();
        }
        rates.entry((route, name)).or_insert_with(|| Rate::new(self.per_second)).try_admit()
    }
}
