//! The console's memory as others see it: one lock around the state, and what is asked of it.

mod source;
mod stats;

pub use stats::{EvictedStats, ReceivedStats, Stats, StoredStats, TurnedAwayStats};

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use obs_context::TraceId;
use serde::Serialize;

use crate::document::{
    self, ErrorFilter, FamilySummary, Filter, LineFilter, LinePage, Mapping, Numbered,
    RequestDocument, RequestSummary, SeriesCourse, SeriesFilter, ServiceMap, ServiceState,
};
use crate::model::{
    ErrorEvent, Family, Health, LogLine, MetricSource, Observation, Span, SpanKind, now_nanos,
};
use crate::state::{Counters, HealthChange, Limits, Own, State};

/// How many items are added before others may have the state.
const TURN: usize = 1_024;
/// How many traces and log lines are looked through before others may have the state.
const TRACES_TURN: usize = 256;
const LINES_TURN: usize = 4_096;

/// Everything that the console knows: spans, log lines, error events, metric series and health, each within its
/// [`Limits`]. The oldest goes first, and whatever goes or is turned away is counted in [`Stats`].
#[derive(Debug)]
pub struct Store {
    limits: Limits,
    own: Own,
    state: Mutex<State>,
}

/// What became of the things that were given to the store at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// How many are kept.
    pub accepted: u64,
    /// How many were turned away.
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

impl Taken {
    pub(crate) fn reject(&mut self, reason: &'static str) {
        self.rejected += 1;
        self.reason = Some(reason);
    }
}

impl Store {
    /// An empty store.
    pub fn new(limits: Limits) -> Self {
        Self { limits, own: Own::new(), state: Mutex::default() }
    }

