//! Which events and spans are wanted, and changing that while the service runs.
//!
//! The syntax is that of `EnvFilter`. Where it names targets and levels only, no `EnvFilter` is made:
//! that one takes four read locks in the life of every span and brings a regex engine along.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tracing::level_filters::LevelFilter;
use tracing_core::subscriber::Interest;
use tracing_core::{Level, Metadata, callsite, span};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Filter};

use crate::error::Error;
use crate::log_record::{is_bridge, is_record};

const REMEDY: &str = "write levels and targets such as `info,sqlx=warn,my_crate[request]=debug`";

/// `EnvFilter` splits at every comma, those between braces too.
const ONE_FIELD: &str =
    "write one field to a span, and no comma in its value, such as `[request{user=7}]=debug`";

/// Whether a callsite's events and spans are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Unknown,
    Wanted,
    Unwanted,
}

/// The filter's verdict on one callsite, with the generation of the rules that gave it.
pub(crate) struct CachedVerdict(Cell<(u64, Verdict)>);

impl Default for CachedVerdict {
    fn default() -> Self {
        Self(Cell::new((0, Verdict::Unknown)))
    }
}

/// The filter of a logging layer. It can be changed at runtime, from any thread.
#[derive(Clone)]
pub struct LogFilter(Arc<Shared>);

struct Shared {
    rules: ArcSwap<Rules>,
    /// Changes with the rules: a cached verdict of an older generation is stale.
    generation: AtomicU64,
    /// Whether the rules look at spans: everything about spans is skipped where they do not.
    is_dynamic: AtomicBool,
    temporary: Mutex<Temporary>,
    changed: Condvar,
}

/// A filter that holds for a while.
#[derive(Default)]
struct Temporary {
    /// What to fall back to, and when.
    back: Option<(Arc<Rules>, Instant)>,
    has_thread: bool,
}

struct Rules {
    text: String,
    kind: Kind,
}

#[allow(
    clippy::large_enum_variant,
    reason = "one a layer, and the common kind is reached directly"
)]
enum Kind {
    Static(Targets),
    Dynamic(Box<EnvFilter>),
}

impl LogFilter {
    pub(crate) fn new(text: &str) -> Result<Self, Error> {
        Rules::parse(text).map(Self::of)
    }

    /// The filter that lets everything pass.
    pub(crate) fn everything() -> Self {
        let kind = Kind::Static(Targets::new().with_default(LevelFilter::TRACE));
        Self::of(Rules { text: "trace".to_owned(), kind })
    }

    fn of(rules: Rules) -> Self {
        Self(Arc::new(Shared {
            is_dynamic: AtomicBool::new(rules.is_dynamic()),
            rules: ArcSwap::from_pointee(rules),
            generation: AtomicU64::new(1),
            temporary: Mutex::default(),
            changed: Condvar::new(),
        }))
    }

    pub(crate) fn text(&self) -> String {
        self.0.rules.load().text.clone()
    }

    /// Sets the filter for good: one that was set for a while is forgotten.
    pub(crate) fn set(&self, text: &str) -> Result<(), Error> {
        let rules = Arc::new(Rules::parse(text)?);
        let mut temporary = self.0.temporary();
        temporary.back = None;
        self.0.install(rules);
        self.0.changed.notify_all();
        Ok(())
    }

    /// Sets the filter for a while; what held before for good then holds again, by itself.
    pub(crate) fn set_for(&self, text: &str, time: Duration) -> Result<(), Error> {
        let rules = Arc::new(Rules::parse(text)?);
        let end = Instant::now().checked_add(time).ok_or_else(|| {
            Error::new("the time for which a filter is to hold is too long", "set it for good")
        })?;
        let mut temporary = self.0.temporary();
        let before = match temporary.back.take() {
            Some((lasting, _)) => lasting,
            None => self.0.rules.load_full(),
        };
        if !temporary.has_thread {
            let shared = Arc::downgrade(&self.0);
            std::thread::Builder::new()
                .name("obs-log-level".to_owned())
                .spawn(move || fall_back(&shared))
                .map_err(|error| {
                    Error::new(
                        "no thread to end the filter again",
                        "free threads, or set it for good",
                    )
                    .caused_by(error)
                })?;
            temporary.has_thread = true;
        }
        temporary.back = Some((before, end));
        self.0.install(rules);
        self.0.changed.notify_all();
        Ok(())
    }

