//! The current sampler and tail rules, and each thread's copy of them.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use super::{Sampler, tails};
use crate::record::Tail;

/// Changed at run time, seldom.
#[derive(Debug)]
pub(crate) struct Rules {
    now: Mutex<Arc<Rule>>,
    /// How many times they were changed.
    version: AtomicU64,
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) sampler: Sampler,
    /// Upon the ends of traces that the sampler turns down.
    pub(crate) tail: Option<Arc<Tail>>,
}

/// The rules as a thread knows them: asking costs a load of a word that hardly ever changes.
#[derive(Debug)]
pub(crate) struct CachedRule {
    version: u64,
    rule: Arc<Rule>,
}

impl Rules {
    pub(crate) fn new(sampler: Sampler, tail: Option<Tail>) -> Self {
        let rule = Rule { sampler, tail: tail.map(Arc::new) };
        tails::register(rule.tail.as_ref());
        Self { now: Mutex::new(Arc::new(rule)), version: AtomicU64::new(0) }
    }

    pub(crate) fn current(&self) -> Arc<Rule> {
        Arc::clone(&self.lock())
    }

    /// The same for a forked child: the default where a thread of the parent's held the lock.
    pub(crate) fn after_fork(&self) -> Self {
        let rule = match self.now.try_lock() {
            Ok(now) => Rule::clone(&now),
            Err(TryLockError::Poisoned(poisoned)) => Rule::clone(&poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Rule { sampler: Sampler::default(), tail: None },
        };
        Self { now: Mutex::new(Arc::new(rule)), version: AtomicU64::new(0) }
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Rule)) {
        let mut now = self.lock();
        let mut rule = Rule::clone(&now);
        change(&mut rule);
        tails::register(rule.tail.as_ref());
        *now = Arc::new(rule);
        self.version.store(self.version.load(Acquire) + 1, Release);
        drop(now);
        tails::drop_unused();
    }

    /// What a thread is to remember.
    pub(crate) fn cached(&self) -> CachedRule {
        let version = self.version.load(Acquire); // first: at worst the thread asks once more
        CachedRule { version, rule: self.current() }
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Rule>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        let now = self.now.get_mut().unwrap_or_else(PoisonError::into_inner);
        *now = Arc::new(Rule { sampler: Sampler::default(), tail: None });
        tails::drop_unused();
    }
}

impl CachedRule {
    /// The rule of this moment.
    #[inline]
    pub(crate) fn update(&mut self, rules: &Rules) -> &Rule {
        if self.version != rules.version.load(Acquire) {
            *self = rules.cached();
        }
        &self.rule
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_rules_reach_every_thread() {
        let rules = Rules::new(Sampler::always(), None);
        let mut known = rules.cached();
        assert_eq!(known.update(&rules).sampler.to_string(), "always");
        rules.change(|rule| rule.sampler = Sampler::never());
        rules.change(|rule| rule.tail = Some(Arc::new(Tail::errors())));
        assert_eq!(known.update(&rules).sampler.to_string(), "never");
        assert!(known.update(&rules).tail.is_some());
    }
}
