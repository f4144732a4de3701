//! speedscope's JSON: <https://www.speedscope.app/file-format-schema.json>, a sampled profile a thread.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::profile::{Profile, Sample};
use crate::stack::Frame;

pub(super) fn write(profile: &Profile, mut to: impl Write) -> io::Result<()> {
    let mut frames = Frames::default();
    let mut threads: BTreeMap<i32, Vec<&Sample>> = BTreeMap::new();
    for sample in &profile.samples {
        threads.entry(sample.tid).or_default().push(sample);
    }
    let period = profile.period.as_nanos() as u64;
    let profiles: Vec<Value> = threads
        .iter()
        .map(|(tid, samples)| {
            let weights: Vec<u64> =
                samples.iter().map(|sample| sample.count.saturating_mul(period)).collect();
            let stacks: Vec<Vec<usize>> = samples
                .iter()
                .map(|sample| sample.stack.frames.iter().rev().map(|it| frames.id(it)).collect())
                .collect();
            let name = samples.first().map_or("", |sample| &sample.thread);
            json!({
                "type": "sampled",
                "name": format!("{name} ({tid})"),
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

/// Each frame once; the place is its number.
#[derive(Default)]
struct Frames {
    all: Vec<Value>,
    ids: HashMap<Frame, usize>,
}

impl Frames {
    fn id(&mut self, frame: &Frame) -> usize {
        if let Some(id) = self.ids.get(frame) {
            return *id;
        }
        let shown = match &frame.place {
            Some((file, line)) => json!({"name": &*frame.function, "file": &**file, "line": line}),
            None => json!({"name": &*frame.function, "file": &*frame.module}),
        };
        self.all.push(shown);
        self.ids.insert(frame.clone(), self.all.len() - 1);
        self.all.len() - 1
    }
}
