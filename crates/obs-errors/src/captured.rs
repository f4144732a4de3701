//! An error as it was captured, and the report that is made of it off the request's thread.

use std::time::SystemTime;

use obs_context::{ActiveSpan, RequestId};

use crate::fields::Fields;
use crate::place::Key;
use crate::report::{Breadcrumb, ErrorId, Kind, Report, Request, SpanSoFar};
use crate::scrub::Scrub;
use crate::source::Sources;
use crate::stack::Stack;
use crate::told::{Told, normalised};

#[derive(Debug)]
pub(crate) struct Captured {
    pub(crate) id: ErrorId,
    pub(crate) time: SystemTime,
    pub(crate) kind: Kind,
    pub(crate) place: Key,
    pub(crate) target: &'static str,
    pub(crate) told: Told,
    pub(crate) stack: Stack,
    pub(crate) span: Option<ActiveSpan>,
    pub(crate) spans: Vec<SpanSoFar>,
    pub(crate) request_id: Option<RequestId>,
    pub(crate) request: Option<Request>,
    pub(crate) breadcrumbs: Vec<Breadcrumb>,
    pub(crate) thread: Option<String>,
    pub(crate) unreported: u64,
}

impl Captured {
    /// Looks names up, and takes secrets out.
    pub(crate) fn report(self, sources: &mut Sources, scrub: &Scrub, in_app: &[String]) -> Report {
        let fingerprint = self.fingerprint();
        let Self { told, mut breadcrumbs, .. } = self;
        let mut fields = Fields::parse(&told.fields);
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
            message: told.message,
            chain: told.chain,
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

    /// The same in every release, since it has no line, and for every user, since it has no number.
    fn fingerprint(&self) -> Vec<String> {
        let place = match self.kind {
            Kind::Event => self.target,
            Kind::Panic | Kind::Captured | Kind::Response => self.place.file,
        };
        vec![
            self.kind.as_str().to_owned(),
            place.to_owned(),
            self.told.error_type().to_owned(),
            normalised(self.told.summary()),
        ]
    }
}
