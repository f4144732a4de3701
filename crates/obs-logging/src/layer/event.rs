//! One event, from its values to the output.

use std::sync::Arc;

use obs_context::{ActiveSpan, SpanResolver, active_span};
use tracing_core::{Event, Level, Subscriber, span};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

use super::Lines;
use crate::budget::SiteBudget;
use crate::callsite::Callsite;
use crate::context::fields::{Fields, mixed};
use crate::encode::escape::string;
use crate::encode::moment::Moment;
use crate::encode::value;
use crate::local::Local;
use crate::notice;
use crate::render::{Json, Line, LineParts};
use crate::scratch::Scratch;
use crate::visitor::Visitor;
use crate::visitor::buffered::Buffered;
use crate::visitor::in_place::InPlace;

impl Lines {
    /// The line of an event, from its values to the output.
    #[inline]
    pub(super) fn line<S: Subscriber + for<'a> LookupSpan<'a>>(
        &self,
        local: &Local,
        event: &Event<'_>,
        callsite: &Callsite,
        scratch: &mut Scratch,
        context: &Context<'_, S>,
    ) {
        let time = local.clock.now();
        let metadata = event.metadata();
        let level = *metadata.level();
        let config = &self.config;
        let mut suppressed = 0;
        if let Some(pace) = &callsite.pace {
            match config.pipeline.pacing.admit(pace, level, time) {
                Some(before) => suppressed = before,
                None => return self.suppress(callsite),
            }
        }
        if let Some(budget) = &callsite.budget {
            if let Some(shed) = budget.notice(time) {
                self.tell_of_shed(shed, budget, time);
            }
            match budget.admit(level, time, suppressed) {
                Some(before) => suppressed = before,
                None => return config.tally.shed(level),
            }
        }
        if suppressed == 0
            && let Some(json) = config.renderer.as_json().filter(|_| callsite.writes_in_place)
            && event.is_contextual()
        {
            json.open(&callsite.opening, time, &local.clock, &mut scratch.line);
            let write_context =
                |line: &mut Vec<u8>| self.write_context(local, callsite, json, line);
            let mut visitor = Visitor(InPlace::new(callsite, scratch, json, write_context));
            event.record(&mut visitor);
            if visitor.0.end() {
                return self.push_line(level, time, callsite, &scratch.line);
            }
        } else {
            if config.span_names {
                self.name_spans(event, scratch.fields.begin(&self.spans), context);
            }
            event.record(&mut Visitor(Buffered { callsite, scratch }));
            if suppressed > 0 {
                value::unsigned(scratch.fields.begin(&self.suppressed), suppressed);
            }
        }
        self.write_merged(local, event, time, callsite, scratch);
    }

    /// Appends the ids and the fields of the context, unless a name would come twice or a value needs redaction.
    #[inline]
    fn write_context(
        &self,
        local: &Local,
        callsite: &Callsite,
        json: &Json,
        line: &mut Vec<u8>,
    ) -> bool {
        let bound = local.bound.borrow();
        let mut stack = local.stack.borrow_mut();
        let (ambient, innermost) = stack.fields(self.number);
        let ids = active_span().map(|span| (span.trace_id, span.span_id));
        let parts = [Some(&self.config.statics), ambient, innermost, bound.as_deref()];
        let mut shape = 1 + u64::from(ids.is_some());
        for (place, part) in parts.iter().enumerate() {
            if let Some(part) = part {
                shape = mixed(shape ^ place as u64, part.shape());
            }
        }
        let fits = callsite
            .fits_context(shape, || self.names_if_distinct(callsite, ids.is_some(), parts))
            && !self.may_have_secret_inside(callsite, ambient, bound.as_deref());
        if fits {
            json.write_context(ids, parts.into_iter().flatten(), line);
        }
        fits
    }

    /// Spans have redacted their own values; those of a context or a logger belong to no layer.
    #[inline]
    fn may_have_secret_inside(
        &self,
        callsite: &Callsite,
        ambient: Option<&Fields>,
        bound: Option<&Fields>,
    ) -> bool {
        callsite.redaction.is_some()
            && [ambient, bound].into_iter().flatten().any(Fields::has_structure)
    }

    /// All names of the line, as bits, if none comes twice, and none whose value must not be seen.
    #[cold]
    fn names_if_distinct(
        &self,
        callsite: &Callsite,
        has_ids: bool,
        parts: [Option<&Fields>; 4],
    ) -> Option<u128> {
        let config = &self.config;
        let none = const { &Fields::new() };
        let [statics, ambient, span, bound] = parts.map(|part| part.unwrap_or(none));
        let parts = [statics, ambient, span, bound, &callsite.names];
        let has = LineParts { ids: has_ids, message: callsite.has_message() };
        let is_secret = |part: &&Fields| config.pipeline.redaction.names_one_of(part);
        if !config.renderer.are_disjoint(has, &parts) || parts[..4].iter().any(is_secret) {
            return None;
        }
        Some(parts.iter().fold(config.renderer.names(has), |names, part| names | part.mask()))
    }

