//! What samples point to: every string, function, location and mapping once.

use std::collections::HashMap;
use std::sync::Arc;

use super::message::{Function, Label, Line, Location, Mapping};
use crate::labels::Labels;
use crate::profile::Sample;
use crate::stack::{Frame, Stack};

/// The first string of every profile is empty.
const NO_TEXT: i64 = 0;
/// Mappings are numbered from 1.
const NO_MAPPING: u64 = 0;

/// The place of each is its number, from 0 for strings and from 1 for the others.
pub(super) struct Tables {
    pub(super) strings: Vec<String>,
    string_ids: HashMap<String, i64>,
    pub(super) functions: Vec<Function>,
    function_ids: HashMap<(i64, i64), u64>,
    pub(super) locations: Vec<Location>,
    location_ids: HashMap<(u64, u64, Vec<Line>), u64>,
    mappings: Vec<(Arc<crate::mapping::Mapping>, Found)>,
    mapping_ids: HashMap<Arc<crate::mapping::Mapping>, u64>,
}

/// What was known of a mapping's addresses.
#[derive(Clone, Copy)]
struct Found {
    all_functions: bool,
    lines: bool,
    inlined: bool,
}

impl Tables {
    pub(super) fn new() -> Self {
        let mut tables = Self {
            strings: Vec::new(),
            string_ids: HashMap::new(),
            functions: Vec::new(),
            function_ids: HashMap::new(),
            locations: Vec::new(),
            location_ids: HashMap::new(),
            mappings: Vec::new(),
            mapping_ids: HashMap::new(),
        };
        tables.text("");
        tables
    }

    pub(super) fn text(&mut self, text: &str) -> i64 {
        if let Some(id) = self.string_ids.get(text) {
            return *id;
        }
        let id = self.strings.len() as i64;
        self.strings.push(text.to_owned());
        self.string_ids.insert(text.to_owned(), id);
        id
    }

    /// `span_id` and `span_name` are what Pyroscope calls them.
    pub(super) fn labels(&mut self, sample: &Sample, with_process: bool) -> Vec<Label> {
        let mut labels = vec![self.label("thread", &sample.thread), self.number("tid", sample.tid)];
        if with_process {
            labels.extend([self.label("process", &sample.process), self.number("pid", sample.pid)]);
        }
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

    fn number(&mut self, key: &str, number: i32) -> Label {
        Label { key: self.text(key), str: NO_TEXT, num: number.into() }
    }

    /// A location is an address with the functions that were inlined there, the innermost first, and the one
    /// that they were inlined into.
    pub(super) fn stack(&mut self, stack: &Stack) -> Vec<u64> {
        let locations = stack
            .frames
            .chunk_by(|inner, outer| inner.is_inlined && inner.address == outer.address);
        locations.map(|frames| self.location(frames)).collect()
    }

    fn location(&mut self, frames: &[Frame]) -> u64 {
        let Some(outermost) = frames.last() else { return 0 };
        let mapping_id = match &outermost.mapping {
            Some(mapping) => self.mapping(mapping, frames),
            None => NO_MAPPING,
        };
        // An address without a line is what pprof takes for one to be looked up.
        let symbolized =
            frames.iter().filter(|frame| frame.is_symbolized || mapping_id == NO_MAPPING);
        let line: Vec<Line> = symbolized.map(|frame| self.line(frame)).collect();
        let locations = &mut self.locations;
        let key = (mapping_id, outermost.address, line);
        *self.location_ids.entry(key).or_insert_with_key(|(mapping_id, address, line)| {
            let (id, line) = (locations.len() as u64 + 1, line.clone());
            locations.push(Location { id, mapping_id: *mapping_id, address: *address, line });
            id
        })
    }

    fn line(&mut self, frame: &Frame) -> Line {
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
        Line { function_id, line }
    }

    fn mapping(&mut self, mapping: &Arc<crate::mapping::Mapping>, frames: &[Frame]) -> u64 {
        let id = match self.mapping_ids.get(mapping) {
            Some(id) => *id,
            None => {
                let found = Found { all_functions: true, lines: false, inlined: false };
                self.mappings.push((Arc::clone(mapping), found));
                let id = self.mappings.len() as u64;
                self.mapping_ids.insert(Arc::clone(mapping), id);
                id
            }
        };
        if let Some((_, found)) = self.mappings.get_mut(id as usize - 1) {
            found.all_functions &= frames.iter().all(|frame| frame.is_symbolized);
            found.lines |= frames.iter().any(|frame| frame.place.is_some());
            found.inlined |= frames.iter().any(|frame| frame.is_inlined);
        }
        id
    }

    /// pprof looks nothing up where a mapping says that it has functions, and where it does not, replaces all
    /// names by its own. So a mapping says so where there is nothing to be found out.
    pub(super) fn mappings(&mut self) -> Vec<Mapping> {
        let mappings = std::mem::take(&mut self.mappings);
        let encoded = mappings.into_iter().zip(1..).map(|((mapping, found), id)| {
            let is_done = mapping.has_symbols || found.all_functions;
            Mapping {
                id,
                memory_start: mapping.range.start,
                memory_limit: mapping.range.end,
                file_offset: mapping.offset,
                filename: self.text(&mapping.file),
                build_id: self.text(mapping.build_id.as_deref().unwrap_or_default()),
                has_functions: is_done,
                has_filenames: is_done && found.lines,
                has_line_numbers: is_done && found.lines,
                has_inline_frames: is_done && found.inlined,
            }
        });
        encoded.collect()
    }
}
