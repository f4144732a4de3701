//! The layer: spans to context, events to lines.

pub(crate) mod config;
mod event;

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use obs_context::SpanFollower;
use tracing_core::dispatcher::WeakDispatch;
use tracing_core::{Dispatch, Event, Metadata, Subscriber, span};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Filtered;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::callsite::Callsite;
use crate::context::fields::Key;
use crate::context::open_spans::OpenSpans;
use crate::context::span::SpanContext;
use crate::filter::LogFilter;
use crate::layer::config::LayerConfig;
use crate::local::{self, Local};
use crate::visitor::Visitor;
use crate::visitor::buffered::Buffered;

/// The layer that makes lines of events: beside any other layer, on a `tracing_subscriber::Registry`.
///
/// Its filter is its own: what it does not want still reaches the other layers, and a callsite that
/// no layer wants costs what it costs without any layer.
pub type LogLayer<S> = Filtered<Lines, LogFilter, S>;

/// What makes the lines: the inside of [`LogLayer`].
pub struct Lines {
    number: u32,
    config: LayerConfig,
    spans: Key,
    suppressed: Key,
    open_spans: OpenSpans,
    dispatch: OnceLock<WeakDispatch>,
    /// The tracing layer's, where that has a filter of its own and cannot see every span.
    follower: OnceLock<SpanFollower>,
}

impl Lines {
    pub(crate) fn new(config: LayerConfig) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            number,
            config,
            spans: Key::new("spans"),
            suppressed: Key::new("suppressed"),
            open_spans: OpenSpans::default(),
            dispatch: OnceLock::new(),
            follower: OnceLock::new(),
        }
    }

    #[inline]
    fn callsite(
        &self,
        local: &Local,
        metadata: &'static Metadata<'static>,
    ) -> std::rc::Rc<Callsite> {
        let make = || Callsite::new(metadata, &self.config);
        local.callsite(self.number, metadata, make)
    }

    fn context_of(&self, id: &span::Id) -> Option<Arc<SpanContext>> {
        self.open_spans.get(id.into_u64())
    }
}

impl<S> Layer<S> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        // A layer that is given to a second subscriber, which none is, would stay with its first.
        let _first = self.dispatch.set(dispatch.downgrade());
        if let Some(follower) = dispatch.downcast_ref::<SpanFollower>() {
            let _first = self.follower.set(follower.clone());
        }
    }

    fn on_new_span(
        &self,
        attributes: &span::Attributes<'_>,
        id: &span::Id,
        context: Context<'_, S>,
    ) {
        local::with(|local| {
            let metadata = attributes.metadata();
            let callsite = self.callsite(local, metadata);
            if !self.config.filter.wants(&callsite.verdict, metadata) {
                return;
            }
            let Some(span) = context.span(id) else { return };
            let mut scratch = local.take_scratch();
            attributes
                .record(&mut Visitor(Buffered { callsite: &callsite, scratch: &mut scratch }));
            let mut parent = span.parent();
            let mut parent_context = None;
            while let Some(ancestor) = parent {
                parent_context = self.context_of(&ancestor.id());
                parent = if parent_context.is_some() { None } else { ancestor.parent() };
            }
            let inherited = parent_context.as_ref().and_then(|parent| parent.ambient()).cloned();
            let current = || local.stack.borrow().ambient().cloned();
            let ambient = if attributes.parent().is_some() {
                inherited.or_else(current)
            } else {
                current().or(inherited)
            };
            let own = SpanContext::open(parent_context.as_ref(), ambient, &mut scratch.fields);
            local.give_back(scratch);
            self.open_spans.insert(id.into_u64(), own);
        });
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        local::with(|local| {
            let Some(span) = context.span(id) else { return };
            let Some(own) = self.context_of(id) else { return };
            let callsite = self.callsite(local, span.metadata());
            let mut scratch = local.take_scratch();
            values.record(&mut Visitor(Buffered { callsite: &callsite, scratch: &mut scratch }));
            own.record(&scratch.fields);
            local.give_back(scratch);
        });
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        local::with(|local| {
            let callsite = self.callsite(local, event.metadata());
            if !self.config.filter.wants(&callsite.verdict, event.metadata()) {
                return;
            }
            let mut scratch = local.take_scratch();
            self.line(local, event, &callsite, &mut scratch, &context);
            local.give_back(scratch);
        });
    }

    fn on_enter(&self, id: &span::Id, _: Context<'_, S>) {
        if let Some(own) = self.context_of(id) {
            local::with(|local| {
                local.stack.borrow_mut().enter_span(self.number, id.into_u64(), own);
            });
        }
        if let Some(follower) = self.follower.get() {
            follower.0.entered(id.into_u64());
        }
    }

    fn on_exit(&self, id: &span::Id, _: Context<'_, S>) {
        local::with(|local| local.stack.borrow_mut().exit_span(self.number, id.into_u64()));
        if let Some(follower) = self.follower.get() {
            follower.0.exited(id.into_u64());
        }
    }

    fn on_close(&self, id: span::Id, _: Context<'_, S>) {
        if let Some(own) = self.open_spans.remove(id.into_u64()) {
            SpanContext::close(own);
        }
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("filter", &self.config.filter).finish_non_exhaustive()
    }
}
