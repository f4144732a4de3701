//! What is known of a callsite once and for all: its part of the line, its keys, whether it is wanted.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use tracing_core::{Level, Metadata};

use crate::backtrace::may_have;
use crate::context::fields::{Fields, Key};
use crate::cost::Share;
use crate::encode::escape::string;
use crate::error_type::{ErrorKeys, ErrorTypes};
use crate::layer::Plan;
use crate::processor::{Pace, Redaction};
use crate::render::opening;

/// Past this many a thread forgets all and begins anew: programs have fewer.
const KEPT: usize = 2048;

/// So many are found without hashing.
const RECENT: usize = 32;

/// One callsite, as one layer sees it.
pub(crate) struct Callsite {
    /// What a line of JSON begins with, with the time still to be filled in.
    pub(crate) opening: Box<[u8]>,
    /// By the index of the field.
    pub(crate) fields: Box<[FieldRole]>,
    /// The names of its fields, without values.
    pub(crate) names: Fields,
    /// Whether its values may be written where they will stand, as far as it is known beforehand.
    pub(crate) is_straight: bool,
    /// Which values of this layer must not be seen, where there are any.
    pub(crate) redaction: Option<Redaction>,
    pub(crate) error_types: Arc<ErrorTypes>,
    /// Whether a field may be an error that shows its backtrace.
    pub(crate) has_error: bool,
    /// Whether lines have the backtraces that errors show.
    pub(crate) backtraces: bool,
    /// The shape of what surrounded it last, or none.
    surrounded: Cell<u64>,
    /// All names in that and of its own, as bits; none if they do not suit each other.
    suiting: Cell<Option<u128>>,
    /// The filter's answer, and the filter's generation that it was given by.
    pub(crate) verdict: Cell<(u64, Verdict)>,
    /// Where not every line is wanted.
    pub(crate) pace: Option<Arc<Pace>>,
    pub(crate) cost: Share,
}

/// What becomes of a field.
pub(crate) enum FieldRole {
    Plain(Key, ErrorKeys),
    /// The value must not be seen: it is not even formatted.
    Redacted(Key),
    /// An event's message.
    Message,
    /// A `log` record's own target.
    Target,
    /// A `log` record's source position: bridges send it, lines do not have it.
    Unused,
}

/// Whether a callsite's events and spans are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Unknown,
    Wanted,
    Unwanted,
}

impl Callsite {
    pub(crate) fn new(metadata: &'static Metadata<'static>, plan: &Plan) -> Self {
        let pipeline = &plan.pipeline;
        let role = |name: &str| match name {
            "message" if metadata.is_event() => FieldRole::Message,
            "log.target" if is_bridge(metadata) => FieldRole::Target,
            "log.module_path" | "log.file" | "log.line" if is_bridge(metadata) => FieldRole::Unused,
            name => {
                let key = Key::new(name);
                if pipeline.redaction.matches(key.name()) {
                    FieldRole::Redacted(key)
                } else {
                    FieldRole::Plain(key, ErrorKeys::default())
                }
            }
        };
        let fields: Box<[FieldRole]> =
            metadata.fields().iter().map(|field| role(field.name())).collect();
        let mut names = Fields::new();
        let keys = fields.iter().filter_map(FieldRole::key);
        keys.clone().for_each(|key| _ = names.begin(key));
        let are_names_distinct = names.len() == keys.count();
        Self {
            opening: opening(&head(metadata.level(), metadata.target())),
            is_straight: plan.is_straight() && are_names_distinct && !is_bridge(metadata),
            redaction: Some(pipeline.redaction.clone()).filter(|names| !names.is_empty()),
            fields,
            names,
            error_types: plan.error_types.clone(),
            has_error: metadata.fields().iter().any(|field| may_have(field.name())),
            backtraces: plan.backtraces,
            surrounded: Cell::new(0),
            suiting: Cell::new(None),
            verdict: Cell::new((0, Verdict::Unknown)),
            pace: pipeline.pace_of(metadata),
            cost: plan.ledger.share(metadata),
        }
    }

    /// Whether surroundings of this shape (not 0) suit the callsite: looked up once as long as they do
    /// not change.
    #[inline]
    pub(crate) fn suits(&self, shape: u64, look_up: impl FnOnce() -> Option<u128>) -> bool {
        if self.surrounded.get() != shape {
            self.suiting.set(look_up());
            self.surrounded.set(shape);
        }
        self.suiting.get().is_some()
    }

    /// All names in a line with what surrounded the callsite last, as bits.
    pub(crate) fn names_around(&self) -> u128 {
        self.suiting.get().unwrap_or(u128::MAX)
    }

    pub(crate) fn has_message(&self) -> bool {
        self.fields.iter().any(|role| matches!(role, FieldRole::Message))
    }
}

impl FieldRole {
    fn key(&self) -> Option<&Key> {
        match self {
            Self::Plain(key, _) | Self::Redacted(key) => Some(key),
            Self::Message | Self::Target | Self::Unused => None,
        }
    }
}

/// Whether the callsite stands for all records of the `log` crate: ours, or that of tracing-log.
pub(crate) fn is_bridge(metadata: &Metadata<'_>) -> bool {
    metadata.target() == "log" && metadata.fields().field("log.target").is_some()
}

/// Whether this describes one record of the `log` crate, with the record's own target.
pub(crate) fn is_record(metadata: &Metadata<'_>) -> bool {
    metadata.name() == "log record" && metadata.fields().field("log.target").is_some()
}

/// `","level":"info","target":"orders"`.
pub(crate) fn head(level: &Level, target: &str) -> Box<[u8]> {
    let mut head = Vec::with_capacity(target.len() + 40);
    head.extend_from_slice(br#"","level":""#);
    head.extend_from_slice(level_name(level).as_bytes());
    head.extend_from_slice(br#"","target":"#);
    string(&mut head, target);
    head.into()
}

/// As the lines have it.
pub(crate) const fn level_name(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// A thread's callsites, by the address of their metadata and the layer's number.
pub(crate) struct Callsites {
    /// Where a callsite was found last, by a few bits of its address: nearly always there again.
    recent: [Option<Recent>; RECENT],
    known: HashMap<(usize, u32), Rc<Callsite>, BuildHasherDefault<AddressHasher>>,
}

struct Recent {
    address: usize,
    layer: u32,
    callsite: Rc<Callsite>,
}

impl Default for Callsites {
    fn default() -> Self {
        Self { recent: [const { None }; RECENT], known: HashMap::default() }
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
        let at = (address / align_of::<Metadata<'static>>() + layer as usize) % RECENT;
        match &self.recent[at] {
            Some(recent) if recent.address == address && recent.layer == layer => {
                recent.callsite.clone()
            }
            _ => {
                let callsite = self.look_up(layer, metadata, make);
                self.recent[at] = Some(Recent { address, layer, callsite: callsite.clone() });
                callsite
            }
        }
    }

    fn look_up(
        &mut self,
        layer: u32,
        metadata: &'static Metadata<'static>,
        make: impl FnOnce() -> Callsite,
    ) -> Rc<Callsite> {
        let address = std::ptr::from_ref(metadata).addr();
        if let Some(known) = self.known.get(&(address, layer)) {
            return known.clone();
        }
        if self.known.len() >= KEPT {
            self.known.clear();
        }
        let made = Rc::new(make());
        self.known.insert((address, layer), made.clone());
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
