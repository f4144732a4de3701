//! What a view shows.

use crate::top::tally::Tally;
use crate::top::threads::Thread;

/// What is shown.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) pid: i32,
    pub(crate) program: String,
    pub(crate) rate: u32,
    pub(crate) tally: Tally,
    pub(crate) threads: Vec<Thread>,
}
