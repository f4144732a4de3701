//! One moment of a service: its state and its checks' verdicts, read once so that they agree.

use std::sync::Arc;

use crate::entry::Entry;
use crate::state::State;
use crate::status::Verdict;

pub(crate) struct Snapshot {
    pub(crate) state: State,
    pub(crate) checks: Vec<(Arc<Entry>, Verdict)>,
}
