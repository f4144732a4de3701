//! The registered description of a family.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;

use crate::error::Error;
use crate::kind::Kind;
use crate::names;

/// Who sees a family: what Prometheus and OpenTelemetry name differently has one for each.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Audience {
    All,
    Scrapes,
    Pushes,
}

/// A checked definition, with the lines that it starts with rendered once.
#[derive(Debug)]
pub(crate) struct Descriptor {
    pub(crate) name: Box<str>,
    pub(crate) kind: Kind,
    pub(crate) help: Box<str>,
    pub(crate) labels: Box<[Box<str>]>,
    /// What else two registrations must have in common: buckets, quantiles, states.
    pub(crate) settings: Box<str>,
    pub(crate) location: &'static Location<'static>,
    /// How many bytes of the name are the registry's prefix.
    pub(crate) prefix: usize,
    audience: AtomicU8,
    pub(crate) classic_head: Box<str>,
    pub(crate) openmetrics_head: Box<str>,
}

impl Descriptor {
    /// Checks a definition.
    pub(crate) fn new(
        name: &str,
        kind: Kind,
        help: &str,
        labels: &[&str],
        settings: String,
        location: &'static Location<'static>,
    ) -> Result<Self, Error> {
        names::check_metric(name, kind)?;
        names::check_labels(name, kind, labels)?;
        names::check_help(name, help)?;
        Ok(Self::unchecked(name, kind, help, labels, settings, location))
    }

    /// A definition that serves although it breaks a rule: it is never registered.
    pub(crate) fn unchecked(
        name: &str,
        kind: Kind,
        help: &str,
        labels: &[&str],
        settings: String,
        location: &'static Location<'static>,
    ) -> Self {
        let base = base_name(name, kind);
        let mut openmetrics = format!("# TYPE {base} {}\n", kind.as_str());
        if let Some(unit) =
            names::unit(base).filter(|_| !matches!(kind, Kind::Info | Kind::StateSet))
        {
            openmetrics.push_str(&format!("# UNIT {base} {unit}\n"));
        }
        openmetrics.push_str(&format!("# HELP {base} {}\n", escape_help(help, true)));
        let classic = format!(
            "# HELP {name} {}\n# TYPE {name} {}\n",
            escape_help(help, false),
            kind.classic()
        );
        Self {
            name: name.into(),
            kind,
            help: help.into(),
            labels: labels.iter().map(|label| Box::from(*label)).collect(),
            settings: settings.into(),
            location,
            prefix: 0,
            audience: AtomicU8::new(Audience::All as u8),
            classic_head: classic.into(),
            openmetrics_head: openmetrics.into(),
        }
    }

    /// The name without the registry's prefix: what the semantic conventions may know.
    #[cfg(feature = "otlp-push")]
    pub(crate) fn unprefixed(&self) -> &str {
        self.name.get(self.prefix..).unwrap_or_default()
    }

    /// The family's name in OpenMetrics, which leaves `_total` and `_info` to the series.
    pub(crate) fn base(&self) -> &str {
        base_name(&self.name, self.kind)
    }

    /// Every name that no other family may use: the family's own, and those of its series.
    pub(crate) fn claims(&self) -> impl Iterator<Item = String> {
        let base = self.base();
        let series = self.kind.suffixes().iter().map(move |suffix| format!("{base}{suffix}"));
        std::iter::once(base.to_owned()).chain(series.filter(move |name| *name != base))
    }

    /// From now on it is shown to these alone.
    #[cfg(all(feature = "http", feature = "otlp-push"))]
    pub(crate) fn restrict_to(&self, audience: Audience) {
        self.audience.store(audience as u8, Relaxed);
    }

    /// Whether a push, or else a scrape, shows it.
    pub(crate) fn is_shown(&self, in_push: bool) -> bool {
        let audience = self.audience.load(Relaxed);
        let others = if in_push { Audience::Scrapes } else { Audience::Pushes };
        audience != others as u8
    }

    /// Whether both stand for the same metric.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.kind == other.kind
            && self.help == other.help
            && self.labels == other.labels
            && self.settings == other.settings
    }

    /// The refusal of `self`, because `taken` was there first.
    pub(crate) fn conflict_with(&self, taken: &Self) -> Error {
        Error::conflict(format!(
            "{self}, defined at {}, conflicts with {taken}, defined at {}: give one of them another \
             name, or both the same definition",
            self.location, taken.location
        ))
    }
}

impl fmt::Display for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.kind.as_str(), self.name)?;
        if !self.labels.is_empty() {
            write!(f, " with labels [{}]", self.labels.join(", "))?;
        }
        if !self.settings.is_empty() {
            write!(f, " with {}", self.settings)?;
        }
        write!(f, " and help {:?}", self.help)
    }
}

fn base_name(name: &str, kind: Kind) -> &str {
    let suffix = match kind {
        Kind::Counter => "_total",
        Kind::Info => "_info",
        _ => return name,
    };
    name.strip_suffix(suffix).unwrap_or(name)
}

/// Help as one line; OpenMetrics escapes quotes too.
fn escape_help(help: &str, openmetrics: bool) -> String {
    let escaped = help.replace('\\', "\\\\").replace('\n', "\\n");
    if openmetrics { escaped.replace('"', "\\\"") } else { escaped }
}
