//! Records of the `log` crate in the same stream: same context, same ids, printed once.

use std::sync::atomic::{AtomicBool, Ordering};

use log::{Log, Metadata, Record};
use tracing::dispatcher::{self, Dispatch};
use tracing::level_filters::LevelFilter;
use tracing_core::callsite::{Callsite, Identifier};
use tracing_core::field::{FieldSet, Value};
use tracing_core::subscriber::Interest;
use tracing_core::{Event, Kind, Level};

use crate::error::Error;

#[cfg(feature = "kv")]
mod key_values;
mod probe;

/// Sends every record of the `log` crate to the current `tracing` subscriber, from now on.
///
/// This sets the process's logger. The levels are those of the subscriber's filters, also when they
/// change; a record's own target is what they look at. With the feature `kv` a record's key-values are
/// fields of its line, nested ones as JSON; other layers do not see them.
///
/// tracing-log may be there before: `init` of tracing-subscriber, with its default features, makes it the logger.
/// Then it goes on sending the records, with their targets, and only their key-values are left out. A line of
/// level DEBUG says so.
///
/// # Errors
/// When the process has another logger already, which sends records elsewhere.
pub fn install() -> Result<(), Error> {
    static IS_INSTALLED: AtomicBool = AtomicBool::new(false);
    if IS_INSTALLED.load(Ordering::Acquire) {
        return Ok(());
    }
    if let Err(error) = log::set_logger(&Bridge) {
        if !probe::reaches_subscriber(log::logger()) {
            let what = "the process already has a logger for the `log` crate";
            let remedy = "set it up only once, or install tracing-log in its place";
            return Err(Error::new(what, remedy).caused_by(error.to_string()));
        }
        tracing::debug!(
            target: "obs_logging",
            "records of `log` come through tracing-log, without their key-values"
        );
    }
    // The subscriber's own level is looked at for each record: it may change.
    log::set_max_level(log::LevelFilter::Trace);
    IS_INSTALLED.store(true, Ordering::Release);
    Ok(())
}

struct Bridge;

impl Log for Bridge {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        LevelFilter::current() >= level(metadata.level())
            && dispatcher::get_default(|dispatch| {
                is_enabled(dispatch, metadata, &Source::default())
            })
    }

    fn log(&self, record: &Record<'_>) {
        if LevelFilter::current() < level(record.level()) {
            return;
        }
        dispatcher::get_default(|dispatch| {
            let source =
                Source { module: record.module_path(), file: record.file(), line: record.line() };
            if is_enabled(dispatch, record.metadata(), &source) {
                send(dispatch, record);
            }
        });
    }

    fn flush(&self) {}
}

#[derive(Default)]
struct Source<'a> {
    module: Option<&'a str>,
    file: Option<&'a str>,
    line: Option<u32>,
}

/// Asks with the record's own target, which the callsite that stands for all records has not.
fn is_enabled(dispatch: &Dispatch, record: &Metadata<'_>, source: &Source<'_>) -> bool {
    let callsite = callsite(level(record.level()));
    dispatch.enabled(&tracing::Metadata::new(
        "log record",
        record.target(),
        level(record.level()),
        source.file,
        source.line,
        source.module,
        FieldSet::new(NAMES, Identifier(callsite)),
        Kind::EVENT,
    ))
}

fn send(dispatch: &Dispatch, record: &Record<'_>) {
    let metadata = callsite(level(record.level())).metadata;
    let target = record.target();
    let (module, file, line) = (record.module_path(), record.file(), record.line());
    let values: [Option<&dyn Value>; 5] = [
        Some(record.args()),
        Some(&target),
        module.as_ref().map(|module| module as &dyn Value),
        file.as_ref().map(|file| file as &dyn Value),
        line.as_ref().map(|line| line as &dyn Value),
    ];
    let fields = metadata.fields();
    #[cfg(feature = "kv")]
    let _fields = key_values::apply(record);
    dispatch.event(&Event::new(metadata, &fields.value_set_all(&values)));
}

/// The names that tracing-log has, so that other layers know them.
static NAMES: &[&str] = &["message", "log.target", "log.module_path", "log.file", "log.line"];

/// Stands for all records of one level.
struct Records {
    metadata: &'static tracing::Metadata<'static>,
}

impl Callsite for Records {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &tracing::Metadata<'_> {
        self.metadata
    }
}

fn level(level: log::Level) -> Level {
    match level {
        log::Level::Error => Level::ERROR,
        log::Level::Warn => Level::WARN,
        log::Level::Info => Level::INFO,
        log::Level::Debug => Level::DEBUG,
        log::Level::Trace => Level::TRACE,
    }
}

macro_rules! records {
    ($($name:ident = $level:ident),+) => {
        $(static $name: Records = Records {
            metadata: {
                static METADATA: tracing::Metadata<'static> = tracing::Metadata::new(
                    "log event",
                    "log",
                    Level::$level,
                    None,
                    None,
                    None,
                    FieldSet::new(NAMES, Identifier(&$name)),
                    Kind::EVENT,
                );
                &METADATA
            },
        };)+

        fn callsite(level: Level) -> &'static Records {
            match level {
                $(Level::$level => &$name,)+
            }
        }
    };
}

records!(ERRORS = ERROR, WARNINGS = WARN, INFOS = INFO, DEBUGS = DEBUG, TRACES = TRACE);
