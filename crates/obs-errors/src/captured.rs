//! A captured error, and the report that the worker makes of it.

use std::time::SystemTime;

use obs_context::{ActiveSpan, RequestId};

use crate::details::{ErrorDetails, normalized};
use crate::fields::Fields;
use crate::place::PlaceKey;
use crate::report::{Breadcrumb, ErrorId, Kind, Report, Request, SpanSoFar};
use crate::scrub::Scrubber;
use crate::source::SourceCache;
use crate::stack::Stack;

#[derive(Debug)]
pub(crate) struct CapturedError {
    pub(crate) id: ErrorId,
    pub(crate) time: SystemTime,
    pub(crate) kind: Kind,
    pub(crate) place: PlaceKey,
    pub(crate) target: &'static str,
    pub(crate) details: ErrorDetails,
    pub(crate) stack: Stack,
    pub(crate) span: Option<ActiveSpan>,
    pub(crate) spans: Vec<SpanSoFar>,
    pub(crate) request_id: Option<RequestId>,
    pub(crate) request: Option<Request>,
    pub(crate) breadcrumbs: Vec<Breadcrumb>,
    pub(crate) thread: Option<String>,
    pub(crate) unreported: u64,
}

impl CapturedError {
    /// Resolves the stack, and redacts secrets.
    pub(crate) fn into_report(
        self,
        sources: &mut SourceCache,
        scrub: &Scrubber,
        in_app: &[String],
    ) -> Report {
        let fingerprint = self.fingerprint();
        let Self { details, mut breadcrumbs, .. } = self;
        let mut fields = Fields::parse(&details.fields);
        scrub.fields(&mut fields);
        for breadcrumb in &mut breadcrumbs {
            scrub.fields(&mut breadcrumb.fields);
        }
        Report {
            id: self.id,
            time: self.time,
            kind: self.kind,
            place: self.place.text(),
            target: self.target.to_owned(),
            message: details.message,
            chain: details.chain,
            fields,
            stack: self.stack.resolve(sources, in_app),
            span: self.span,
            spans: self.spans,
            request_id: self.request_id,
            request: self.request,
            breadcrumbs,
            thread: self.thread,
            unreported: self.unreported,
            fingerprint,
        }
    }

    /// The fingerprint. It has no line, so it is the same in every release, and no number, so it is the same for every user.
    fn fingerprint(&self) -> Vec<String> {
        let place = match self.kind {
            Kind::Event => self.target,
            Kind::Panic | Kind::Captured | Kind::Response => self.place.file,
        };
        vec![
            self.kind.as_str().to_owned(),
            place.to_owned(),
            self.details.error_type().to_owned(),
            normalized(self.details.summary()),
        ]
    }
}