    /// A line whose fields are buffered: the general way.
    fn write_merged(
        &self,
        local: &Local,
        event: &Event<'_>,
        time: Moment,
        callsite: &Callsite,
        scratch: &mut Scratch,
    ) {
        let config = &self.config;
        let metadata = event.metadata();
        let level = *metadata.level();
        // From here on nothing of the user's runs, except for processors.
        let Scratch { fields, message, target, merged, line } = scratch;
        if !target.is_empty() && !config.filter.wants_target(target, &level) {
            return;
        }
        let none = const { &Fields::new() };
        // Before the stack is borrowed: a span that is looked up may close here, and other layers log
        // when it does.
        let explicit = (!event.is_contextual()).then(|| self.explicit(event));
        let bound = local.bound.borrow();
        let mut stack = local.stack.borrow_mut();
        let (ambient, innermost) = stack.fields(self.number);
        let (ids, ambient, span) = match &explicit {
            None => (active_span(), ambient, innermost),
            Some(explicit) => {
                (explicit.ids, explicit.ambient.as_deref().or(ambient), explicit.span.as_deref())
            }
        };
        let parts = [
            &config.statics,
            ambient.unwrap_or(none),
            span.unwrap_or(none),
            bound.as_deref().unwrap_or(none),
            &*fields,
        ];
        let whole = Line {
            time,
            level,
            opening: &callsite.opening,
            target: if target.is_empty() { metadata.target() } else { target },
            has_own_target: !target.is_empty(),
            message,
            ids: ids.map(|span| (span.trace_id, span.span_id)),
        };
        if config.pipeline.rewrites(&parts) {
            config.renderer.merge(&whole, &parts, merged);
            drop((stack, bound));
            if !config.pipeline.rewrite(level, whole.target, merged) {
                return self.suppress(callsite);
            }
            config.renderer.render(&whole, &[merged], &local.clock, line);
        } else {
            config.renderer.render_parts(&whole, &parts, &local.clock, merged, line);
            drop((stack, bound));
        }
        self.push_line(level, time, callsite, line);
    }

    #[inline]
    fn push_line(&self, level: Level, time: Moment, callsite: &Callsite, line: &[u8]) {
        if let Some(budget) = &callsite.budget {
            budget.charge(level, line.len(), time);
        }
        let was_taken = self.config.sink.push(level, line);
        callsite.cost.add_line(line.len(), was_taken);
    }

    /// Says which budget sheds lines, and whose.
    #[cold]
    fn tell_of_shed(&self, shed: u64, site: &SiteBudget, time: Moment) {
        let config = &self.config;
        let loudest = config.stats.costs().into_iter().max_by_key(|cost| cost.shed);
        let line = notice::of_shed_lines(
            &config.renderer,
            config.statics.clone(),
            site.bytes_per_second(),
            shed,
            loudest,
        );
        site.charge(Level::WARN, line.len(), time);
        config.sink.push(Level::WARN, &line);
    }

    fn suppress(&self, callsite: &Callsite) {
        self.config.tally.suppress();
        callsite.cost.add_suppressed();
    }

    fn name_spans<S: Subscriber + for<'a> LookupSpan<'a>>(
        &self,
        event: &Event<'_>,
        out: &mut Vec<u8>,
        context: &Context<'_, S>,
    ) {
        let scope = context.event_scope(event);
        let spans = scope.into_iter().flat_map(Scope::from_root);
        out.push(b'[');
        for (position, span) in spans.enumerate() {
            if position > 0 {
                out.push(b',');
            }
            string(out, span.name());
        }
        out.push(b']');
    }

    /// The context of an event that names its parent, or says that it has none.
    #[cold]
    fn explicit(&self, event: &Event<'_>) -> ExplicitContext {
        let Some(id) = event.parent() else { return ExplicitContext::default() };
        let span = self.context_of(id);
        let ambient = span.as_ref().and_then(|span| span.ambient());
        ExplicitContext {
            ids: self.resolve(id),
            ambient: ambient.map(|ambient| ambient.snapshot().1),
            span: span.as_ref().map(|span| span.snapshot().1),
        }
    }

    /// The ids of a span: the tracing layer knows them, when there is one.
    fn resolve(&self, id: &span::Id) -> Option<ActiveSpan> {
        let dispatch = self.dispatch.get()?.upgrade()?;
        dispatch.downcast_ref::<SpanResolver>()?.resolve(id.into_u64())
    }
}

/// The context of an event with an explicit parent.
#[derive(Default)]
struct ExplicitContext {
    ids: Option<ActiveSpan>,
    ambient: Option<Arc<Fields>>,
    span: Option<Arc<Fields>>,
}
