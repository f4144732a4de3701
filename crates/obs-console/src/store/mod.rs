//! The store: one lock around the state, and its queries.

mod source;
mod stats;

pub use stats::{EvictedStats, ReceivedStats, RejectedStats, Stats, StoredStats};

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use obs_context::TraceId;
use serde::Serialize;

use crate::document::{
    self, ErrorFilter, FamilySummary, Filter, LineFilter, LinePage, MapBuilder, Numbered,
    RequestDocument, RequestSummary, SeriesFilter, ServiceMap, ServiceState, TimeSeries,
};
use crate::model::{
    ErrorEvent, Family, Health, LogLine, MetricSource, Observation, Span, SpanKind, now_nanos,
};
use crate::state::{Counters, HealthChange, Limits, SelfTraffic, State};

/// Items that are added under one lock.
const BATCH_SIZE: usize = 1_024;
/// Traces and log lines that are read under one lock.
const TRACES_BATCH: usize = 256;
const LINES_BATCH: usize = 4_096;

/// Everything that the console knows: spans, log lines, error events, metric series and health, each within its
/// [`Limits`]. The oldest goes first, and whatever goes or is turned away is counted in [`Stats`].
#[derive(Debug)]
pub struct Store {
    limits: Limits,
    self_traffic: SelfTraffic,
    state: Mutex<State>,
}

/// The outcome of adding items to the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddOutcome {
    /// How many are kept.
    pub accepted: u64,
    /// How many were rejected.
    pub rejected: u64,
    /// Why the last of them was.
    pub reason: Option<&'static str>,
}

/// How far a [`Store`] has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Revision {
    /// The number of the newest request.
    pub requests: u64,
    /// How many spans came.
    pub spans: u64,
    /// The number of the newest log line.
    pub logs: u64,
    /// The number of the newest error event.
    pub errors: u64,
    /// Changes of the list of services, their instances and their health.
    pub services: u64,
}

impl AddOutcome {
    pub(crate) fn reject(&mut self, reason: &'static str) {
        self.rejected += 1;
        self.reason = Some(reason);
    }
}

impl Store {
    /// An empty store.
    pub fn new(limits: Limits) -> Self {
        Self { limits, self_traffic: SelfTraffic::new(), state: Mutex::default() }
    }

    /// Its limits.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Keeps spans. A span that is sent twice is kept once.
    pub fn add_spans(&self, spans: impl IntoIterator<Item = Span>) -> AddOutcome {
        let mut outcome = AddOutcome::default();
        let now = now_nanos();
        self.in_batches(spans, |State { traces, services, counters, .. }, span| {
            if self.self_traffic.is_own_trace(span.trace_id) {
                counters.own += 1;
                return;
            }
            counters.attributes_dropped += u64::from(span.attributes.dropped());
            let (service, instance) = (Arc::clone(&span.service), span.instance.clone());
            let is_request = span.kind == SpanKind::Server;
            let failed = is_request && span.failed();
            let repeated = counters.spans_repeated;
            match traces.add(span, &self.limits, counters) {
                Ok(()) => {
                    let known = services.record(&service, instance.as_ref(), now, &self.limits);
                    counters.services_rejected += u64::from(known.is_none());
                    if let Some(known) = known.filter(|_| counters.spans_repeated == repeated) {
                        known.requests += u64::from(is_request);
                        known.errors += u64::from(failed);
                    }
                    outcome.accepted += 1;
                    counters.spans_received += 1;
                }
                Err(reason) => {
                    outcome.reject(reason);
                    counters.spans_rejected += 1;
                }
            }
        });
        outcome
    }

    /// Keeps log lines.
    pub fn add_logs(&self, lines: impl IntoIterator<Item = LogLine>) -> AddOutcome {
        let mut outcome = AddOutcome::default();
        let now = now_nanos();
        self.in_batches(lines, |State { logs, services, counters, .. }, line| {
            if self.self_traffic.is_own_line(&line) {
                counters.own += 1;
                return;
            }
            counters.attributes_dropped += u64::from(line.fields.dropped());
            let known = services.record(&line.service, line.instance.as_ref(), now, &self.limits);
            counters.services_rejected += u64::from(known.is_none());
            match logs.add(line, self.limits.logs, self.limits.log_bytes) {
                Some(evicted) => {
                    outcome.accepted += 1;
                    counters.logs_received += 1;
                    counters.logs_evicted += evicted;
                }
                None => {
                    outcome.reject(
                        "a line larger than all that the console keeps: raise Limits::log_bytes",
                    );
                    counters.logs_rejected += 1;
                }
            }
        });
        outcome
    }