    /// Whether an event or a span of the callsite is wanted; `cached` is this filter's for it.
    #[inline]
    pub(crate) fn wants(
        &self,
        cached: &CachedVerdict,
        metadata: &'static Metadata<'static>,
    ) -> bool {
        let generation = self.0.generation.load(Ordering::Relaxed);
        let (cached_at, mut verdict) = cached.0.get();
        if cached_at != generation || verdict == Verdict::Unknown {
            verdict = self.0.rules.load().verdict(metadata);
            cached.0.set((generation, verdict));
        }
        verdict == Verdict::Wanted
    }

    /// Whether an event or a span is wanted at this moment, on this thread.
    ///
    /// For layers that hold a [`LogLayer`](crate::LogLayer) and ask its filter themselves: as a
    /// [`Filter`] it lets everything pass that its layer decides event by event.
    pub fn wants_now<S>(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        match &self.0.rules.load().kind {
            _ if is_bridge(metadata) => true, // its record is asked for later
            Kind::Static(targets) => targets.would_enable(metadata.target(), metadata.level()),
            Kind::Dynamic(filter) => filter.enabled(metadata, context.clone()),
        }
    }

    /// Whether a bridged record is wanted, which has a target of its own.
    pub(crate) fn wants_target(&self, target: &str, level: &Level) -> bool {
        match &self.0.rules.load().kind {
            Kind::Static(targets) => targets.would_enable(target, level),
            Kind::Dynamic(_) => true, // the bridge has asked with the record's own metadata
        }
    }
}

impl Shared {
    fn temporary(&self) -> std::sync::MutexGuard<'_, Temporary> {
        self.temporary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn install(&self, rules: Arc<Rules>) {
        self.is_dynamic.store(rules.is_dynamic(), Ordering::Relaxed);
        self.rules.store(rules);
        self.generation.fetch_add(1, Ordering::Release);
        callsite::rebuild_interest_cache();
    }

    fn dynamic(&self, work: impl FnOnce(&EnvFilter)) {
        if self.is_dynamic.load(Ordering::Relaxed)
            && let Kind::Dynamic(filter) = &self.rules.load().kind
        {
            work(filter);
        }
    }
}

/// Lives while a filter holds for a while only.
fn fall_back(shared: &Weak<Shared>) {
    /// How often it checks whether the filter still exists.
    const CHECK_INTERVAL: Duration = Duration::from_secs(1);
    while let Some(shared) = shared.upgrade() {
        let mut temporary = shared.temporary();
        let Some((_, end)) = &temporary.back else {
            temporary.has_thread = false;
            return;
        };
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            if let Some((before, _)) = temporary.back.take() {
                shared.install(before);
            }
            temporary.has_thread = false;
            return;
        }
        let _ = shared.changed.wait_timeout(temporary, left.min(CHECK_INTERVAL));
    }
}

impl Rules {
    fn parse(text: &str) -> Result<Self, Error> {
        let directives = text.split(',').map(str::trim).filter(|directive| !directive.is_empty());
        let text = &directives.collect::<Vec<_>>().join(",");
        if text.is_empty() {
            return Err(Error::new("the log filter is empty", REMEDY));
        }
        let refused = || format!("`{text}` is no log filter");
        check(text)?;
        let filter = EnvFilter::builder()
            .parse(text)
            .map_err(|error| Error::new(refused(), REMEDY).caused_by(error))?;
        let kind = if text.contains('[') {
            Kind::Dynamic(Box::new(filter))
        } else {
            let targets: Targets = text
                .parse()
                .map_err(|error| Error::new(refused(), REMEDY).caused_by(format!("{error}")))?;
            Kind::Static(targets)
        };
        Ok(Self { text: text.to_owned(), kind })
    }

