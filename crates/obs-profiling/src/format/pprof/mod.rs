//! pprof's protobuf, compressed: <https://github.com/google/pprof/blob/main/proto/profile.proto>.

mod message;
mod tables;

use std::io::{self, Write};
use std::time::UNIX_EPOCH;

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;

use self::message::{Profile as Encoded, Sample as EncodedSample, ValueType};
use self::tables::Tables;
use crate::inside::heap::HeapProfile;
use crate::profile::Profile;

pub(super) fn write(profile: &Profile, to: impl Write) -> io::Result<()> {
    compress(&encoded(profile), to)
}

fn encoded(profile: &Profile) -> Encoded {
    let mut tables = Tables::new();
    let period = profile.period.as_nanos() as i64;
    let cpu = ValueType { r#type: tables.text("cpu"), unit: tables.text("nanoseconds") };
    let samples = ValueType { r#type: tables.text("samples"), unit: tables.text("count") };
    let with_process = profile.is_of_several();
    let sample = profile.samples.iter().map(|sample| EncodedSample {
        location_id: tables.stack(&sample.stack),
        value: vec![sample.count as i64, (sample.count as i64).saturating_mul(period)],
        label: tables.labels(sample, with_process),
    });
    let sample = sample.collect();
    let begun = profile.begun.duration_since(UNIX_EPOCH).unwrap_or_default();
    Encoded {
        sample_type: vec![samples, cpu],
        sample,
        mapping: tables.mappings(),
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
pub(super) fn write_heap(heap: &HeapProfile, to: impl Write) -> io::Result<()> {
    let mut tables = Tables::new();
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
        location_id: tables.stack(&sample.stack),
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
        mapping: tables.mappings(),
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

fn compress(encoded: &Encoded, mut to: impl Write) -> io::Result<()> {
    // Dropped early, the encoder would write on: into a writer that has just panicked.
    let mut compressed = GzEncoder::new(Vec::new(), Compression::default());
    compressed.write_all(&encoded.encode_to_vec())?;
    to.write_all(&compressed.finish()?)?;
    to.flush()
}
