//! The unwind tables of a program or library, read from its file.

use std::fs::File;
use std::ops::{Deref, Range};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use framehop::{ExplicitModuleSectionInfo, Module, UnwinderNative};
use object::read::ReadCache;
use object::{Object, ObjectSection, ObjectSegment, SegmentFlags};

use crate::attach::maps::Mapping;

/// Bytes of a section, shared by the modules of one file.
#[derive(Clone, Default)]
pub(crate) struct Bytes(Arc<[u8]>);

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

pub(crate) type Unwinder = UnwinderNative<Bytes, framehop::MayAllocateDuringUnwind>;

/// What unwinding needs of a file.
pub(crate) struct Image {
    /// File offset and length, and the address in the image, of each executable segment.
    segments: Vec<(Range<u64>, u64)>,
    text: Option<Range<u64>>,
    got: Option<Range<u64>>,
    eh_frame: Option<Section>,
    eh_frame_hdr: Option<Section>,
    debug_frame: Option<Section>,
    /// In hexadecimal.
    build_id: Option<Arc<str>>,
    has_symbols: bool,
}

struct Section {
    addresses: Range<u64>,
    bytes: Bytes,
}

impl Image {
    /// `None` when it is no file that can be executed.
    pub(crate) fn of(file: &File) -> Option<Self> {
        let object = ReadCache::new(file.try_clone().ok()?);
        let object = object::File::parse(&object).ok()?;
        let range_of = |name: &str| {
            let section = object.section_by_name(name)?;
            Some(section.address()..section.address().saturating_add(section.size()))
        };
        let section = |name: &str| {
            let (offset, length) = object.section_by_name(name)?.file_range()?;
            let end = offset.checked_add(length).filter(|end| *end <= size(file))?;
            let mut bytes = vec![0; usize::try_from(end - offset).ok()?];
            file.read_exact_at(&mut bytes, offset).ok()?;
            Some(Section { addresses: range_of(name)?, bytes: Bytes(bytes.into()) })
        };
        let segments = object.segments().filter(is_executable).map(|segment| {
            let (offset, length) = segment.file_range();
            (offset..offset.saturating_add(length), segment.address())
        });
        Some(Self {
            segments: segments.collect(),
            text: range_of(".text"),
            got: range_of(".got"),
            eh_frame: section(".eh_frame"),
            eh_frame_hdr: section(".eh_frame_hdr"),
            debug_frame: section(".debug_frame"),
            build_id: object.build_id().ok().flatten().map(hexadecimal),
            has_symbols: object.section_by_name(".symtab").is_some(),
        })
    }

    /// Where a mapping of the file has put it.
    pub(crate) fn module(&self, mapping: &Mapping) -> Option<Module<Bytes>> {
        let base = self.base(mapping)?;
        let addresses = |section: &Option<Section>| section.as_ref().map(|it| it.addresses.clone());
        let bytes = |section: &Option<Section>| section.as_ref().map(|it| it.bytes.clone());
        let sections = ExplicitModuleSectionInfo {
            text_svma: self.text.clone(),
            got_svma: self.got.clone(),
            eh_frame_svma: addresses(&self.eh_frame),
            eh_frame: bytes(&self.eh_frame),
            eh_frame_hdr_svma: addresses(&self.eh_frame_hdr),
            eh_frame_hdr: bytes(&self.eh_frame_hdr),
            debug_frame: bytes(&self.debug_frame),
            ..Default::default()
        };
        Some(Module::new(mapping.path.clone(), mapping.range.clone(), base, sections))
    }

    /// The beginning of the function that an address of a mapping of the file lies in, as its unwind tables
    /// tell it: they are there where symbols are not.
    pub(crate) fn function_of(&self, mapping: &Mapping, address: u64) -> Option<u64> {
        let base = self.base(mapping)?;
        let header = self.eh_frame_hdr.as_ref()?;
        let begin = beginning(header, address.wrapping_sub(base))?;
        Some(begin.wrapping_add(base))
    }

    /// The mapping as a profile shows it, whether its file could be read or not.
    pub(crate) fn shown(image: Option<&Self>, mapping: &Mapping) -> crate::mapping::Mapping {
        let file = mapping.path.strip_suffix(" (deleted)").unwrap_or(&mapping.path);
        crate::mapping::Mapping {
            range: mapping.range.clone(),
            offset: mapping.offset,
            file: file.into(),
            name: file.rsplit('/').next().unwrap_or_default().into(),
            build_id: image.and_then(|image| image.build_id.clone()),
            base: image.and_then(|image| image.base(mapping)),
            has_symbols: image.is_some_and(|image| image.has_symbols),
        }
    }

    /// What is added to an address in the file to get one of the process.
    fn base(&self, mapping: &Mapping) -> Option<u64> {
        let length = mapping.range.end - mapping.range.start;
        let mapped = mapping.offset..mapping.offset.saturating_add(length);
        let overlaps =
            |(file, _): &&(Range<u64>, u64)| file.start < mapped.end && mapped.start < file.end;
        let (file, address) = self.segments.iter().find(overlaps)?;
        let base = mapping
            .range
            .start
            .wrapping_sub(mapping.offset)
            .wrapping_add(file.start)
            .wrapping_sub(*address);
        Some(base)
    }
}

/// Linux Standard Base, "The .eh_frame_hdr section": a sorted table of beginnings, each with the place of
/// its description.
fn beginning(header: &Section, address: u64) -> Option<u64> {
    /// Version 1; the kinds of a pointer, a count, and of a table relative to the section: as all linkers
    /// write them.
    const EXPECTED_ENCODINGS: [u8; 4] = [1, 0x1b, 0x03, 0x3b];
    let table = header.bytes.strip_prefix(&EXPECTED_ENCODINGS)?.get(8..)?;
    let (entries, _) = table.as_chunks::<8>();
    let start = |entry: &[u8; 8]| {
        let [a, b, c, d, ..] = *entry;
        let relative = i64::from(i32::from_le_bytes([a, b, c, d]));
        header.addresses.start.wrapping_add_signed(relative)
    };
    let after = entries.partition_point(|entry| start(entry) <= address);
    entries.get(after.checked_sub(1)?).map(start)
}

fn is_executable<'data>(segment: &impl ObjectSegment<'data>) -> bool {
    const PF_X: u32 = 1;
    matches!(segment.flags(), SegmentFlags::Elf { p_flags } if p_flags & PF_X != 0)
}

fn hexadecimal(bytes: &[u8]) -> Arc<str> {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// A section cannot be longer than its file, whatever its header says.
fn size(file: &File) -> u64 {
    file.metadata().map_or(0, |metadata| metadata.len())
}
