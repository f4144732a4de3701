//! speedscope's JSON: <https://www.speedscope.app/file-format-schema.json>, a sampled profile a thread.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::profile::{Profile, Sample};
use crate::stack::Frame;

pub(super) fn write(profile: &Profile, mut to: impl Write) -> io::Result<()> {
    let mut frames = Frames::default();
    let with_process = profile.is_of_several();
    let mut threads: BTreeMap<(i32, i32), Vec<&Sample>> = BTreeMap::new();
    for sample in &profile.samples {
        threads.entry((sample.pid, sample.tid)).or_default().push(sample);
    }
    let period = profile.period.as_nanos() as u64;
    let profiles: Vec<Value> = threads
        .iter()
        .map(|((pid, tid), samples)| {
            let weights: Vec<u64> =
                samples.iter().map(|sample| sample.count.saturating_mul(period)).collect();
            let stacks: Vec<Vec<usize>> = samples
                .iter()
                .map(|sample| sample.stack.frames.iter().rev().map(|it| frames.id(it)).collect())
                .collect();
            let name = samples.first().map_or("", |sample| &sample.thread);
            let process = match samples.first() {
                Some(sample) if with_process => format!("{} ({pid}) ", sample.process),
                _ => String::new(),
            };
            json!({
                "type": "sampled",
                "name": format!("{process}{name} ({tid})"),
                "unit": "nanoseconds",
                "startValue": 0,
                "endValue": weights.iter().sum::<u64>(),
                "samples": stacks,
                "weights": weights,
            })
        })
        .collect();
    let document = json!({
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": concat!("obs-profile ", env!("CARGO_PKG_VERSION")),
        "shared": {"frames": frames.all},
        "profiles": profiles,
    });
    serde_json::to_writer(&mut to, &document)?;
    to.flush()
}

/// Function, file and line.
type Key = (Arc<str>, Arc<str>, Option<u32>);

/// Each frame once; the place is its number.
#[derive(Default)]
struct Frames {
    all: Vec<Value>,
    ids: HashMap<Key, usize>,
}

impl Frames {
    fn id(&mut self, frame: &Frame) -> usize {
        let (file, line) = match &frame.place {
            Some((file, line)) => (file, Some(*line)),
            None => (&frame.module, None),
        };
        let key = (Arc::clone(&frame.function), Arc::clone(file), line);
        if let Some(id) = self.ids.get(&key) {
            return *id;
        }
        self.all.push(match line {
            Some(line) => json!({"name": &*frame.function, "file": &**file, "line": line}),
            None => json!({"name": &*frame.function, "file": &**file}),
        });
        self.ids.insert(key, self.all.len() - 1);
        self.all.len() - 1
    }
}
