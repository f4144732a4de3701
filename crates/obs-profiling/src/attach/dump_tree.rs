//! The stacks of a process and of those that it has started.

use crate::attach::dump::{Dump, Method, dump};
use crate::attach::{threads, tree};
use crate::error::Error;

/// One process of [`dump_tree`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its name.
    pub name: String,
    /// Its threads, or why it could not be looked into: it is a zombie, another user's, or is traced.
    pub dump: Result<Dump, Error>,
}

/// As [`dump`], of the process and all that descend from it, one after the other, each after its parent.
/// Those that end meanwhile are left out.
///
/// # Errors
///
/// When the process itself cannot be looked into, as [`dump`] says. What is wrong with one that descends
/// from it stands in its place.
pub fn dump_tree(pid: i32, method: Method) -> Result<Vec<Process>, Error> {
    let mut processes = vec![Process::of(pid, Ok(dump(pid, method)?))];
    for child in tree::of(pid).into_iter().skip(1) {
        let dump = dump(child, method);
        let is_zombie = || threads::check(child).is_err_and(|error| error.is_gone());
        if !dump.as_ref().is_err_and(Error::is_gone) || is_zombie() {
            processes.push(Process::of(child, dump));
        }
    }
    Ok(processes)
}

impl Process {
    fn of(pid: i32, dump: Result<Dump, Error>) -> Self {
        Self { pid, name: threads::name(pid, pid), dump }
    }
}
