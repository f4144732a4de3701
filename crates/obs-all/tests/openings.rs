//! Layers of the application beside the pillars, and the pillars' own builders through the facade.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use obs_all::Config;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber, debug, info, info_span, trace};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Keeps level, target and the names of the spans around every event.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Seen {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let spans: Vec<_> =
            context.event_scope(event).into_iter().flatten().map(|span| span.name()).collect();
        let text = format!("{} {} {spans:?}", metadata.level(), metadata.target());
        self.0.lock().unwrap().push(text);
    }
}

impl Seen {
    fn of(&self, target: &str) -> Vec<String> {
        let all = self.0.lock().unwrap();
        all.iter().filter(|text| text.contains(target)).cloned().collect()
    }
}

#[test]
fn own_layers_and_builders_do_not_change_others() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let (filtered, unfiltered) = (Seen::default(), Seen::default());
    let mine = Targets::new().with_target("mine", Level::TRACE).with_default(LevelFilter::OFF);
    let obs = Config::new("orders")
        .environment(|name| (name == "OBS_ADMIN_ADDR").then(|| "off".into()))
        .log_output(log.display().to_string())
        .logging(|logs| logs.static_field("region", "eu").redact(["iban"]))
        .tracing(|traces| traces.sampler(obs_all::tracing::Sampler::never()))
        .layer(filtered.clone().with_filter(mine))
        .layer(unfiltered.clone())
        .init()
        .unwrap();
    let span = info_span!("request");
    span.in_scope(|| {
        trace!(target: "mine", "for the filtered layer");
        debug!(target: "theirs", "for the unfiltered layer alone");
        info!(target: "theirs", iban = "DE02", "a line");
    });
    drop(span);
    assert!(obs.flush(Duration::from_secs(60)));

    assert_eq!(filtered.of("mine"), ["TRACE mine []"]);
    assert!(filtered.of("theirs").is_empty());
    let theirs = [r#"DEBUG theirs ["request"]"#, r#"INFO theirs ["request"]"#];
    assert_eq!(unfiltered.of("theirs"), theirs);
    assert_eq!(unfiltered.of("mine").len(), 1);

    let lines = std::fs::read_to_string(log).unwrap();
    let of_target = |target: &str| lines.lines().filter(|line| line.contains(target)).count();
    assert_eq!((of_target("\"mine\""), of_target("\"theirs\"")), (0, 1), "{lines}");
    let line = lines.lines().find(|line| line.contains("a line")).unwrap();
    for part in [r#""region":"eu""#, r#""iban":"[redacted]""#, r#""trace_id":""#] {
        assert!(line.contains(part), "{line} has no {part}");
    }
    assert_eq!(obs.traces().counts().exported, 0);
}
