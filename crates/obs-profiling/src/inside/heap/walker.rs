//! The stack of the thread that allocates. Nobody waits for anybody: where all walkers are at work, there
//! is no sample.

use std::sync::{Arc, Mutex, PoisonError};

use crate::arch::Registers;
use crate::attach::code::Code;
use crate::attach::unwind::{Addresses, Cache, Captured, unwind};
use crate::error::Error;
use crate::inside::copying::{Copying, STACK};
use crate::inside::error::Kind;

const WALKER_COUNT: usize = 8;

static WALKERS: [Mutex<Option<Walker>>; WALKER_COUNT] = [const { Mutex::new(None) }; WALKER_COUNT];

struct Walker {
    code: Arc<Code>,
    copying: Arc<Copying>,
    cache: Cache,
    stack: Box<[u8; STACK]>,
}

/// Reads which code is mapped: libraries that are loaded later are not known until the next time.
pub(super) fn prepare() -> Result<Arc<Code>, Error> {
    let pid = std::process::id().cast_signed();
    let code = Arc::new(Code::of(pid)?);
    let copying = Copying::of_this_process();
    let copying = Arc::new(copying.map_err(|source| Error::from(Kind::Copy { source }))?);
    for walker in &WALKERS {
        let (code, copying) = (Arc::clone(&code), Arc::clone(&copying));
        let new = Walker { code, copying, cache: Cache::new(), stack: Box::new([0; STACK]) };
        *walker.lock().unwrap_or_else(PoisonError::into_inner) = Some(new);
    }
    Ok(code)
}

#[inline(never)]
pub(super) fn walk() -> Option<Addresses> {
    let mut free = WALKERS.iter().filter_map(|walker| walker.try_lock().ok());
    let mut walker = free.next()?;
    let Walker { code, copying, cache, stack } = walker.as_mut()?;
    let registers = Registers::here();
    let count = copying.copy(registers.stack_pointer(), stack);
    let captured = Captured { registers, stack: stack.get(..count)? };
    Some(unwind(code.unwinder(), cache, &captured))
}
