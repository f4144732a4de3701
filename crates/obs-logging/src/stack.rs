//! The stack of where a line was written, on demand.

use std::fmt::{self, Write};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use obs_guard::random_u64;

use crate::encode::escape::escape;

/// Calls of one stack.
const MAX_FRAMES: usize = 64;
/// Bytes of one stack's text.
const MAX_TEXT_BYTES: usize = 16 * 1024;

/// Whether any line may have a stack: until then no line is looked through.
static HAS_STACKS: AtomicBool = AtomicBool::new(false);

/// What stands before the addresses in a line: another one in every process, so that no text of somebody
/// else's is taken for a stack.
static HEAD: LazyLock<String> = LazyLock::new(|| format!("stack-{:016x}[", random_u64()));

/// The calls that led to a line: made by [`stack()`].
pub struct Stack(Vec<usize>);

/// The stack of the caller, for a field: `info!(stack = ?obs_logging::stack(), "odd")`. What structlog calls
/// `stack_info`.
///
/// It costs a few microseconds on the calling thread, which notes addresses; names and lines are looked up by
/// the thread that writes the log, which takes it milliseconds, and the first time as long as the program's
/// debug information is large. At most 64 calls and 16 KiB. Whatever else reads the field, as another layer or
/// a collector, sees the addresses; with `%` in place of `?` it is text at once, looked up by the caller.
pub fn stack() -> Stack {
    let mut addresses = Vec::with_capacity(MAX_FRAMES);
    backtrace::trace(|frame| {
        addresses.push(frame.ip() as usize);
        addresses.len() < MAX_FRAMES
    });
    Stack(addresses)
}

/// The addresses: what the thread that writes makes a text of.
impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        HAS_STACKS.store(true, Ordering::Relaxed);
        f.write_str(&HEAD)?;
        for (at, address) in self.0.iter().enumerate() {
            write!(f, "{}{address:x}", if at > 0 { " " } else { "" })?;
        }
        f.write_char(']')
    }
}

/// The calls, one a line.
impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&resolved(&self.0))
    }
}

/// The lines with the stacks as text, and where each ends then; none where there are no stacks.
#[inline]
pub(crate) fn with_text(bytes: &[u8], ends: &[u32]) -> Option<(Vec<u8>, Vec<u32>)> {
    if !HAS_STACKS.load(Ordering::Relaxed) { None } else { replaced(bytes, ends) }
}

#[cold]
fn replaced(bytes: &[u8], ends: &[u32]) -> Option<(Vec<u8>, Vec<u32>)> {
    find(bytes)?;
    let (mut out, mut new_ends) = (Vec::with_capacity(2 * bytes.len()), Vec::new());
    let mut start = 0;
    for end in ends {
        let mut line = bytes.get(start..*end as usize).unwrap_or_default();
        start = *end as usize;
        let is_json = line.first() == Some(&b'{');
        while let Some((at, length, addresses)) = find(line) {
            out.extend_from_slice(line.get(..at).unwrap_or_default());
            let text = resolved(&addresses);
            if is_json {
                escape(&mut out, &text);
            } else {
                text.lines()
                    .for_each(|call| out.extend_from_slice(format!("\n    {call}").as_bytes()));
            }
            line = line.get(at + length..).unwrap_or_default();
        }
        out.extend_from_slice(line);
        new_ends.push(u32::try_from(out.len()).ok()?);
    }
    Some((out, new_ends))
}

/// Where the first stack is, how long it is there, and its addresses.
fn find(line: &[u8]) -> Option<(usize, usize, Vec<usize>)> {
    let head = HEAD.as_bytes();
    let at = line.windows(head.len()).position(|window| window == head)?;
    let inside = line.get(at + head.len()..)?;
    let length = inside.iter().position(|byte| *byte == b']')?;
    let addresses = std::str::from_utf8(inside.get(..length)?).ok()?;
    let addresses = addresses.split(' ').filter_map(|text| usize::from_str_radix(text, 16).ok());
    Some((at, head.len() + length + 1, addresses.collect()))
}

/// `orders::checkout at src/orders.rs:42`, one a line, without what took the stack and what began the thread.
fn resolved(addresses: &[usize]) -> String {
    let mut calls: Vec<String> = Vec::new();
    for address in addresses {
        let known = calls.len();
        // The address is where the call returns to: the call itself is before it.
        let call = address.saturating_sub(1) as *mut std::ffi::c_void;
        backtrace::resolve(call, |symbol| {
            let mut call = match symbol.name() {
                Some(name) => format!("{name:#}"), // without the hash
                None => format!("{address:#x}"),
            };
            if let (Some(file), Some(line)) = (symbol.filename(), symbol.lineno()) {
                let _infallible = write!(call, " at {}:{line}", file.display());
            }
            calls.push(call);
        });
        if calls.len() == known {
            calls.push(format!("{address:#x}"));
        }
    }
    let took =
        |call: &String| call.starts_with("backtrace::") || call.contains("obs_logging::stack");
    let first = calls.iter().rposition(took).map_or(0, |at| at + 1);
    let below = |call: &String| call.contains("__rust_begin_short_backtrace");
    let last = calls.iter().position(below).filter(|at| *at > first).unwrap_or(calls.len());
    let mut text = calls.get(first..last).unwrap_or_default().join("\n");
    text.truncate(obs_guard::truncated(&text, MAX_TEXT_BYTES).len());
    text
}
