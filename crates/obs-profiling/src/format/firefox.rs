//! The Firefox Profiler's processed format, version 48:
//! <https://github.com/firefox-devtools/profiler/blob/main/docs-developer/CHANGELOG-formats.md>.
//!
//! Its samples have times, ours are sums: each stack of a thread is one sample that weighs as much as it
//! was found, one after the other, the most frequent first.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use crate::profile::{Profile, Sample};
use crate::stack::Frame;

/// Numbers of the categories in [`categories`].
const PROGRAM: usize = 1;
const RUNTIME: usize = 2;

pub(super) fn write(profile: &Profile, mut to: impl Write) -> io::Result<()> {
    let mut threads: BTreeMap<(i32, i32), Vec<&Sample>> = BTreeMap::new();
    for sample in &profile.samples {
        threads.entry(ids(sample)).or_default().push(sample);
    }
    let milliseconds = profile.period.as_secs_f64() * 1e3;
    // The busiest is shown first.
    let busiest = profile.samples.first().map(ids);
    let threads: Vec<Value> = threads
        .iter()
        .map(|(ids, samples)| thread(*ids, busiest == Some(*ids), samples, milliseconds))
        .collect();
    let begun = profile.begun.duration_since(UNIX_EPOCH).unwrap_or_default();
    let document = json!({
        "meta": {
            "preprocessedProfileVersion": 48,
            "version": 24,
            "processType": 0,
            "product": "obs-profile",
            "startTime": begun.as_secs_f64() * 1e3,
            "interval": milliseconds,
            "sampleUnits": {"time": "ms", "eventDelay": "ms", "threadCPUDelta": "µs"},
            "categories": categories(),
            "markerSchema": [],
            "extensions": {"length": 0, "baseURL": [], "id": [], "name": []},
            "pausedRanges": [],
            "debug": false,
            "symbolicated": true,
            "usesOnlyOneStackType": true,
            "doesNotUseFrameImplementation": true,
            "sourceCodeIsNotOnSearchfox": true,
        },
        "libs": [],
        "pages": [],
        "profilerOverhead": [],
        "counters": [],
        "threads": threads,
    });
    serde_json::to_writer(&mut to, &document)?;
    to.flush()
}

fn ids(sample: &Sample) -> (i32, i32) {
    (sample.pid, sample.tid)
}

fn categories() -> Value {
    let category =
        |name: &str, color: &str| json!({"name": name, "color": color, "subcategories": ["Other"]});
    json!([
        category("Other", "grey"),
        category("Program", "yellow"),
        category("Runtime", "lightblue")
    ])
}

fn thread((pid, tid): (i32, i32), is_first: bool, samples: &[&Sample], milliseconds: f64) -> Value {
    let mut tables = Tables::default();
    let stacks: Vec<Option<usize>> = samples.iter().map(|sample| tables.stack(sample)).collect();
    let weights: Vec<u64> = samples.iter().map(|sample| sample.count).collect();
    let mut before = 0;
    let times: Vec<f64> = weights
        .iter()
        .map(|weight| {
            let time = before as f64 * milliseconds;
            before += weight;
            time
        })
        .collect();
    let mut table = tables.into_json();
    let own = json!({
        "name": samples.first().map_or("", |sample| &sample.thread),
        "tid": tid,
        "pid": pid.to_string(),
        "isMainThread": is_first,
        "processName": samples.first().map_or("", |sample| &sample.process),
        "processType": "default",
        "processStartupTime": 0,
        "processShutdownTime": null,
        "registerTime": 0,
        "unregisterTime": null,
        "pausedRanges": [],
        "samples": {
            "length": samples.len(),
            "stack": stacks,
            "time": times,
            "weight": weights,
            "weightType": "samples",
        },
        "markers": {
            "length": 0,
            "category": [],
            "data": [],
            "endTime": [],
            "name": [],
            "phase": [],
            "startTime": [],
        },
        "nativeSymbols": {
            "length": 0,
            "address": [],
            "functionSize": [],
            "libIndex": [],
            "name": [],
        },
    });
    if let (Value::Object(table), Value::Object(own)) = (&mut table, own) {
        table.extend(own);
    }
    table
}

