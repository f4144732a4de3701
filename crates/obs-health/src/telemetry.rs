//! The health metrics. A scrape reads the current values and never runs a check.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use obs_context::{Sample, SampleKind, Source};

use crate::entry::Entry;
use crate::health::Health;
use crate::status::Verdict;

impl Health {
    /// `health_ready`, `health_check_status` and the others, for a metrics registry.
    pub fn source(&self) -> Arc<dyn obs_context::Source> {
        Arc::new(HealthSource(self.clone()))
    }
}

struct HealthSource(Health);

impl Source for HealthSource {
    fn collect(&self, sink: &mut dyn FnMut(Sample<'_>)) {
        sink(Sample {
            name: "health_ready",
            help: "Whether the service can serve (1) or not (0).",
            kind: SampleKind::Gauge,
            labels: &[],
            value: f64::from(u8::from(self.0.state().is_ready())),
        });
        let heartbeat = self.0.heartbeat();
        let mut total = |name, help, value: u64| {
            let kind = SampleKind::Counter;
            sink(Sample { name, help, kind, labels: &[], value: value as f64 });
        };
        total("health_watchdog_beats_total", "Heartbeats of the watchdog.", heartbeat.beats());
        total(
            "health_wedged_total",
            "Times that the runtime was found wedged.",
            heartbeat.wedged_total(),
        );
        total(
            "health_tasks_panicked_total",
            "Background tasks that panicked.",
            heartbeat.dead_tasks(),
        );
        for (name, help, value) in self.0.server_counts().totals() {
            total(name, help, value);
        }
        for (reason, closed) in self.0.server_counts().closed_by_reason() {
            sink(Sample {
                name: "http_server_connections_closed_total",
                help: "Connections that a limit of the server closed.",
                kind: SampleKind::Counter,
                labels: &[("reason", reason)],
                value: closed as f64,
            });
        }
        for (reason, reset) in self.0.server_counts().streams_reset_by_reason() {
            sink(Sample {
                name: "http_server_streams_reset_total",
                help: "HTTP/2 streams that a limit of the server reset.",
                kind: SampleKind::Counter,
                labels: &[("reason", reason)],
                value: reset as f64,
            });
        }
        let admin = self.0.admin_counts();
        sink(Sample {
            name: "admin_requests_rejected_total",
            help: "Requests to the admin server turned away while too many handlers ran.",
            kind: SampleKind::Counter,
            labels: &[],
            value: admin.rejected_total() as f64,
        });
        for (reason, closed) in admin.closed_by_reason() {
            sink(Sample {
                name: "admin_connections_closed_total",
                help: "Connections that a limit of the admin server closed.",
                kind: SampleKind::Counter,
                labels: &[("reason", reason)],
                value: closed as f64,
            });
        }
        let mut entries = self.0.entries();
        entries.retain(|entry| !entry.is_disabled());
        let mut gauge = |name, help, value: &dyn Fn(&Entry) -> Option<f64>| {
            for entry in &entries {
                let Some(value) = value(entry) else { continue };
                let labels = [("check", entry.check.name.as_str())];
                sink(Sample { name, help, kind: SampleKind::Gauge, labels: &labels, value });
            }
        };
        gauge("health_check_status", "Whether the check is up (1) or not (0).", &|entry| {
            Some(f64::from(u8::from(entry.verdict() == Verdict::Up)))
        });
        gauge("health_check_duration_seconds", "How long the last run took.", &|entry| {
            entry.status().took.as_ref().map(Duration::as_secs_f64)
        });
        gauge(
            "health_check_last_success_timestamp_seconds",
            "When the check last succeeded, in seconds since 1970.",
            &|entry| entry.status().last_success.map(unix_seconds),
        );
        for entry in &entries {
            for (kind, failures) in entry.status().failures() {
                let labels = [("check", entry.check.name.as_str()), ("kind", kind.as_str())];
                sink(Sample {
                    name: "health_check_failures_total",
                    help: "Runs of the check that failed.",
                    kind: SampleKind::Counter,
                    labels: &labels,
                    value: failures as f64,
                });
            }
        }
    }
}

fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
