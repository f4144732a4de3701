//! The contexts and spans that are entered on this thread, in one stack.

use std::sync::Arc;

use super::ambient::Ambient;
use super::fields::Fields;
use super::span::SpanContext;

/// The `layer` of an entry that is no span.
const NO_LAYER: u32 = 0;

/// Contexts and spans in the order in which they were entered.
#[derive(Default)]
pub(crate) struct Stack {
    entries: Vec<Entry>,
    next_token: u64,
}

struct Entry {
    /// Which logging layer entered the span: several may live on one thread.
    layer: u32,
    /// The span's id, or the token of an ambient context.
    id: u64,
    span: Option<Arc<SpanContext>>,
    /// Its own, else that of the entry below.
    ambient: Option<Arc<Ambient>>,
    cached_span: CachedFields,
    cached_ambient: CachedFields,
}

/// Fields as they were at a version; read without a lock as long as the version has not changed.
type CachedFields = Option<(u32, Arc<Fields>)>;

impl Stack {
    pub(crate) fn ambient(&self) -> Option<&Arc<Ambient>> {
        self.entries.last()?.ambient.as_ref()
    }

    pub(crate) fn enter_ambient(&mut self, ambient: Arc<Ambient>) -> u64 {
        self.next_token += 1;
        let token = self.next_token;
        self.entries.push(Entry::new(NO_LAYER, token, None, Some(ambient)));
        token
    }

    pub(crate) fn exit_ambient(&mut self, token: u64) {
        self.remove(NO_LAYER, token);
    }

    pub(crate) fn enter_span(&mut self, layer: u32, id: u64, span: Arc<SpanContext>) {
        let ambient = span.ambient().or_else(|| self.ambient()).cloned();
        self.entries.push(Entry::new(layer, id, Some(span), ambient));
    }

    /// Nothing happens when the span was entered on another thread.
    pub(crate) fn exit_span(&mut self, layer: u32, id: u64) {
        self.remove(layer, id);
    }

    /// The ambient fields, and those of the layer's innermost span.
    #[inline]
    pub(crate) fn fields(&mut self, layer: u32) -> (Option<&Fields>, Option<&Fields>) {
        let innermost = match self.entries.last() {
            None => return (None, None),
            Some(top) if top.layer == layer && !top.is_stale() => Some(self.entries.len() - 1),
            Some(_) => self.innermost(layer),
        };
        if let Some(top) = self.entries.last_mut() {
            top.refresh_ambient();
        }
        if let Some(at) = innermost {
            self.entries[at].refresh_span();
        }
        let ambient = self.entries.last().and_then(|top| top.cached_ambient.as_ref());
        let span = innermost.and_then(|at| self.entries[at].span_fields());
        (ambient.map(|cached| &*cached.1), span)
    }

    /// Where the layer's innermost span is. One that was exited on another thread stays here until it
    /// is closed, and is forgotten then.
    #[cold]
    fn innermost(&mut self, layer: u32) -> Option<usize> {
        self.entries.retain(|entry| entry.layer != layer || !entry.is_stale());
        self.entries.iter().rposition(|entry| entry.layer == layer)
    }

    fn remove(&mut self, layer: u32, id: u64) {
        let same = |entry: &Entry| entry.layer == layer && entry.id == id;
        if let Some(at) = self.entries.iter().rposition(same) {
            self.entries.remove(at);
        }
    }
}

impl Entry {
    fn new(
        layer: u32,
        id: u64,
        span: Option<Arc<SpanContext>>,
        ambient: Option<Arc<Ambient>>,
    ) -> Self {
        Self { layer, id, span, ambient, cached_span: None, cached_ambient: None }
    }

    #[inline]
    fn is_stale(&self) -> bool {
        self.span.as_ref().is_some_and(|span| span.is_closed())
    }

    #[inline]
    fn refresh_span(&mut self) {
        if let Some(span) = &self.span
            && span.initial_fields().is_none()
            && self.cached_span.as_ref().is_none_or(|cached| cached.0 != span.version())
        {
            self.cached_span = Some(span.snapshot());
        }
    }

    #[inline]
    fn span_fields(&self) -> Option<&Fields> {
        let initial = self.span.as_ref().and_then(|span| span.initial_fields());
        initial.or_else(|| self.cached_span.as_ref().map(|cached| &*cached.1))
    }

    #[inline]
    fn refresh_ambient(&mut self) {
        if let Some(ambient) = &self.ambient
            && self.cached_ambient.as_ref().is_none_or(|cached| cached.0 != ambient.version())
        {
            self.cached_ambient = Some(ambient.snapshot());
        }
    }
}