    fn is_dynamic(&self) -> bool {
        matches!(self.kind, Kind::Dynamic(_))
    }

    fn verdict(&self, metadata: &'static Metadata<'static>) -> Verdict {
        match &self.kind {
            _ if is_bridge(metadata) => Verdict::Wanted, // asked later, with the record's target
            Kind::Dynamic(_) => Verdict::Wanted,         // `enabled` has been asked
            Kind::Static(targets) if targets.would_enable(metadata.target(), metadata.level()) => {
                Verdict::Wanted
            }
            Kind::Static(_) => Verdict::Unwanted,
        }
    }
}

/// Refuses what `EnvFilter` takes and then never matches: targets are prefixes of Rust paths, without
/// wildcards, blanks or brackets, and spans have names. And says of its refusals what it does not.
fn check(text: &str) -> Result<(), Error> {
    for directive in text.split(',') {
        let target = directive.split(['=', '[']).next().unwrap_or_default();
        let is_path = |letter: char| letter.is_alphanumeric() || "_:-./".contains(letter);
        if !target.chars().all(is_path) {
            let what = format!("`{target}` in the log filter `{text}` can be no target");
            return Err(Error::new(what, REMEDY));
        }
        if directive.starts_with('=') {
            let what = format!("`{directive}` in the log filter `{text}` names no target");
            return Err(Error::new(what, REMEDY));
        }
        // `EnvFilter` takes it for everything, its `Targets` for errors alone.
        if directive.ends_with('=') {
            let what = format!("`{directive}` in the log filter `{text}` names no level");
            return Err(Error::new(what, REMEDY));
        }
        if directive.contains("[]") {
            let what = format!("`{directive}` in the log filter `{text}` names no span");
            return Err(Error::new(what, REMEDY));
        }
        if directive.contains('{') && !directive.contains('}') {
            let what =
                format!("the fields of `{directive}` in the log filter `{text}` have no end");
            return Err(Error::new(what, ONE_FIELD));
        }
    }
    Ok(())
}

/// The answers that `tracing` caches. Rules without spans are applied by the layer itself, event by
/// event (`enabled` says yes to all): `tracing` would keep each answer in a thread-local until the
/// event comes, and a value's `Debug` that logs in between confuses it.
impl<S> Filter<S> for LogFilter {
    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        match &self.0.rules.load().kind {
            Kind::Static(targets) if targets.would_enable(metadata.target(), metadata.level()) => {
                Interest::always()
            }
            Kind::Static(_) => Interest::never(),
            Kind::Dynamic(filter) => <EnvFilter as Filter<S>>::callsite_enabled(filter, metadata),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        if !self.0.is_dynamic.load(Ordering::Relaxed) && !is_record(metadata) {
            return true;
        }
        match &self.0.rules.load().kind {
            Kind::Static(targets) => {
                !is_record(metadata) || targets.would_enable(metadata.target(), metadata.level())
            }
            Kind::Dynamic(filter) => filter.enabled(metadata, context.clone()),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        match &self.0.rules.load().kind {
            Kind::Static(targets) => <Targets as Filter<S>>::max_level_hint(targets),
            Kind::Dynamic(filter) => EnvFilter::max_level_hint(filter),
        }
    }

    fn on_new_span(
        &self,
        attributes: &span::Attributes<'_>,
        id: &span::Id,
        context: Context<'_, S>,
    ) {
        self.0.dynamic(|filter| filter.on_new_span(attributes, id, context));
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        self.0.dynamic(|filter| filter.on_record(id, values, context));
    }

    fn on_enter(&self, id: &span::Id, context: Context<'_, S>) {
        self.0.dynamic(|filter| filter.on_enter(id, context));
    }

    fn on_exit(&self, id: &span::Id, context: Context<'_, S>) {
        self.0.dynamic(|filter| filter.on_exit(id, context));
    }

    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        self.0.dynamic(|filter| filter.on_close(id, context));
    }
}

impl fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogFilter({})", self.text())
    }
}
