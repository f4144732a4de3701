//! What is computed once for each callsite: its part of the line, its keys, the filter's verdict.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use tracing_core::Metadata;

use crate::budget::SiteBudget;
use crate::context::fields::{Fields, Key};
use crate::cost::LocalStats;
use crate::encode::head::{head, opening};
use crate::error_text::names_error;
use crate::error_type::{ErrorKeys, ErrorTypes};
use crate::filter::CachedVerdict;
use crate::layer::config::LayerConfig;
use crate::log_record::is_bridge;
use crate::processor::{Pace, Redaction};

/// Past this many a thread clears its cache. Programs have fewer.
const MAX_CALLSITES: usize = 2048;

/// How many are found without hashing.
const RECENT_SLOTS: usize = 32;

/// One callsite, as one layer sees it.
pub(crate) struct Callsite {
    /// What a line of JSON begins with, with the time still to be filled in.
    pub(crate) opening: Box<[u8]>,
    /// By the index of the field.
    pub(crate) fields: Box<[FieldRole]>,
    /// The names of its fields, without values.
    pub(crate) names: Fields,
    /// Whether values can be written directly into the line, as far as callsite and configuration decide.
    pub(crate) writes_in_place: bool,
    /// Which values of this layer must not be seen, where there are any.
    pub(crate) redaction: Option<Redaction>,
    pub(crate) error_types: Arc<ErrorTypes>,
    /// Whether lines have the backtraces that errors show.
    pub(crate) backtraces: bool,
    /// The shape of its last context; 0 for none.
    last_context_shape: Cell<u64>,
    /// The names of that context and its own, as bits; `None` where a line cannot have them as they are.
    cached_name_mask: Cell<Option<u128>>,
    pub(crate) verdict: CachedVerdict,
    /// Where not every line is wanted.
    pub(crate) pace: Option<Arc<Pace>>,
    /// Where the layer has a budget.
    pub(crate) budget: Option<SiteBudget>,
    pub(crate) cost: LocalStats,
}

/// What becomes of a field.
pub(crate) enum FieldRole {
    Plain(Key, ErrorKeys),
    /// A text here is an error's.
    Error(Key, ErrorKeys),
    /// The value must not be seen: it is not even formatted.
    Redacted(Key),
    /// An event's message.
    Message,
    /// A `log` record's own target.
    Target,
    /// A `log` record's source position, or an instruction for the tracer (`otel.kind`): lines do not have it.
    Unused,
}

impl Callsite {
    pub(crate) fn new(metadata: &'static Metadata<'static>, config: &LayerConfig) -> Self {
        let pipeline = &config.pipeline;
        let role = |name: &str| match name {
            "message" if metadata.is_event() => FieldRole::Message,
            "log.target" if is_bridge(metadata) => FieldRole::Target,
            "log.module_path" | "log.file" | "log.line" if is_bridge(metadata) => FieldRole::Unused,
            "otel.name"
            | "otel.kind"
            | "otel.status_code"
            | "otel.status_description"
            | "otel.status_message" => FieldRole::Unused,
            name => {
                let key = Key::new(name);
                if pipeline.redaction.matches(key.name()) {
                    FieldRole::Redacted(key)
                } else {
                    match names_error(name) {
                        true => FieldRole::Error(key, ErrorKeys::default()),
                        false => FieldRole::Plain(key, ErrorKeys::default()),
                    }
                }
            }
        };
        let fields: Box<[FieldRole]> =
            metadata.fields().iter().map(|field| role(field.name())).collect();
        let mut names = Fields::new();
        let keys = fields.iter().filter_map(FieldRole::key);
        keys.clone().for_each(|key| _ = names.begin(key));
        let cost = config.stats.local(metadata);
        let budget = config.budget.clone().filter(|_| metadata.is_event());
        let are_names_distinct = names.len() == keys.count();
        Self {
            opening: opening(&head(metadata.level(), metadata.target())),
            writes_in_place: config.writes_in_place() && are_names_distinct && !is_bridge(metadata),
            redaction: Some(pipeline.redaction.clone()).filter(|names| !names.is_empty()),
            fields,
            names,
            error_types: config.error_types.clone(),
            backtraces: config.backtraces,
            last_context_shape: Cell::new(0),
            cached_name_mask: Cell::new(None),
            verdict: CachedVerdict::default(),
            pace: pipeline.pace_of(metadata),
            budget: budget.map(|budget| SiteBudget::new(budget, cost.site())),
            cost,
        }
    }

    /// Whether a context of this shape (not 0) can be written into the line as it is. The answer is kept
    /// until the shape changes.
    #[inline]
    pub(crate) fn fits_context(&self, shape: u64, names: impl FnOnce() -> Option<u128>) -> bool {
        if self.last_context_shape.get() != shape {
            self.cached_name_mask.set(names());
            self.last_context_shape.set(shape);
        }
        self.cached_name_mask.get().is_some()
    }

    /// All names of a line with the last context, as bits.
    pub(crate) fn names_around(&self) -> u128 {
        self.cached_name_mask.get().unwrap_or(u128::MAX)
    }

    pub(crate) fn has_message(&self) -> bool {
        self.fields.iter().any(|role| matches!(role, FieldRole::Message))
    }
}

impl FieldRole {
    fn key(&self) -> Option<&Key> {
        match self {
            Self::Plain(key, _) | Self::Error(key, _) | Self::Redacted(key) => Some(key),
            Self::Message | Self::Target | Self::Unused => None,
        }
    }
}

/// A thread's callsites, by the address of their metadata and the layer's number.
pub(crate) struct Callsites {
    /// Where a callsite was found last, by a few bits of its address: nearly always there again.
    recent: [Option<Recent>; RECENT_SLOTS],
    all: HashMap<(usize, u32), Rc<Callsite>, BuildHasherDefault<AddressHasher>>,
}

struct Recent {
    address: usize,
    layer: u32,
    callsite: Rc<Callsite>,
}

impl Default for Callsites {
    fn default() -> Self {
        Self { recent: [const { None }; RECENT_SLOTS], all: HashMap::default() }
    }
}

impl Callsites {
    #[inline]
    pub(crate) fn find(
        &mut self,
        layer: u32,
        metadata: &'static Metadata<'static>,
        make: impl FnOnce() -> Callsite,
    ) -> Rc<Callsite> {
        let address = std::ptr::from_ref(metadata).addr();
        let at = (address / align_of::<Metadata<'static>>() + layer as usize) % RECENT_SLOTS;
        match &self.recent[at] {
            Some(recent) if recent.address == address && recent.layer == layer => {
                recent.callsite.clone()
            }
            _ => {
                let callsite = self.lookup(layer, metadata, make);
                self.recent[at] = Some(Recent { address, layer, callsite: callsite.clone() });
                callsite
            }
        }
    }

    fn lookup(
        &mut self,
        layer: u32,
        metadata: &'static Metadata<'static>,
        make: impl FnOnce() -> Callsite,
    ) -> Rc<Callsite> {
        let address = std::ptr::from_ref(metadata).addr();
        if let Some(callsite) = self.all.get(&(address, layer)) {
            return callsite.clone();
        }
        if self.all.len() >= MAX_CALLSITES {
            self.all.clear();
        }
        let made = Rc::new(make());
        self.all.insert((address, layer), made.clone());
        made
    }
}

/// Addresses differ in their middle bits: one multiplication spreads them.
#[derive(Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_usize(number as usize);
    }

    fn write_usize(&mut self, number: usize) {
        self.0 = (self.0.rotate_left(5) ^ number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}