    /// Keeps error events. An event that is sent twice is kept once.
    pub fn add_errors(&self, events: impl IntoIterator<Item = ErrorEvent>) -> AddOutcome {
        let mut outcome = AddOutcome::default();
        let now = now_nanos();
        self.in_batches(events, |State { errors, services, counters, .. }, event| {
            if event.trace_id.is_some_and(|id| self.self_traffic.is_own_trace(id)) {
                counters.own += 1;
                return;
            }
            if errors.newest_first().any(|known| known.event_id == event.event_id) {
                outcome.accepted += 1;
                counters.errors_received += 1;
                counters.errors_repeated += 1;
                return;
            }
            counters.attributes_dropped += u64::from(event.tags.dropped());
            let known = services.record(&event.service, None, now, &self.limits);
            counters.services_rejected += u64::from(known.is_none());
            match errors.add(event, self.limits.errors, self.limits.error_bytes) {
                Some(evicted) => {
                    outcome.accepted += 1;
                    counters.errors_received += 1;
                    counters.errors_evicted += evicted;
                }
                None => {
                    outcome.reject(
                        "an event larger than all that the console keeps: raise Limits::error_bytes",
                    );
                    counters.errors_rejected += 1;
                }
            }
        });
        outcome
    }

    /// Keeps what a look at `service`'s metrics told, which began and ended at these instants, in
    /// nanoseconds of Unix time.
    pub fn add_metrics(
        &self,
        service: &str,
        source: MetricSource,
        (started, done): (u64, u64),
        observations: impl IntoIterator<Item = Observation>,
    ) -> AddOutcome {
        let mut outcome = AddOutcome::default();
        let mut state = self.state();
        let State { metrics, counters, .. } = &mut *state;
        let Some(mut session) =
            metrics.begin_scrape(service, source, (started, done), &self.limits)
        else {
            outcome.rejected = observations.into_iter().count() as u64;
            outcome.reason = Some("more services than the console keeps: raise Limits::services");
            counters.samples_rejected += outcome.rejected;
            return outcome;
        };
        for mut observation in observations {
            observation.exemplar =
                observation.exemplar.filter(|one| !self.self_traffic.is_own_trace(one.trace_id));
            match session.add(observation, &self.limits, counters) {
                Ok(()) => outcome.accepted += 1,
                Err(reason) => outcome.reject(reason),
            }
        }
        counters.samples_received += outcome.accepted;
        counters.samples_rejected += outcome.rejected;
        outcome
    }

    /// Keeps what is told of the families of `service`'s metrics: their kinds, units and help texts.
    pub fn add_families(&self, service: &str, source: MetricSource, families: Vec<Family>) {
        self.state().metrics.describe(service, source, families, &self.limits);
    }

    /// Keeps what `service`'s probes said at an instant, in nanoseconds of Unix time.
    pub fn add_health(&self, service: &str, unix_nanos: u64, health: Health) {
        let mut state = self.state();
        let State { health: log, counters, .. } = &mut *state;
        if !log.add(service, unix_nanos, health, &self.limits) {
            counters.health_rejected += 1;
        }
    }

    /// The requests that pass `filter`, newest first.
    pub fn requests(&self, filter: &Filter) -> Vec<RequestSummary> {
        let mut found = Vec::new();
        let mut before = filter.before.or(Some(u64::MAX));
        while let Some(seq) = before {
            before = document::list(&self.state(), filter, seq, TRACES_BATCH, &mut found);
        }
        found.sort_by(|one, other| other.start_unix_ms.total_cmp(&one.start_unix_ms));
        found
    }

    /// The log lines that pass `filter`, the newest last.
    pub fn lines(&self, filter: &LineFilter) -> LinePage {
        let mut page = LinePage::default();
        let mut from = document::lines(&self.state(), filter, None, LINES_BATCH, &mut page);
        while from.is_some() {
            from = document::lines(&self.state(), filter, from, LINES_BATCH, &mut page);
        }
        if filter.after.is_none() {
            page.lines.reverse();
        }
        page
    }

    /// The error events that pass `filter`, the newest first.
    pub fn error_list(&self, filter: &ErrorFilter) -> Vec<Numbered<ErrorEvent>> {
        document::errors(&self.state(), filter)
    }

    /// Everything that is known of one request, joined; `None` where no span, no log line and no error
    /// event of it is.
    pub fn request(&self, trace_id: TraceId) -> Option<RequestDocument> {
        document::join(&self.state(), trace_id)
    }

