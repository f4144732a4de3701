//! What is known of each process that is sampled: which code it has, and what its threads are called.

use std::collections::HashMap;
use std::sync::Arc;

use crate::attach::code::Code;
use crate::attach::files::Files;
use crate::attach::maps;
use crate::attach::perf::{Change, What};
use crate::attach::threads;
use crate::error::Error;

/// Processes that are known at once; what further ones do is counted as lost.
const MAX_PROCESSES: usize = 8_192;

/// A process from its start, or from one `exec`, to its end or to the next.
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) name: Arc<str>,
    /// Shared with the process that it was forked from, until one of them maps something.
    pub(crate) code: Arc<Code>,
    threads: HashMap<i32, Thread>,
    /// By the kernel's clock: nanoseconds.
    since: u64,
    /// It has ended, or executes another program.
    is_over: bool,
    /// Since the last call of [`Processes::forget`].
    is_sampled: bool,
}

struct Thread {
    name: Arc<str>,
    has_ended: bool,
    is_sampled: bool,
}

/// The number of a [`Process`], which no other has before or after it.
pub(crate) type Id = u64;

pub(crate) struct Processes {
    root: i32,
    /// Whether those that the first one starts are wanted, too.
    with_children: bool,
    known: HashMap<Id, Process>,
    /// The processes that have had this id, in the order of time.
    by_pid: HashMap<i32, Vec<Id>>,
    next: Id,
    files: Files,
}

impl Processes {
    pub(crate) fn new(root: i32, with_children: bool) -> Self {
        Self {
            root,
            with_children,
            known: HashMap::new(),
            by_pid: HashMap::new(),
            next: 0,
            files: Files::default(),
        }
    }

    /// Takes in a process that runs already.
    pub(crate) fn add(&mut self, pid: i32) -> Result<(), Error> {
        let code = Code::mapped(pid, &maps::of(pid)?, &mut self.files);
        let mut process = Process::new(pid, threads::name(pid, pid).into(), code.into(), 0);
        for tid in threads::of(pid)? {
            process.threads.insert(tid, Thread::new(threads::name(pid, tid).into()));
        }
        self.insert(process);
        Ok(())
    }

    /// Takes in a process that executes nothing yet.
    pub(crate) fn add_new(&mut self, pid: i32) {
        let code = Code::mapped(pid, &[], &mut self.files);
        self.insert(Process::new(pid, "".into(), code.into(), 0));
    }

    /// Applies a change that the kernel reports, in the order of time.
    pub(crate) fn change(&mut self, change: Change) {
        let Change { pid, tid, time, what } = change;
        if !self.is_wanted(pid) {
            return;
        }
        match what {
            What::Started { by, by_tid } => {
                let parent = self.at(by, time);
                let name = parent.and_then(|parent| parent.threads.get(&by_tid));
                let name = name.map(|thread| Arc::clone(&thread.name));
                match (by == pid, parent) {
                    // One that is not known is read when it is sampled.
                    (_, None) => {}
                    (true, Some(_)) => {
                        if let (Some(process), Some(name)) = (self.last(pid), name) {
                            process.threads.insert(tid, Thread::new(name));
                        }
                    }
                    (false, Some(parent)) => {
                        let name = name.unwrap_or_else(|| Arc::clone(&parent.name));
                        let code = Arc::clone(&parent.code);
                        let mut child = Process::new(pid, Arc::clone(&name), code, time);
                        child.threads.insert(tid, Thread::new(name));
                        self.insert(child);
                    }
                }
            }
            What::Executes(name) => {
                let code = Code::mapped(pid, &[], &mut self.files);
                let name: Arc<str> = name.into();
                let mut process = Process::new(pid, Arc::clone(&name), code.into(), time);
                process.threads.insert(tid, Thread::new(name));
                self.insert(process);
            }
            What::Named(name) => {
                let Some(process) = self.last(pid) else { return };
                let name: Arc<str> = name.into();
                if tid == pid {
                    process.name = Arc::clone(&name);
                }
                process.threads.entry(tid).or_insert_with(|| Thread::new("".into())).name = name;
            }
            What::Mapped(mapping) => {
                let Some(id) = self.by_pid.get(&pid).and_then(|ids| ids.last()) else { return };
                let Some(process) = self.known.get_mut(id) else { return };
                let code = Arc::make_mut(&mut process.code);
                code.set_pid(pid);
                code.map(mapping, &mut self.files);
            }
            What::Ended => {
                let Some(process) = self.last(pid) else { return };
                process.is_over |= tid == pid;
                if let Some(thread) = process.threads.get_mut(&tid) {
                    thread.has_ended = true;
                }
            }
        }
    }

