//! The service map, from the spans of all traces.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use obs_context::SpanId;
use serde::Serialize;

use super::summary::milliseconds;
use crate::model::{Span, SpanKind, SpanStatus};

/// The services and what they call.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ServiceMap {
    /// Services, databases, and peers that send nothing themselves.
    pub nodes: Vec<MapNode>,
    /// Calls between them.
    pub edges: Vec<MapEdge>,
}

/// One party.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MapNode {
    /// Its name.
    pub service: Box<str>,
    /// What it is.
    pub kind: NodeKind,
    /// Requests that it answered: server and consumer spans; of one that sends nothing, calls to it.
    pub requests: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// Half of them took at most so long; `None` where there were none.
    pub p50_ms: Option<f64>,
    /// 95 in 100 of them took at most so long.
    pub p95_ms: Option<f64>,
}

/// What a party is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// A service that sends spans.
    Service,
    /// A database, by its `db.system.name`.
    Database,
    /// A queue, by its `messaging.system`.
    Messaging,
    /// Somebody who is called and sends nothing, by its address.
    External,
}

/// Calls of one party to another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MapEdge {
    /// Who calls.
    pub from: Box<str>,
    /// Who is called.
    pub to: Box<str>,
    /// How often.
    pub calls: u64,
    /// How many of them failed.
    pub errors: u64,
    /// 95 in 100 of them took at most so long.
    pub p95_ms: Option<f64>,
}

/// Names of databases and peers come from attributes: as many as these, then they share `<other>`.
const MAX_EXTERNAL_NODES: usize = 64;

#[derive(Debug, Default)]
struct Calls {
    failed: u64,
    durations: Vec<u64>,
}

/// A map that grows by traces.
#[derive(Debug, Default)]
pub(crate) struct MapBuilder {
    nodes: BTreeMap<NodeKind, CallsByName>,
    /// By who calls, and then by who is called.
    edges: BTreeMap<Box<str>, CallsByName>,
    external: HashSet<Box<str>>,
}

type CallsByName = BTreeMap<Box<str>, Calls>;

impl MapBuilder {
    pub(crate) fn add(&mut self, spans: &[Arc<Span>]) {
        let by_id: HashMap<SpanId, &Span> = spans.iter().map(|it| (it.span_id, &**it)).collect();
        let mut answered: HashSet<SpanId> = HashSet::new();
        for span in spans {
            let node =
                get_or_default(self.nodes.entry(NodeKind::Service).or_default(), &span.service);
            if let Some(node) = node
                && matches!(span.kind, SpanKind::Server | SpanKind::Consumer)
            {
                node.add(span);
            }
            let Some(parent) = span.parent_span_id.and_then(|id| by_id.get(&id)) else { continue };
            if parent.service != span.service {
                answered.insert(parent.span_id);
                self.call(&parent.service, &span.service, span);
            }
        }
        for span in spans {
            let calls = matches!(span.kind, SpanKind::Client | SpanKind::Producer);
            let Some((kind, name)) = (calls || span.attributes.find("db.system.name").is_some())
                .then(|| external(span))
                .flatten()
                .filter(|_| !answered.contains(&span.span_id))
            else {
                continue;
            };
            let name = self.bounded(name);
            if let Some(node) = get_or_default(self.nodes.entry(kind).or_default(), name) {
                node.add(span);
            }
            self.call(&span.service, name, span);
        }
    }

    fn call(&mut self, from: &str, to: &str, span: &Span) {
        if let Some(calls) =
            get_or_default(&mut self.edges, from).and_then(|called| get_or_default(called, to))
        {
            calls.add(span);
        }
    }

    fn bounded<'a>(&mut self, name: &'a str) -> &'a str {
        if !self.external.contains(name) {
            if self.external.len() >= MAX_EXTERNAL_NODES || name.len() > 256 {
                return "<other>";
            }
            self.external.insert(name.into());
        }
        name
    }

    pub(crate) fn finish(self) -> ServiceMap {
        let node = |kind, (service, mut calls): (Box<str>, Calls)| MapNode {
            service,
            kind,
            requests: calls.durations.len() as u64,
            errors: calls.failed,
            p50_ms: calls.quantile(50),
            p95_ms: calls.quantile(95),
        };
        let edge = |from: &str, (to, mut calls): (Box<str>, Calls)| MapEdge {
            from: from.into(),
            to,
            calls: calls.durations.len() as u64,
            errors: calls.failed,
            p95_ms: calls.quantile(95),
        };
        ServiceMap {
            nodes: self
                .nodes
                .into_iter()
                .flat_map(|(kind, calls)| calls.into_iter().map(move |it| node(kind, it)))
                .collect(),
            edges: self
                .edges
                .into_iter()
                .flat_map(|(from, calls)| calls.into_iter().map(move |it| edge(&from, it)))
                .collect(),
        }
    }
}

/// As `entry(name).or_default()`, which would copy the name on each call, also where it is present.
fn get_or_default<'a, T: Default>(
    map: &'a mut BTreeMap<Box<str>, T>,
    name: &str,
) -> Option<&'a mut T> {
    if !map.contains_key(name) {
        map.insert(name.into(), T::default());
    }
    map.get_mut(name)
}

impl Calls {
    fn add(&mut self, span: &Span) {
        self.failed += u64::from(span.failed() || span.status == SpanStatus::Error);
        self.durations.push(span.duration_nanos);
    }

    fn quantile(&mut self, percent: usize) -> Option<f64> {
        let last = self.durations.len().checked_sub(1)?;
        let place = (last * percent).div_ceil(100);
        let (_, nanos, _) = self.durations.select_nth_unstable(place);
        Some(milliseconds(*nanos))
    }
}

/// Whom a span calls that is no service of ours, by the semantic conventions' names of today and before.
fn external(span: &Span) -> Option<(NodeKind, &str)> {
    let first = |keys: &[&str]| keys.iter().find_map(|key| span.attributes.text(key));
    if let Some(name) = first(&["db.system.name", "db.system"]) {
        return Some((NodeKind::Database, name));
    }
    if let Some(name) = first(&["messaging.system"]) {
        return Some((NodeKind::Messaging, name));
    }
    let name = first(&["peer.service", "service.peer.name", "server.address", "net.peer.name"])?;
    Some((NodeKind::External, name))
}
