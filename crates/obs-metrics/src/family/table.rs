//! Finding a series by its labels, without a lock.

#![allow(unsafe_code, reason = "readers follow pointers that a pin keeps alive")]

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
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
    fn from_series(series: &[Arc<Series<C>>], capacity: usize) -> Box<Self> {
        let slots = (0..capacity).map(|_| AtomicPtr::new(ptr::null_mut())).collect();
        let table = Box::new(Self(slots));
        for one in series {
            table.insert(one);
        }
        table
    }

    /// Publishes a series. There is always room: the table is at most half full.
    fn insert(&self, series: &Arc<Series<C>>) {
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

/// An unlinked table and the removed series, which a pinned thread may still read.
type Unlinked<C> = (Box<Slots<C>>, Vec<Arc<Series<C>>>);

/// The table that is current.
#[derive(Debug)]
pub(crate) struct Table<C> {
    slots: AtomicPtr<Slots<C>>,
}

impl<C> Table<C> {
    pub(crate) fn new() -> Self {
        Self { slots: AtomicPtr::new(Box::into_raw(Slots::from_series(&[], 8))) }
    }

    /// The series with this hash that `is_match` accepts; good as long as the pin.
    #[inline(always)]
    pub(crate) fn find<'p>(
        &self,
        hash: u64,
        is_match: impl Fn(&Series<C>) -> bool,
        _pin: &'p Pin,
    ) -> Option<SeriesRef<'p, C>> {
        // SAFETY: the table that was current when the thread was pinned is freed only after the pin.
        let slots = unsafe { &*self.slots.load(Acquire) };
        let mask = slots.0.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let pointer = slots.0.get(at)?.load(Acquire).cast_const();
            // SAFETY: a published series lives as long as the table's pins.
            if is_match(unsafe { pointer.as_ref() }?) {
                return Some(SeriesRef { pointer, owner: PhantomData });
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
            all.last().into_iter().for_each(|series| slots.insert(series));
            return None;
        }
        Some(self.replace(all, Vec::new()))
    }

    /// Replaces the table by one of the series in `all`, without those in `removed`. The caller holds the family's
    /// lock.
    pub(crate) fn replace(
        &self,
        all: &[Arc<Series<C>>],
        removed: Vec<Arc<Series<C>>>,
    ) -> Retired<Unlinked<C>> {
        let capacity = (all.len() * 2).next_power_of_two().max(8);
        let new = Box::into_raw(Slots::from_series(all, capacity));
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

/// A reference to a series that a pin, or a borrow of its owner, keeps alive.
///
/// It is the pointer that `Arc::as_ptr` gave: one made of a reference to the series may not reach the
/// counts that lie beside it.
#[derive(Debug)]
pub(crate) struct SeriesRef<'a, C> {
    pointer: *const Series<C>,
    owner: PhantomData<&'a Series<C>>,
}

impl<'a, C> SeriesRef<'a, C> {
    pub(super) fn owned_by(owner: &'a Arc<Series<C>>) -> Self {
        Self { pointer: Arc::as_ptr(owner), owner: PhantomData }
    }

    /// Another owner, which leaves the count of owners alone: to be used no longer than `'a`.
    #[inline]
    pub(super) fn borrow_arc(&self) -> ManuallyDrop<Arc<Series<C>>> {
        // SAFETY: the pointer comes from an `Arc` that lives as long as `'a`, and `ManuallyDrop` leaves
        // its count alone.
        ManuallyDrop::new(unsafe { Arc::from_raw(self.pointer) })
    }
}

impl<C> Deref for SeriesRef<'_, C> {
    type Target = Series<C>;

    #[inline(always)]
    fn deref(&self) -> &Series<C> {
        // SAFETY: it lives as long as `'a`.
        unsafe { &*self.pointer }
    }
}

pub(crate) type RetiredTable<C> = Retired<Unlinked<C>>;
