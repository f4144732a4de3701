//! The unwind tables of what a process has mapped, read from the files themselves.

use std::collections::HashMap;
use std::fs::File;
use std::ops::{Deref, Range};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use framehop::{ExplicitModuleSectionInfo, Module, Unwinder as _, UnwinderNative};
use object::read::{ReadCache, ReadRef};
use object::{Object, ObjectSection, ObjectSegment, SegmentFlags};

use crate::attach::maps::Mapping;
use crate::attach::memory;

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

/// An unwinder for these mappings; mappings whose file cannot be read are left out, and stacks end there.
pub(crate) fn unwinder(pid: i32, mappings: &[Mapping]) -> Unwinder {
    let mut unwinder = Unwinder::new();
    let mut images = HashMap::new();
    for mapping in mappings.iter().filter(|mapping| mapping.executable) {
        let key = (mapping.inode, mapping.path.clone());
        let image = images.entry(key).or_insert_with(|| Image::of(pid, mapping).map(Arc::new));
        if let Some(module) = image.as_ref().and_then(|image| image.module(mapping)) {
            unwinder.add_module(module);
        }
    }
    unwinder
}

struct Image {
    /// File offset and length, and the address in the image, of each executable segment.
    segments: Vec<(Range<u64>, u64)>,
    text: Option<Range<u64>>,
    got: Option<Range<u64>>,
    eh_frame: Option<Section>,
    eh_frame_hdr: Option<Section>,
    debug_frame: Option<Section>,
}

struct Section {
    addresses: Range<u64>,
    bytes: Bytes,
}

impl Image {
    fn of(pid: i32, mapping: &Mapping) -> Option<Self> {
        if mapping.path == "[vdso]" {
            let length = (mapping.range.end - mapping.range.start) as usize;
            let bytes = memory::read(pid, mapping.range.start, length);
            return Self::parse(bytes.as_slice(), |range| bytes.get(range).map(<[u8]>::to_vec));
        }
        if mapping.inode == 0 {
            return None;
        }
        let file = open(pid, mapping)?;
        let cache = ReadCache::new(file.try_clone().ok()?);
        Self::parse(&cache, |range| {
            let mut bytes = vec![0; range.end.checked_sub(range.start)?];
            file.read_exact_at(&mut bytes, range.start as u64).ok()?;
            Some(bytes)
        })
    }

    fn parse<'data>(
        data: impl ReadRef<'data>,
        read: impl Fn(Range<usize>) -> Option<Vec<u8>>,
    ) -> Option<Self> {
        let object = object::File::parse(data).ok()?;
        let range_of = |name: &str| {
            let section = object.section_by_name(name)?;
            Some(section.address()..section.address().saturating_add(section.size()))
        };
        let section = |name: &str| {
            let section = object.section_by_name(name)?;
            let (offset, length) = section.file_range()?;
            let end = offset.checked_add(length)?;
            let bytes = read(usize::try_from(offset).ok()?..usize::try_from(end).ok()?)?;
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
        })
    }

    fn module(&self, mapping: &Mapping) -> Option<Module<Bytes>> {
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
}

fn is_executable<'data>(segment: &impl ObjectSegment<'data>) -> bool {
    const PF_X: u32 = 1;
    matches!(segment.flags(), SegmentFlags::Elf { p_flags } if p_flags & PF_X != 0)
}

/// The file as the process sees it, although it may have been deleted or replaced since.
fn open(pid: i32, mapping: &Mapping) -> Option<File> {
    let Range { start, end } = mapping.range;
    // Needs a capability; the others do not.
    File::open(format!("/proc/{pid}/map_files/{start:x}-{end:x}"))
        .or_else(|_| File::open(format!("/proc/{pid}/root{}", mapping.path)))
        .or_else(|error| match is_program(pid, mapping) {
            true => File::open(format!("/proc/{pid}/exe")),
            false => Err(error),
        })
        .ok()
}

fn is_program(pid: i32, mapping: &Mapping) -> bool {
    use std::os::unix::fs::MetadataExt;
    let program = std::fs::metadata(format!("/proc/{pid}/exe"));
    program.is_ok_and(|program| program.ino() == mapping.inode)
}
