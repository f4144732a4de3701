//! The CPU profile of a service, cut by trace or route.

mod flame;
mod pprof;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use crate::scrape::{Fetcher, Target};
use crate::store::Store;
use flame::Flame;
use pprof::Profile;

/// A service is sampled for so long at most.
pub(crate) const LONGEST: u64 = 30;
/// Profiles that are kept, each packed: one a service, those that were asked for last.
const KEPT: usize = 8;
/// A larger one is shown and not kept.
const LARGEST_KEPT: usize = 4 << 20;

/// What is asked for.
#[derive(Debug, Default)]
pub(crate) struct Question {
    pub(crate) trace_id: Option<String>,
    pub(crate) route: Option<String>,
    pub(crate) seconds: Option<u64>,
}

/// Samples as a tree of calls.
#[derive(Debug, Serialize)]
pub(crate) struct FlameGraph {
    unit: &'static str,
    total: u64,
    root: Flame,
    note: String,
}

/// The last profile of each service: a trace that ran while it was taken can be cut out of it later.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profiles(Arc<Mutex<Kept>>);

type Kept = VecDeque<(Arc<str>, Bytes)>;

impl Profiles {
    /// Cuts the kept profile where it has what is asked for; else takes a new one.
    pub(crate) async fn answer(
        &self,
        store: &Store,
        target: &Target,
        question: &Question,
    ) -> Result<FlameGraph, String> {
        let kept = self.kept(target.service()).filter(|_| question.seconds.is_none());
        if let Some(file) = kept
            && let Ok(graph) = cut(&file, question, "of the profile that was taken last")
            && graph.root.total() > 0
        {
            return Ok(graph);
        }
        let seconds = question.seconds.unwrap_or(5).clamp(1, LONGEST);
        let path = format!("/debug/pprof/profile?seconds={seconds}");
        let fetcher = Fetcher::new(target, store.own_trace_id());
        let fetcher = fetcher.slowest(Duration::from_secs(seconds + 10));
        let answer = fetcher.fetch(&path, "application/octet-stream").await?;
        match answer.status {
            200 => {}
            404 => {
                return Err(String::from(
                    "the service gives no profiles: turn its feature profiling on and set OBS_PROFILING=on",
                ));
            }
            401 | 403 => {
                return Err(String::from(
                    "the service's admin server asks for a token that the console does not know: start the service with obs-console run",
                ));
            }
            503 => {
                return Err(String::from(
                    "the service is taking another profile, or all its places are taken: ask again in a few seconds",
                ));
            }
            status => return Err(format!("the service's admin server answered {status}")),
        }
        self.keep(target.service(), &answer.body);
        cut(&answer.body, question, &format!("of {seconds} s"))
    }

    fn kept(&self, service: &str) -> Option<Bytes> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, file) = kept.iter().find(|(name, _)| **name == *service)?;
        Some(file.clone())
    }

    fn keep(&self, service: &Arc<str>, file: &Bytes) {
        if file.len() > LARGEST_KEPT {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(name, _)| name != service);
        kept.push_back((Arc::clone(service), file.clone()));
        if kept.len() > KEPT {
            kept.pop_front();
        }
    }
}

fn cut(file: &[u8], question: &Question, when: &str) -> Result<FlameGraph, String> {
    let profile = Profile::read(file)
        .map_err(|error| format!("the service's profile is no pprof: {error}"))?;
    let by_trace = question.trace_id.as_deref().map(|id| ("trace_id", id));
    let by_route = question.route.as_deref().map(|route| ("route", route));
    let labels: Vec<(&str, &str)> = by_trace.into_iter().chain(by_route).collect();
    let root = Flame::of(profile.stacks(&labels));
    let mut note = format!("{} of {} samples {when}", root.total(), profile.total());
    if root.total() == 0 && !labels.is_empty() {
        note += ": it did not run on a processor meanwhile. Send requests while it is taken";
    }
    if root.cut > 0 {
        note += &format!("; {} have deeper stacks than are shown", root.cut);
    }
    Ok(FlameGraph { unit: "samples", total: root.total(), root, note })
}
