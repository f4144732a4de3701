//! Finding a series by its labels, without a lock.

#![allow(unsafe_code, reason = "readers follow pointers that a pin keeps alive")]

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::Series;
use crate::storage::sync::AtomicPtr;
use crate::storage::{Pin, Retired};

/// An open-addressed table of pointers, at most half full. Entries are only added; to remove some, a
/// new table takes its place.
#[derive(Debug)]
pub(crate) struct Slots<C>(Box<[AtomicPtr<Series<C>>]>);

impl<C> Slots<C> {
    fn of(series: &[Arc<Series<C>>], capacity: usize) -> Box<Self> {
        let slots = (0..capacity).map(|_| AtomicPtr::new(ptr::null_mut())).collect();
        let table = Box::new(Self(slots));
        for one in series {
            table.put(one);
        }
        table
    }

    /// Publishes a series. There is always room: the table is at most half full.
    fn put(&self, series: &Arc<Series<C>>) {
        let mask = self.0.len() - 1;
        let first = series.labels().hash() as usize;
        let free = (first..first.wrapping_add(self.0.len()))
            .filter_map(|at| self.0.get(at & mask))
            .find(|slot| slot.load(Relaxed).is_null());
        if let Some(slot) = free {
            slot.store(Arc::as_ptr(series).cast_mut(), Release);
        }
    }
}

/// What is not reachable any more, but may still be read.
type Unlinked<C> = (Box<Slots<C>>, Vec<Arc<Series<C>>>);

/// The table that is current.
#[derive(Debug)]
pub(crate) struct Table<C> {
    slots: AtomicPtr<Slots<C>>,
}

impl<C> Table<C> {
    pub(crate) fn new() -> Self {
        Self { slots: AtomicPtr::new(Box::into_raw(Slots::of(&[], 8))) }
    }

    /// The series with this hash that `is_it` accepts; good as long as the pin.
    #[inline(always)]
    pub(crate) fn find<'p>(
        &self,
        hash: u64,
        is_it: impl Fn(&Series<C>) -> bool,
        _pin: &'p Pin,
    ) -> Option<&'p Series<C>> {
        // SAFETY: the table that was current when the thread was pinned is freed only after the pin.
        let slots = unsafe { &*self.slots.load(Acquire) };
        let mask = slots.0.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            // SAFETY: the length is a power of two, so what is left of the hash is below it.
            let pointer = unsafe { slots.0.get_unchecked(at) }.load(Acquire);
            // SAFETY: a published series lives as long as the table's pins.
            let series = unsafe { pointer.as_ref() }?;
            if is_it(series) {
                return Some(series);
            }
            at = (at + 1) & mask;
        }
    }

    /// Publishes the last of `all`, in a larger table where this one is half full. The caller holds
    /// the family's lock.
    pub(crate) fn add(&self, all: &[Arc<Series<C>>]) -> Option<Retired<Unlinked<C>>> {
        // SAFETY: only a holder of the family's lock, such as the caller, replaces the table.
        let slots = unsafe { &*self.slots.load(Acquire) };
        if all.len() * 2 <= slots.0.len() {
            all.last().into_iter().for_each(|series| slots.put(series));
            return None;
        }
        Some(self.replace(all, Vec::new()))
    }

    /// Goes on with the series in `all`, without those in `removed`. The caller holds the family's
    /// lock.
    pub(crate) fn replace(
        &self,
        all: &[Arc<Series<C>>],
        removed: Vec<Arc<Series<C>>>,
    ) -> Retired<Unlinked<C>> {
        let capacity = (all.len() * 2).next_power_of_two().max(8);
        let new = Box::into_raw(Slots::of(all, capacity));
        let old = self.slots.swap(new, std::sync::atomic::Ordering::AcqRel);
        // SAFETY: every table comes from `Box::into_raw`, and only this call took it out.
        let old = unsafe { Box::from_raw(old) };
        Retired::new((old, removed))
    }
}

impl<C> Drop for Table<C> {
    fn drop(&mut self) {
        // SAFETY: nobody else has the table any more, and it came from `Box::into_raw`.
        drop(unsafe { Box::from_raw(self.slots.load(Relaxed)) });
    }
}

/// Another owner of a series that was found.
///
/// # Safety
///
/// The series must be one that an `Arc` owns, and stay so for as long as the result is used: pinned, or
/// borrowed from the owner.
#[inline]
pub(super) unsafe fn borrowed_arc<C>(series: &Series<C>) -> std::mem::ManuallyDrop<Arc<Series<C>>> {
    // SAFETY: the pointer comes from an `Arc`, and `ManuallyDrop` leaves its count alone.
    std::mem::ManuallyDrop::new(unsafe { Arc::from_raw(ptr::from_ref(series)) })
}

pub(crate) type RetiredTable<C> = Retired<Unlinked<C>>;
