//! The parts of pprof's format that a flame graph needs (github.com/google/pprof, `profile.proto`).

use std::collections::HashMap;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use prost::Message;

/// Unpacked, a profile is no larger.
const MAX_UNPACKED_BYTES: u64 = 64 << 20;

#[derive(Message)]
pub(super) struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
}

#[derive(Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    kind: i64,
}

#[derive(Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    label: Vec<Label>,
}

#[derive(Message)]
struct Label {
    #[prost(int64, tag = "1")]
    key: i64,
    #[prost(int64, tag = "2")]
    str: i64,
}

#[derive(Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "3")]
    address: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
}

#[derive(Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
}

/// One stack, the outermost call first, and how many samples it has.
pub(super) struct Stack {
    pub(super) frames: Vec<Box<str>>,
    pub(super) samples: u64,
}

impl Profile {
    /// Reads a file of pprof, gzip or not.
    pub(super) fn read(file: &[u8]) -> Result<Self, String> {
        let mut unpacked = Vec::new();
        let bytes = if file.starts_with(&[0x1f, 0x8b]) {
            let mut reader = MultiGzDecoder::new(file).take(MAX_UNPACKED_BYTES + 1);
            reader.read_to_end(&mut unpacked).map_err(|error| error.to_string())?;
            if unpacked.len() as u64 > MAX_UNPACKED_BYTES {
                return Err(String::from("it is larger than 64 MiB"));
            }
            &unpacked
        } else {
            file
        };
        Self::decode(bytes).map_err(|error| error.to_string())
    }

    /// How many samples there are.
    pub(super) fn total(&self) -> u64 {
        let column = self.column();
        self.sample.iter().map(|sample| sample.count(column)).sum()
    }

    /// The stacks of the samples that have all of these labels.
    pub(super) fn stacks<'a>(
        &'a self,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = Stack> + 'a {
        let column = self.column();
        let locations: HashMap<u64, &Location> =
            self.location.iter().map(|location| (location.id, location)).collect();
        let functions: HashMap<u64, &str> =
            self.function.iter().map(|function| (function.id, self.text(function.name))).collect();
        let wanted = |sample: &&Sample| {
            labels.iter().all(|(key, value)| {
                sample
                    .label
                    .iter()
                    .any(|label| self.text(label.key) == *key && self.text(label.str) == *value)
            })
        };
        self.sample.iter().filter(wanted).map(move |sample| {
            let mut frames = Vec::new();
            // The file has the innermost call first, and of inlined calls too.
            for id in sample.location_id.iter().rev() {
                let Some(location) = locations.get(id) else { continue };
                let names = location.line.iter().rev();
                let names = names.filter_map(|line| functions.get(&line.function_id));
                let before = frames.len();
                frames.extend(names.map(|name| Box::<str>::from(*name)));
                if frames.len() == before {
                    frames.push(format!("{:#x}", location.address).into());
                }
            }
            Stack { frames, samples: sample.count(column) }
        })
    }

    /// Which value of a sample counts samples.
    fn column(&self) -> usize {
        self.sample_type.iter().position(|it| self.text(it.kind) == "samples").unwrap_or(0)
    }

    fn text(&self, at: i64) -> &str {
        usize::try_from(at).ok().and_then(|at| self.string_table.get(at)).map_or("", String::as_str)
    }
}

impl Sample {
    fn count(&self, column: usize) -> u64 {
        self.value.get(column).and_then(|value| u64::try_from(*value).ok()).unwrap_or(0)
    }
}
