//! Application code that panics, fails or never ends.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test")]

use std::cell::Cell;
use std::fmt::{self, Display, Write as _};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use obs_guard::{Formatted, Place, panics, write_debug, write_display};
use proptest::prelude::*;

/// Writes `a` for ever and counts how often it was let.
struct Endless<'a>(&'a Cell<usize>);

impl Display for Endless<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        loop {
            self.0.set(self.0.get() + 1);
            f.write_str("aaaaaaaa")?;
        }
    }
}

/// Goes on after the error that should stop it, up to a million times.
struct Deaf;

impl Display for Deaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for _ in 0..1_000_000 {
            let _ignored = f.write_char('b');
        }
        Ok(())
    }
}

struct Failing;

impl fmt::Debug for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("before ")?;
        Err(fmt::Error)
    }
}

struct Panicking;

impl Display for Panicking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("before ")?;
        panic!("in Display")
    }
}

/// A payload whose drop panics with another of its kind.
struct Bomb(u8);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 > 0 {
            std::panic::panic_any(Bomb(self.0 - 1));
        }
    }
}

#[test]
fn panicking_call_returns_none_and_is_counted() {
    static HERE: Place = Place::new("test.call");
    assert_eq!(HERE.call(|| 1), Some(1));
    assert_eq!(HERE.call(|| -> u8 { panic!("one") }), None);
    assert_eq!(HERE.call(|| -> u8 { panic!("two") }), None);
    assert_eq!(HERE.panics(), 2);
    assert!(panics().any(|place| place == ("test.call", 2)));
}

#[test]
fn payload_panicking_on_drop_does_not_unwind() {
    static HERE: Place = Place::new("test.payload");
    assert_eq!(HERE.call(|| std::panic::panic_any(Bomb(3))), None::<()>);
    assert_eq!(HERE.panics(), 1);
}

#[test]
fn panicking_drop_is_counted() {
    static HERE: Place = Place::new("test.drop");
    HERE.drop(Bomb(1));
    assert_eq!(HERE.panics(), 1);
}

#[test]
fn panicking_poll_is_ready_with_none() {
    static HERE: Place = Place::new("test.poll");
    let mut context = Context::from_waker(Waker::noop());
    let future = pin!(async { panic!("polled") });
    let polled: Poll<Option<()>> = HERE.poll(future, &mut context);
    assert_eq!(polled, Poll::Ready(None));
    let pending = pin!(std::future::pending::<()>());
    assert_eq!(
        HERE.poll(pending as std::pin::Pin<&mut dyn Future<Output = ()>>, &mut context),
        Poll::Pending
    );
}

#[test]
fn endless_display_is_stopped_at_limit() {
    let writes = Cell::new(0);
    let mut text = String::new();
    assert_eq!(write_display(&mut text, &Endless(&writes), 1000), Formatted::Truncated);
    assert_eq!(text, "a".repeat(1000) + "…");
    assert_eq!(writes.get(), 126);
}

#[test]
fn display_ignoring_errors_writes_nothing_past_limit() {
    let mut text = String::new();
    assert_eq!(write_display(&mut text, &Deaf, 10), Formatted::Truncated);
    assert_eq!(text, "bbbbbbbbbb…");
}

#[test]
fn failing_debug_is_marked() {
    let mut text = String::from("kept ");
    assert_eq!(write_debug(&mut text, &Failing, 100), Formatted::Failed);
    assert_eq!(text, format!("kept before {}", Formatted::Failed.mark()));
}

#[test]
fn panicking_display_is_marked() {
    let mut text = String::new();
    assert_eq!(write_display(&mut text, &Panicking, 100), Formatted::Panicked);
    assert_eq!(text, format!("before {}", Formatted::Panicked.mark()));
}

proptest! {
    #[test]
    fn arbitrary_text_is_truncated_at_boundary(text in ".*", limit in 0_usize..64) {
        let mut out = String::new();
        let formatted = write_display(&mut out, &text, limit);
        if text.len() <= limit {
            prop_assert_eq!(formatted, Formatted::Whole);
            prop_assert_eq!(out, text);
        } else {
            prop_assert_eq!(formatted, Formatted::Truncated);
            let kept = out.strip_suffix('…').unwrap();
            prop_assert!(text.starts_with(kept));
            prop_assert!(kept.len() <= limit && kept.len() + 4 > limit);
        }
    }
}