/// A thread's tables: each row once, referred to by its number.
#[derive(Default)]
struct Tables {
    strings: Rows<String>,
    /// Names of modules.
    resources: Rows<usize>,
    /// Name, file and resource.
    functions: Rows<(usize, Option<usize>, Option<usize>)>,
    /// Function, line, depth of inlining and category.
    frames: Rows<(usize, Option<u32>, usize, usize)>,
    /// Caller and frame.
    stacks: Rows<(Option<usize>, usize)>,
}

impl Tables {
    fn stack(&mut self, sample: &Sample) -> Option<usize> {
        let mut caller = None;
        if !sample.stack.is_complete {
            let name = self.strings.number("[truncated]".to_owned());
            let function = self.functions.number((name, None, None));
            let frame = self.frames.number((function, None, 0, 0));
            caller = Some(self.stacks.number((caller, frame)));
        }
        let mut depth = 0;
        for frame in sample.stack.frames.iter().rev() {
            depth = if frame.is_inlined { depth + 1 } else { 0 };
            let frame = self.frame(frame, depth);
            caller = Some(self.stacks.number((caller, frame)));
        }
        caller
    }

    fn frame(&mut self, frame: &Frame, depth: usize) -> usize {
        let name = self.strings.number(frame.function.to_string());
        let file = frame.place.as_ref().map(|(file, _)| self.strings.number(file.to_string()));
        let module = Some(&frame.module).filter(|module| !module.is_empty());
        let resource = module.map(|module| {
            let name = self.strings.number(module.to_string());
            self.resources.number(name)
        });
        let function = self.functions.number((name, file, resource));
        let category = if frame.is_runtime() { RUNTIME } else { PROGRAM };
        self.frames.number((function, frame.place.as_ref().map(|(_, line)| *line), depth, category))
    }

    fn into_json(self) -> Value {
        const LIBRARY: usize = 1;
        let (frames, functions) = (&self.frames, &self.functions);
        json!({
            "stringArray": self.strings.all,
            "resourceTable": {
                "length": self.resources.all.len(),
                "lib": self.resources.column(|_| None::<usize>),
                "name": self.resources.all,
                "host": self.resources.column(|_| None::<usize>),
                "type": self.resources.column(|_| LIBRARY),
            },
            "funcTable": {
                "length": functions.all.len(),
                "name": functions.column(|function| function.0),
                "isJS": functions.column(|_| false),
                "relevantForJS": functions.column(|_| false),
                "resource": functions.column(|function| function.2.map_or(-1, |it| it as i64)),
                "fileName": functions.column(|function| function.1),
                "lineNumber": functions.column(|_| None::<u32>),
                "columnNumber": functions.column(|_| None::<u32>),
            },
            "frameTable": {
                "length": frames.all.len(),
                "address": frames.column(|_| -1),
                "inlineDepth": frames.column(|frame| frame.2),
                "category": frames.column(|frame| frame.3),
                "subcategory": frames.column(|_| 0),
                "func": frames.column(|frame| frame.0),
                "nativeSymbol": frames.column(|_| None::<usize>),
                "innerWindowID": frames.column(|_| None::<usize>),
                "implementation": frames.column(|_| None::<usize>),
                "line": frames.column(|frame| frame.1),
                "column": frames.column(|_| None::<u32>),
            },
            "stackTable": {
                "length": self.stacks.all.len(),
                "prefix": self.stacks.column(|stack| stack.0),
                "frame": self.stacks.column(|stack| stack.1),
                "category": self.stacks.column(|stack| frames.all.get(stack.1).map_or(0, |it| it.3)),
                "subcategory": self.stacks.column(|_| 0),
            },
        })
    }
}

/// Different rows in the order in which they came.
struct Rows<T> {
    all: Vec<T>,
    numbers: HashMap<T, usize>,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { all: Vec::new(), numbers: HashMap::new() }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Rows<T> {
    fn number(&mut self, row: T) -> usize {
        if let Some(number) = self.numbers.get(&row) {
            return *number;
        }
        self.all.push(row.clone());
        self.numbers.insert(row, self.all.len() - 1);
        self.all.len() - 1
    }

    fn column<V>(&self, value: impl Fn(&T) -> V) -> Vec<V> {
        self.all.iter().map(value).collect()
    }
}