    /// The trace of the request with this request id: the newest, where there are several.
    pub fn trace_of(&self, request_id: &str) -> Option<TraceId> {
        let state = self.state();
        let of_spans = state.traces.of_request(request_id);
        let of_logs = || state.logs.trace_of_request(request_id);
        of_spans.or_else(of_logs).or_else(|| state.errors.trace_of_request(request_id))
    }

    /// The error events that arrived last, the newest first; `limit` of them at most.
    pub fn errors(&self, limit: usize) -> Vec<Arc<ErrorEvent>> {
        self.state().errors.newest_first().take(limit).cloned().collect()
    }

    /// All metric families, by service and name.
    pub fn families(&self) -> Vec<FamilySummary> {
        document::families(&self.state())
    }

    /// The course of the series that pass `filter`, by service, name and labels; 1,000 at most.
    pub fn series(&self, filter: &SeriesFilter) -> Vec<TimeSeries> {
        document::series(&self.state(), filter)
    }

    /// All services by name: those that told something, and those whose metrics or probes are looked at.
    pub fn services(&self) -> Vec<ServiceState> {
        document::services(&self.state())
    }

    /// How the probes of `service`, or of all services, changed; the oldest first.
    pub fn health_changes(&self, service: Option<&str>) -> Vec<HealthChange> {
        self.state().health.changes(service)
    }

    /// Who calls whom, of the traces that have a span which began at `from_unix_nanos` or later.
    pub fn map(&self, from_unix_nanos: u64) -> ServiceMap {
        let mut map = MapBuilder::default();
        let mut before = u64::MAX;
        loop {
            let traces: Vec<(u64, Vec<Arc<Span>>)> = {
                let state = self.state();
                let numbered = state.traces.before(before).take(TRACES_BATCH);
                numbered.map(|(seq, _, it)| (seq, it.spans.values().cloned().collect())).collect()
            };
            let Some((last, _)) = traces.last() else { return map.finish() };
            before = *last;
            let recent = |span: &Arc<Span>| span.start_unix_nanos >= from_unix_nanos;
            for (_, spans) in traces.iter().filter(|(_, spans)| spans.iter().any(recent)) {
                map.add(spans);
            }
        }
    }

    /// How far everything has come: what has changed since is what these differ in.
    pub fn revision(&self) -> Revision {
        let state = self.state();
        Revision {
            requests: state.traces.latest(),
            spans: state.counters.spans_received,
            logs: state.logs.latest(),
            errors: state.errors.latest(),
            services: state.services.revision + state.health.revision,
        }
    }

    /// What is kept, and what was evicted or turned away.
    pub fn stats(&self) -> Stats {
        let state = self.state();
        let told = state.services.iter().map(|(name, _)| name);
        let looked_at = state.metrics.services().chain(state.health.services());
        let services: BTreeSet<&Arc<str>> = told.chain(looked_at).collect();
        Stats::new(&state, services.len() as u64, self.limits)
    }

    /// Counts log lines that were no JSON.
    pub(crate) fn count_text_lines(&self, lines: u64) {
        self.state().counters.logs_text += lines;
    }

    /// Counts log lines whose end was left out.
    pub(crate) fn count_cut_lines(&self, lines: u64) {
        self.state().counters.logs_cut += lines;
    }

    /// Counts items of envelopes that are no error events.
    pub(crate) fn count_ignored_items(&self, items: u64) {
        self.state().counters.envelope_items_ignored += items;
    }

    /// Counts a request of a receiver that was turned away as a whole.
    pub(crate) fn count_bad_request(&self) {
        self.state().counters.requests_rejected += 1;
    }

    /// A connection gave way to a newer one.
    pub(crate) fn count_evicted_connection(&self) {
        self.state().counters.connections_evicted += 1;
    }

    /// Counts spans, lines or points that were left out before they came here.
    pub(crate) fn count_skipped(
        &self,
        counter: impl FnOnce(&mut Counters) -> &mut u64,
        count: u64,
    ) {
        *counter(&mut self.state().counters) += count;
    }

    /// The trace id of a request that the console makes itself.
    pub(crate) fn own_trace_id(&self) -> TraceId {
        self.self_traffic.trace_id()
    }

    /// Calls `add` with every item, and releases the lock in between: a request may hold a million items.
    fn in_batches<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        mut add: impl FnMut(&mut State, T),
    ) {
        let mut items = items.into_iter().peekable();
        while items.peek().is_some() {
            let mut state = self.state();
            for item in items.by_ref().take(BATCH_SIZE) {
                add(&mut state, item);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}
