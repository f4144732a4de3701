//! The spans of a request as a tree.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use obs_context::SpanId;
use serde::Serialize;

use super::summary::milliseconds;
use crate::model::Span;

/// A span and its place in the request.
#[derive(Clone, Debug, Serialize)]
pub struct PlacedSpan {
    /// The span.
    #[serde(flatten)]
    pub span: Arc<Span>,
    /// How many spans of the request it is inside of.
    pub depth: usize,
    /// How long after the request's start it began.
    pub offset_nanos: u64,
    /// When it began, in milliseconds of Unix time.
    pub start_unix_ms: f64,
    /// How long it took.
    pub duration_ms: f64,
}

/// Spans in the order of their tree, and those at its tops.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Every parent before its children, siblings in the order in which they began.
    pub(super) spans: Vec<PlacedSpan>,
    /// The spans without a parent.
    pub(super) roots: Vec<SpanId>,
    /// The spans whose parent is not among them.
    pub(super) orphans: Vec<SpanId>,
}

impl Tree {
    /// The tree of spans that are in the order in which they began. Spans that are each other's parents,
    /// which no honest service sends, come last.
    pub(super) fn of(spans: &[Arc<Span>], start_unix_nanos: u64) -> Self {
        let here: HashSet<SpanId> = spans.iter().map(|span| span.span_id).collect();
        let mut children: HashMap<SpanId, Vec<&Arc<Span>>> = HashMap::new();
        let mut tops = Vec::new();
        let mut tree = Self::default();
        for span in spans {
            match span.parent_span_id {
                Some(parent) if here.contains(&parent) => {
                    children.entry(parent).or_default().push(span);
                    continue;
                }
                Some(_) => tree.orphans.push(span.span_id),
                None => tree.roots.push(span.span_id),
            }
            tops.push(span);
        }
        let place = |span: &Arc<Span>, depth| PlacedSpan {
            offset_nanos: span.start_unix_nanos - start_unix_nanos,
            start_unix_ms: milliseconds(span.start_unix_nanos),
            duration_ms: milliseconds(span.duration_nanos),
            span: Arc::clone(span),
            depth,
        };
        let mut next: Vec<(&Arc<Span>, usize)> =
            tops.into_iter().rev().map(|top| (top, 0)).collect();
        while let Some((span, depth)) = next.pop() {
            tree.spans.push(place(span, depth));
            let below = children.remove(&span.span_id).unwrap_or_default();
            next.extend(below.into_iter().rev().map(|child| (child, depth + 1)));
        }
        if tree.spans.len() < spans.len() {
            let placed: HashSet<SpanId> = tree.spans.iter().map(|it| it.span.span_id).collect();
            let left = spans.iter().filter(|span| !placed.contains(&span.span_id));
            tree.spans.extend(left.map(|span| place(span, 0)));
        }
        tree
    }
}