    /// The process that a sample is of; `None` where it is not wanted, or there are too many.
    pub(crate) fn sampled(&mut self, pid: i32, tid: i32, time: u64) -> Option<(Id, Arc<Code>)> {
        if !self.is_wanted(pid) {
            return None;
        }
        let id = match self.id_at(pid, time) {
            Some(id) => id,
            // It was started by one that is not known, or that was lost among too many records.
            None if self.known.len() >= MAX_PROCESSES => return None,
            None => {
                if self.add(pid).is_err() {
                    self.add_new(pid);
                }
                self.id_at(pid, time)?
            }
        };
        let process = self.known.get_mut(&id)?;
        process.is_sampled = true;
        let thread = process.threads.entry(tid);
        let thread = thread.or_insert_with(|| Thread::new(threads::name(pid, tid).into()));
        thread.is_sampled = true;
        Some((id, Arc::clone(&process.code)))
    }

    pub(crate) fn has_children(&self) -> bool {
        self.with_children
    }

    pub(crate) fn is_wanted(&self, pid: i32) -> bool {
        pid == self.root || self.with_children
    }

    pub(crate) fn get(&self, id: Id) -> Option<&Process> {
        self.known.get(&id)
    }

    /// Lets go of those that are over and have no samples that were not taken yet.
    pub(crate) fn clear(&mut self) {
        let known = &mut self.known;
        known.retain(|_, process| process.is_sampled || !process.is_over);
        for process in known.values_mut() {
            process.threads.retain(|_, thread| thread.is_sampled || !thread.has_ended);
        }
        self.by_pid.retain(|_, ids| {
            ids.retain(|id| known.contains_key(id));
            !ids.is_empty()
        });
    }

    /// All samples have been taken.
    pub(crate) fn forget(&mut self) {
        for process in self.known.values_mut() {
            process.is_sampled = false;
            process.threads.values_mut().for_each(|thread| thread.is_sampled = false);
        }
        self.clear();
    }

    fn insert(&mut self, process: Process) {
        let ids = self.by_pid.entry(process.pid).or_default();
        if let Some(before) = ids.last().and_then(|id| self.known.get_mut(id)) {
            before.is_over = true;
        }
        if self.known.len() < MAX_PROCESSES {
            ids.push(self.next);
            self.known.insert(self.next, process);
            self.next += 1;
        }
    }

    fn id_at(&self, pid: i32, time: u64) -> Option<Id> {
        let ids = self.by_pid.get(&pid)?;
        let began = |id: &&Id| self.known.get(id).is_some_and(|process| process.since <= time);
        // Records of one moment may be read in another order.
        ids.iter().rev().find(began).or(ids.first()).copied()
    }

    fn at(&self, pid: i32, time: u64) -> Option<&Process> {
        self.known.get(&self.id_at(pid, time)?)
    }

    fn last(&mut self, pid: i32) -> Option<&mut Process> {
        self.known.get_mut(self.by_pid.get(&pid)?.last()?)
    }
}

impl Process {
    fn new(pid: i32, name: Arc<str>, code: Arc<Code>, since: u64) -> Self {
        let threads = HashMap::new();
        Self { pid, name, code, threads, since, is_over: false, is_sampled: false }
    }

    pub(crate) fn thread(&self, tid: i32) -> &str {
        self.threads.get(&tid).map_or("", |thread| &thread.name)
    }
}

impl Thread {
    fn new(name: Arc<str>) -> Self {
        Self { name, has_ended: false, is_sampled: false }
    }
}
