//! The joins: each one is an assertion, and a broken one says what was expected.

use std::fmt::Display;
use std::time::Duration;

use serde_json::{Value, json};

use crate::demo::print::Printer;
use crate::error::Failure;

/// All joins that were looked at.
#[derive(Default)]
pub(crate) struct Joins {
    checked: Vec<Join>,
}

struct Join {
    what: String,
    expected: String,
    found: String,
    holds: bool,
}

impl Joins {
    /// Expects these two to be the same.
    pub(crate) fn same(&mut self, what: &str, expected: impl Display, found: impl Display) {
        let (expected, found) = (expected.to_string(), found.to_string());
        let holds = expected == found;
        self.checked.push(Join { what: what.to_owned(), expected, found, holds });
    }

    /// Expects this to hold; `found` tells what was seen.
    pub(crate) fn holds(&mut self, what: &str, holds: bool, expected: &str, found: impl Display) {
        let (expected, found) = (expected.to_owned(), found.to_string());
        self.checked.push(Join { what: what.to_owned(), expected, found, holds });
    }

    pub(crate) fn broken(&self) -> usize {
        self.checked.iter().filter(|join| !join.holds).count()
    }

    pub(crate) fn json(&self) -> Value {
        let join = |join: &Join| {
            json!({
                "what": join.what,
                "holds": join.holds,
                "expected": join.expected,
                "found": join.found,
            })
        };
        self.checked.iter().map(join).collect()
    }

    /// Prints every join, and fails when one is broken.
    pub(crate) fn verdict(&self, printer: &Printer, took: Duration) -> Result<(), Failure> {
        let (all, broken) = (self.checked.len(), self.broken());
        printer.heading(
            "JOINS",
            &format!("{all} checked, {broken} broken, in {:.0} s", took.as_secs_f64()),
        );
        for join in &self.checked {
            match join.holds {
                true => printer.row(&format!("{} {}", printer.good("✓"), join.what)),
                false => {
                    printer.row(&format!("{} {}", printer.bad("✗"), join.what));
                    printer.row(&format!("    expected {}", join.expected));
                    printer.row(&format!("    found    {}", join.found));
                }
            }
        }
        let broken: Vec<_> = self.checked.iter().filter(|join| !join.holds).collect();
        match broken.first() {
            None => Ok(()),
            Some(first) => Err(Failure::new(format!(
                "{} of {all} joins broken; the first: {}: expected {}, found {}",
                broken.len(),
                first.what,
                first.expected,
                first.found
            ))),
        }
    }
}
