//! Code of the application that panics: counted under the name of its place, and the line is written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]
#![cfg(all(feature = "valuable", feature = "kv"))]

mod common;

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use common::{kept, logged};
use obs_logging::{Builder, Delivery, Format, Output, Processor, Record, WhenFull, valuable};
use serde::{Serialize, Serializer};
use tracing::{Dispatch, info, info_span};
use tracing_subscriber::layer::SubscriberExt;
use valuable::{Valuable, Value, Visit};

#[derive(Debug)]
struct Panics;

impl Error for Panics {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        panic!("in source")
    }
}

impl fmt::Display for Panics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("shown")
    }
}

impl Serialize for Panics {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("in serialize")
    }
}

impl Processor for Panics {
    fn process(&self, record: &mut Record<'_>) -> bool {
        record.set("before", 1);
        panic!("in process")
    }
}

impl Valuable for Panics {
    fn as_value(&self) -> Value<'_> {
        panic!("in as_value")
    }

    fn visit(&self, _: &mut dyn Visit) {}
}

/// As an output: in `write` or in `flush`.
struct PanickingWriter {
    in_flush: bool,
}

impl Write for PanickingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(self.in_flush, "in write");
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        assert!(!self.in_flush, "in flush");
        Ok(())
    }
}

fn panics(place: &str) -> u64 {
    obs_guard::panics().find(|(name, _)| *name == place).map_or(0, |(_, count)| count)
}

/// Fails unless `work` makes code at this place panic. Other tests leave these places alone.
fn assert_counted<T>(place: &str, work: impl FnOnce() -> T) -> T {
    let before = panics(place);
    let done = work();
    assert!(panics(place) > before, "{place}");
    done
}

#[test]
fn panicking_processor_is_counted_and_keeps_line() {
    let (dispatch, kept, _logging) = kept(Builder::new().processor(Panics));
    assert_counted("logging.processor", || {
        tracing::dispatcher::with_default(&dispatch, || info!("event"));
    });
    assert_eq!((&kept.line()["event"], &kept.line()["before"]), (&"event".into(), &1.into()));
}

#[test]
fn panicking_error_source_is_counted_and_keeps_message() {
    let lines = assert_counted("logging.error_source", || {
        logged(|| {
            let _span = info_span!("span", error = &Panics as &dyn Error).entered();
            info!("in a span");
            info!(error = &Panics as &dyn Error, "event");
        })
    })
    .lines();
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert_eq!(line["error.message"], "shown");
        assert!(line["error.chain"].is_null());
    }
}

#[test]
fn panicking_key_values_are_counted_and_others_are_kept() {
    let _first = obs_logging::bridge::install();
    let line = assert_counted("logging.key_values", || {
        logged(|| {
            let inside = (1, Panics, 3);
            log::info!(a = 1, b:serde = Panics, inside:serde = inside, c = 3; "event");
        })
    })
    .line();
    assert_eq!((&line["a"], &line["c"]), (&1.into(), &3.into()));
    assert_eq!(line["b"], "<its visit ended early>");
    assert_eq!(line["inside"], serde_json::json!([1, "<its visit ended early>"]));
}

#[test]
fn panicking_valuable_is_counted_and_keeps_line() {
    let line = assert_counted("logging.valuable", || {
        logged(|| info!(value = ?valuable(&Panics), after = 1, "event"))
    })
    .line();
    assert_eq!((&line["value"], &line["after"]), (&"<its visit ended early>".into(), &1.into()));
}

#[test]
fn panicking_writer_is_counted_in_each_delivery() {
    let queued = Delivery::NonBlocking { buffer_bytes: 1 << 16, when_full: WhenFull::Block };
    for (in_flush, delivery) in
        [(false, Delivery::Blocking), (false, queued), (true, Delivery::Blocking), (true, queued)]
    {
        let (layer, logging) = Builder::new()
            .format(Format::Json)
            .delivery(delivery)
            .output(Output::writer(PanickingWriter { in_flush }))
            .build()
            .unwrap();
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
        assert_counted("logging.writer", || {
            tracing::dispatcher::with_default(&dispatch, || info!("event"));
            logging.shutdown(Duration::from_secs(60));
        });
        let counts = logging.counts();
        assert_eq!((counts.emitted, counts.dropped), (1, u64::from(!in_flush)), "{counts:?}");
    }
}