    /// Its limits.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Keeps spans. A span that is sent twice is kept once.
    pub fn add_spans(&self, spans: impl IntoIterator<Item = Span>) -> Taken {
        let mut taken = Taken::default();
        let now = now_nanos();
        self.in_turns(spans, |State { traces, services, counters, .. }, span| {
            if self.own.made(span.trace_id) {
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
                    let known = services.see(&service, instance.as_ref(), now, &self.limits);
                    counters.services_rejected += u64::from(known.is_none());
                    if let Some(known) = known.filter(|_| counters.spans_repeated == repeated) {
                        known.requests += u64::from(is_request);
                        known.errors += u64::from(failed);
                    }
                    taken.accepted += 1;
                    counters.spans_received += 1;
                }
                Err(reason) => {
                    taken.reject(reason);
                    counters.spans_rejected += 1;
                }
            }
        });
        taken
    }

    /// Keeps log lines.
    pub fn add_logs(&self, lines: impl IntoIterator<Item = LogLine>) -> Taken {
        let mut taken = Taken::default();
        let now = now_nanos();
        self.in_turns(lines, |State { logs, services, counters, .. }, line| {
            if self.own.wrote(&line) {
                counters.own += 1;
                return;
            }
            counters.attributes_dropped += u64::from(line.fields.dropped());
            let known = services.see(&line.service, line.instance.as_ref(), now, &self.limits);
            counters.services_rejected += u64::from(known.is_none());
            match logs.add(line, self.limits.logs, self.limits.log_bytes) {
                Some(evicted) => {
                    taken.accepted += 1;
                    counters.logs_received += 1;
                    counters.logs_evicted += evicted;
                }
                None => {
                    taken.reject(
                        "a line larger than all that the console keeps: raise Limits::log_bytes",
                    );
                    counters.logs_rejected += 1;
                }
            }
        });
        taken
    }

    /// Keeps error events. An event that is sent twice is kept once.
    pub fn add_errors(&self, events: impl IntoIterator<Item = ErrorEvent>) -> Taken {
        let mut taken = Taken::default();
        let now = now_nanos();
        self.in_turns(events, |State { errors, services, counters, .. }, event| {
            if event.trace_id.is_some_and(|id| self.own.made(id)) {
                counters.own += 1;
                return;
            }
            if errors.newest_first().any(|known| known.event_id == event.event_id) {
                taken.accepted += 1;
                counters.errors_received += 1;
                counters.errors_repeated += 1;
                return;
            }
            counters.attributes_dropped += u64::from(event.tags.dropped());
            let known = services.see(&event.service, None, now, &self.limits);
            counters.services_rejected += u64::from(known.is_none());
            match errors.add(event, self.limits.errors, self.limits.error_bytes) {
                Some(evicted) => {
                    taken.accepted += 1;
                    counters.errors_received += 1;
                    counters.errors_evicted += evicted;
                }
                None => {
                    taken.reject(
                        "an event larger than all that the console keeps: raise Limits::error_bytes",
                    );
                    counters.errors_rejected += 1;
                }
            }
        });
        taken
    }

    /// Keeps what a look at `service`'s metrics told, which began and ended at these instants, in
    /// nanoseconds of Unix time.
    pub fn add_metrics(
        &self,
        service: &str,
        source: MetricSource,
        (begun, done): (u64, u64),
        observations: impl IntoIterator<Item = Observation>,
    ) -> Taken {
        let mut taken = Taken::default();
        let mut state = self.state();
        let State { metrics, counters, .. } = &mut *state;
        let Some(mut look) = metrics.look(service, source, (begun, done), &self.limits) else {
            taken.rejected = observations.into_iter().count() as u64;
            taken.reason = Some("more services than the console keeps: raise Limits::services");
            counters.samples_rejected += taken.rejected;
            return taken;
        };
        for mut observation in observations {
            observation.exemplar = observation.exemplar.filter(|one| !self.own.made(one.trace_id));
            match look.add(observation, &self.limits, counters) {
                Ok(()) => taken.accepted += 1,
                Err(reason) => taken.reject(reason),
            }
        }
        counters.samples_received += taken.accepted;
        counters.samples_rejected += taken.rejected;
        taken
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
            before = document::list(&self.state(), filter, seq, TRACES_TURN, &mut found);
        }
        found.sort_by(|one, other| other.start_unix_ms.total_cmp(&one.start_unix_ms));
        found
    }

    /// The log lines that pass `filter`, the newest last.
    pub fn lines(&self, filter: &LineFilter) -> LinePage {
        let mut page = LinePage::default();
        let mut from = document::lines(&self.state(), filter, None, LINES_TURN, &mut page);
        while from.is_some() {
            from = document::lines(&self.state(), filter, from, LINES_TURN, &mut page);
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
    pub fn series(&self, filter: &SeriesFilter) -> Vec<SeriesCourse> {
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
        let mut mapping = Mapping::default();
        let mut before = u64::MAX;
        loop {
            let traces: Vec<(u64, Vec<Arc<Span>>)> = {
                let state = self.state();
                let numbered = state.traces.before(before).take(TRACES_TURN);
                numbered.map(|(seq, _, it)| (seq, it.spans.values().cloned().collect())).collect()
            };
            let Some((last, _)) = traces.last() else { return mapping.finish() };
            before = *last;
            let recent = |span: &Arc<Span>| span.start_unix_nanos >= from_unix_nanos;
            for (_, spans) in traces.iter().filter(|(_, spans)| spans.iter().any(recent)) {
                mapping.add(spans);
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
    pub(crate) fn evict_connection(&self) {
        self.state().counters.connections_evicted += 1;
    }

    /// Counts spans, lines or points that were left out before they came here.
    pub(crate) fn count_not_understood(
        &self,
        counter: impl FnOnce(&mut Counters) -> &mut u64,
        count: u64,
    ) {
        *counter(&mut self.state().counters) += count;
    }

    /// The trace id of a request that the console makes itself.
    pub(crate) fn own_trace_id(&self) -> TraceId {
        self.own.trace_id()
    }

    /// Gives `add` every item, and others the state in between: a request may hold a million items.
    fn in_turns<T>(&self, items: impl IntoIterator<Item = T>, mut add: impl FnMut(&mut State, T)) {
        let mut items = items.into_iter().peekable();
        while items.peek().is_some() {
            let mut state = self.state();
            for item in items.by_ref().take(TURN) {
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
