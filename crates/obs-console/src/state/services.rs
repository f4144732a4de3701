//! The known services and their instances.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::limits::Limits;

/// Instances that are remembered a service; past it the one that was seen longest ago goes.
const MAX_INSTANCES: usize = 32;

#[derive(Debug, Default)]
pub(crate) struct Services {
    by_name: HashMap<Arc<str>, ServiceInfo>,
    /// Grows with every service and instance that is new.
    pub(crate) revision: u64,
}

/// What is known of one service.
#[derive(Debug, Default)]
pub(crate) struct ServiceInfo {
    /// Each instance, and when something of it arrived last.
    pub(crate) instances: VecDeque<(Arc<str>, u64)>,
    /// Server spans, and those of them that failed.
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) last_seen: u64,
}

impl Services {
    /// Something of `service` arrived at `now`; `None` where there are more services than are kept.
    pub(crate) fn record(
        &mut self,
        service: &Arc<str>,
        instance: Option<&Arc<str>>,
        now: u64,
        limits: &Limits,
    ) -> Option<&mut ServiceInfo> {
        if !self.by_name.contains_key(service) {
            if self.by_name.len() >= limits.services {
                return None;
            }
            self.by_name.insert(Arc::clone(service), ServiceInfo::default());
            self.revision += 1;
        }
        let known = self.by_name.get_mut(service)?;
        known.last_seen = known.last_seen.max(now);
        if let Some(instance) = instance
            && known.record_instance(instance, now)
        {
            self.revision += 1;
        }
        Some(known)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &ServiceInfo)> {
        self.by_name.iter()
    }

    pub(crate) fn find(&self, service: &str) -> Option<&ServiceInfo> {
        self.by_name.get(service)
    }
}

impl ServiceInfo {
    /// Whether it is new.
    fn record_instance(&mut self, instance: &Arc<str>, now: u64) -> bool {
        if let Some((_, last)) = self.instances.iter_mut().find(|(id, _)| id == instance) {
            *last = now;
            return false;
        }
        if self.instances.len() >= MAX_INSTANCES {
            let oldest = self.instances.iter().enumerate().min_by_key(|(_, (_, last))| *last);
            if let Some(place) = oldest.map(|(place, _)| place) {
                self.instances.remove(place);
            }
        }
        self.instances.push_back((Arc::clone(instance), now));
        true
    }
}
