//! The stacks of this very process.

use crate::attach::code::Code;
use crate::attach::dump::{
    Dump, NoStackReason, ThreadCapture, capture_threads, nonstop, unwound, with_names,
};
use crate::attach::files::Files;
use crate::attach::maps;
use crate::attach::unwind::{Addresses, Cache, Captured, unwind};
use crate::error::Error;
use crate::inside::asking;
use crate::inside::signal;
use crate::inside::timers::{blocks_signal, own_tid};

/// Reads every thread's stack of this very process, without stopping any: those that wait are read as they
/// are, those that run are asked.
///
/// They are asked by SIGPROF, whose handler copies registers and up to 16 KiB of stack, as that of
/// [`CpuProfiler`](crate::CpuProfiler) does, and beside it. A thread that does not answer within 100 ms is
/// listed as [running](NoStackReason::Running); so are threads that block the signal, and all that run where it
/// has another handler.
///
/// # Errors
///
/// When `/proc` cannot be read.
pub fn dump_own() -> Result<Dump, Error> {
    let pid = std::process::id().cast_signed();
    let mappings = maps::of(pid)?;
    let code = Code::mapped(pid, &mappings, &mut Files::default());
    // `/proc` says of the thread that reads it that it waits: for this very read.
    let asker = own_tid();
    // Before the first capture: a thread that answers another dump would be read as one that waits.
    let turn = asking::turn();
    let observed = capture_threads(pid, |tid| match tid == asker {
        true => Ok(ThreadCapture::without_stack(NoStackReason::Running)),
        false => Ok(nonstop(pid, tid, &mappings)),
    })?;
    let mut observed = unwound(pid, &code, observed);
    // A profile's handler waits where it has the kernel copy a stack: its thread does not.
    let mut asked = Vec::new();
    for thread in &mut observed {
        let is_in_handler =
            thread.addresses.as_ref().is_ok_and(|stack| is_in_handler(&code, stack));
        if is_in_handler {
            thread.addresses = Err(NoStackReason::Running);
        }
        // While the handler is at work, it blocks the signal.
        if thread.addresses.is_err() && (is_in_handler || !blocks_signal(pid, thread.tid)) {
            asked.push(thread.tid);
        }
    }
    let mut answers = turn.map(|turn| asking::ask(pid, asked, &turn)).unwrap_or_default();
    let mut cache = Cache::new();
    for thread in &mut observed {
        if let Some((registers, stack)) = answers.remove(&thread.tid) {
            let captured = Captured { registers, stack: &stack };
            thread.addresses = Ok(unwind(code.unwinder(), &mut cache, &captured));
        }
    }
    Ok(with_names(pid, &code, observed))
}

fn is_in_handler(code: &Code, stack: &Addresses) -> bool {
    let handler = signal::handler();
    // An address is inside the instruction, the one after it is in the same function.
    let begins = |address: &u64| code.function_before(address.saturating_add(1));
    stack.frames.iter().any(|address| begins(address) == Some(handler))
}
