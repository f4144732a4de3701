//! pprof's protobuf, compressed: <https://github.com/google/pprof/blob/main/proto/profile.proto>.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::UNIX_EPOCH;

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;

use crate::inside::heap::HeapProfile;
use crate::inside::labels::Labels;
use crate::profile::{Profile, Sample};
use crate::stack::Frame;

pub(super) fn write(profile: &Profile, to: impl Write) -> io::Result<()> {
    compress(&encoded(profile), to)
}

fn encoded(profile: &Profile) -> Encoded {
    let mut tables = Tables::default();
    tables.text(""); // the first must be empty
    let period = profile.period.as_nanos() as i64;
    let cpu = ValueType { r#type: tables.text("cpu"), unit: tables.text("nanoseconds") };
    let samples = ValueType { r#type: tables.text("samples"), unit: tables.text("count") };
    let sample = profile.samples.iter().map(|sample| EncodedSample {
        location_id: sample.stack.frames.iter().map(|frame| tables.location(frame)).collect(),
        value: vec![sample.count as i64, (sample.count as i64).saturating_mul(period)],
        label: tables.labels(sample),
    });
    let sample = sample.collect();
    let begun = profile.begun.duration_since(UNIX_EPOCH).unwrap_or_default();
    Encoded {
        sample_type: vec![samples, cpu],
        sample,
        location: tables.locations,
        function: tables.functions,
        string_table: tables.strings,
        time_nanos: begun.as_nanos() as i64,
        duration_nanos: profile.lasted.as_nanos() as i64,
        period_type: Some(cpu),
        period,
        default_sample_type: 0,
    }
}

/// The four types of Go's heap profiles, in their order; shown first is what is in use.
pub(crate) fn write_heap(heap: &HeapProfile, to: impl Write) -> io::Result<()> {
    let mut tables = Tables::default();
    tables.text(""); // the first must be empty
    let mut kind = |name, unit| ValueType { r#type: tables.text(name), unit: tables.text(unit) };
    let sample_type = vec![
        kind("alloc_objects", "count"),
        kind("alloc_space", "bytes"),
        kind("inuse_objects", "count"),
        kind("inuse_space", "bytes"),
    ];
    let space = kind("space", "bytes");
    let default_sample_type = kind("inuse_space", "bytes").r#type;
    let sample = heap.samples.iter().map(|sample| EncodedSample {
        location_id: sample.stack.frames.iter().map(|frame| tables.location(frame)).collect(),
        value: [sample.allocated, sample.in_use]
            .into_iter()
            .flat_map(|memory| [memory.objects as i64, memory.bytes as i64])
            .collect(),
        label: Vec::new(),
    });
    let sample = sample.collect();
    let taken = heap.taken.duration_since(UNIX_EPOCH).unwrap_or_default();
    let encoded = Encoded {
        sample_type,
        sample,
        location: tables.locations,
        function: tables.functions,
        string_table: tables.strings,
        time_nanos: taken.as_nanos() as i64,
        duration_nanos: 0,
        period_type: Some(space),
        period: heap.interval as i64,
        default_sample_type,
    };
    compress(&encoded, to)
}

fn compress(encoded: &Encoded, to: impl Write) -> io::Result<()> {
    let mut compressed = GzEncoder::new(to, Compression::default());
    compressed.write_all(&encoded.encode_to_vec())?;
    compressed.finish()?.flush()
}

/// The first string of every profile is empty.
const NO_TEXT: i64 = 0;

/// Every string, function and location once; the place is the number, from 1 for the latter two.
#[derive(Default)]
struct Tables {
    strings: Vec<String>,
    string_ids: HashMap<String, i64>,
    functions: Vec<Function>,
    function_ids: HashMap<(i64, i64), u64>,
    locations: Vec<Location>,
    location_ids: HashMap<(u64, i64), u64>,
}

impl Tables {
    fn text(&mut self, text: &str) -> i64 {
        if let Some(id) = self.string_ids.get(text) {
            return *id;
        }
        let id = self.strings.len() as i64;
        self.strings.push(text.to_owned());
        self.string_ids.insert(text.to_owned(), id);
        id
    }

    /// `span_id` and `span_name` are what Pyroscope calls them.
    fn labels(&mut self, sample: &Sample) -> Vec<Label> {
        let tid = Label { key: self.text("tid"), str: 0, num: i64::from(sample.tid) };
        let mut labels = vec![self.label("thread", &sample.thread), tid];
        let Labels { trace_id, span_id, span, route } = sample.labels;
        labels.extend(trace_id.map(|id| self.label("trace_id", &id.to_string())));
        labels.extend(span_id.map(|id| self.label("span_id", &id.to_string())));
        labels.extend(span.map(|name| self.label("span_name", name)));
        labels.extend(route.map(|route| self.label("route", route.as_str())));
        labels
    }

    fn label(&mut self, key: &str, text: &str) -> Label {
        Label { key: self.text(key), str: self.text(text), num: 0 }
    }

    fn location(&mut self, frame: &Frame) -> u64 {
        let (file, line) = match &frame.place {
            Some((file, line)) => (&**file, i64::from(*line)),
            None => (&*frame.module, 0),
        };
        let (name, filename) = (self.text(&frame.function), self.text(file));
        let functions = &mut self.functions;
        let function_id = *self.function_ids.entry((name, filename)).or_insert_with(|| {
            let id = functions.len() as u64 + 1;
            // pprof takes a name that is also the system's for one that may be mangled C++, and cuts all
            // that stands in angle brackets and parentheses: the types of Rust's implementations.
            functions.push(Function { id, name, system_name: NO_TEXT, filename });
            id
        });
        let locations = &mut self.locations;
        *self.location_ids.entry((function_id, line)).or_insert_with(|| {
            let id = locations.len() as u64 + 1;
            locations.push(Location { id, line: vec![Line { function_id, line }] });
            id
        })
    }
}

#[derive(Clone, PartialEq, Message)]
struct Encoded {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<EncodedSample>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    period: i64,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    r#type: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, Message)]
struct EncodedSample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    label: Vec<Label>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(int64, tag = "1")]
    key: i64,
    #[prost(int64, tag = "2")]
    str: i64,
    #[prost(int64, tag = "3")]
    num: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
    #[prost(int64, tag = "2")]
    line: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "3")]
    system_name: i64,
    #[prost(int64, tag = "4")]
    filename: i64,
}
