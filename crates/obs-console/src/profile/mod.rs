//! The CPU profile of a service, filtered by trace or route.

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

/// The longest time that a service is sampled.
pub(crate) const MAX_SECONDS: u64 = 30;
/// Kept profiles, compressed: one a service, the most recent ones.
const MAX_KEPT_PROFILES: usize = 8;
/// A larger profile is shown, but not kept.
const MAX_KEPT_BYTES: usize = 4 << 20;

/// What to show.
#[derive(Debug, Default)]
pub(crate) struct ProfileQuery {
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

/// The last profile of each service: a trace that ran while it was taken can be filtered from it later.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profiles(Arc<Mutex<KeptProfiles>>);

type KeptProfiles = VecDeque<(Arc<str>, Bytes)>;

impl Profiles {
    /// Filters the kept profile where it has matching samples; otherwise takes a new one.
    pub(crate) async fn flame_graph(
        &self,
        store: &Store,
        target: &Target,
        query: &ProfileQuery,
    ) -> Result<FlameGraph, String> {
        let kept = self.kept(target.service()).filter(|_| query.seconds.is_none());
        if let Some(file) = kept
            && let Ok(graph) = filtered_graph(&file, query, "of the profile that was taken last")
            && graph.root.total() > 0
        {
            return Ok(graph);
        }
        let seconds = query.seconds.unwrap_or(5).clamp(1, MAX_SECONDS);
        let path = format!("/debug/pprof/profile?seconds={seconds}");
        let fetcher = Fetcher::new(target, store.own_trace_id());
        let fetcher = fetcher.with_timeout(Duration::from_secs(seconds + 10));
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
        filtered_graph(&answer.body, query, &format!("of {seconds} s"))
    }

    fn kept(&self, service: &str) -> Option<Bytes> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, file) = kept.iter().find(|(name, _)| **name == *service)?;
        Some(file.clone())
    }

    fn keep(&self, service: &Arc<str>, file: &Bytes) {
        if file.len() > MAX_KEPT_BYTES {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(name, _)| name != service);
        kept.push_back((Arc::clone(service), file.clone()));
        if kept.len() > MAX_KEPT_PROFILES {
            kept.pop_front();
        }
    }
}

fn filtered_graph(file: &[u8], query: &ProfileQuery, when: &str) -> Result<FlameGraph, String> {
    let profile = Profile::read(file)
        .map_err(|error| format!("the service's profile is no pprof: {error}"))?;
    let by_trace = query.trace_id.as_deref().map(|id| ("trace_id", id));
    let by_route = query.route.as_deref().map(|route| ("route", route));
    let labels: Vec<(&str, &str)> = by_trace.into_iter().chain(by_route).collect();
    let root = Flame::from_stacks(profile.stacks(&labels));
    let mut note = format!("{} of {} samples {when}", root.total(), profile.total());
    if root.total() == 0 && !labels.is_empty() {
        note += ": it did not run on a processor meanwhile. Send requests while it is taken";
    }
    if root.truncated_samples > 0 {
        note += &format!("; {} have deeper stacks than are shown", root.truncated_samples);
    }
    Ok(FlameGraph { unit: "samples", total: root.total(), root, note })
}
