//! The resource: the attributes that all signals of this process share.

use std::sync::{Mutex, PoisonError};

use obs_context::random_u64;
use obs_guard::fork_generation;

use crate::environment::{Origin, Resolver, Variable, parse_pairs};
use crate::wire::Write;

/// Attributes of the process, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource(Vec<(String, ResourceValue)>);

/// The value of an attribute of a [`Resource`], of the type that the semantic conventions give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResourceValue {
    /// A text; code and variables set only these.
    Text(String),
    /// Such as `process.pid`.
    Int(i64),
}

impl Resource {
    /// The detected attributes, those of `OTEL_RESOURCE_ATTRIBUTES`, those of the code,
    /// and the service's name; each counts more than the one before it.
    ///
    /// `sdk` is the crate's name and version. The service's name is that of `OTEL_SERVICE_NAME`, else of
    /// `service.name` in `OTEL_RESOURCE_ATTRIBUTES`, else of the code; an empty one counts as none.
    pub fn resolve(
        sdk: (&str, &str),
        service: &str,
        code: &[(String, String)],
        resolver: &mut Resolver,
    ) -> Self {
        let mut resource = Self::detect(sdk, |name| resolver.variable(name));
        let names = |parse_pairs: &Vec<(String, String)>| {
            parse_pairs.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(",")
        };
        let listed = Variable {
            names: &["OTEL_RESOURCE_ATTRIBUTES"],
            parse: &parse_pairs,
            remedy: "give `key=value,key=value`, percent-encoded, with commas in values as `%2C`",
        };
        let listed = resolver.choose("resource", None, &listed, Vec::new(), names);
        for (key, value) in listed.iter().chain(code) {
            resource.set(key, value.as_str());
        }
        let name_of = |parse_pairs: &[(String, String)]| {
            let mut named = parse_pairs.iter().rev().filter(|(key, _)| key == "service.name");
            named.next().map(|(_, name)| name.clone()).filter(|name| !name.is_empty())
        };
        const RESOURCE_VARIABLE: Origin = Origin::Environment("OTEL_RESOURCE_ATTRIBUTES");
        let candidates = [
            (resolver.variable("OTEL_SERVICE_NAME"), Origin::Environment("OTEL_SERVICE_NAME")),
            (name_of(&listed), RESOURCE_VARIABLE),
            (Some(service.to_owned()).filter(|name| !name.is_empty()), Origin::Code),
            (name_of(code), Origin::Code),
        ];
        let named = candidates.into_iter().find_map(|(name, origin)| Some((name?, origin)));
        let (name, origin) =
            named.unwrap_or_else(|| ("unknown_service".to_owned(), Origin::Default));
        resource.set("service.name", name.as_str());
        resolver.note("service.name", name, origin);
        resource
    }

    /// Adds an attribute, or changes the one of that name.
    pub fn set(&mut self, key: &str, value: impl Into<ResourceValue>) {
        let value = value.into();
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some((_, instance)) => *instance = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    /// Name and value of each attribute.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ResourceValue)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The text of an attribute; `None` where there is none, and of a number.
    pub fn text(&self, key: &str) -> Option<&str> {
        match &self.0.iter().find(|(name, _)| name == key)?.1 {
            ResourceValue::Text(text) => Some(text),
            ResourceValue::Int(_) => None,
        }
    }

    /// OTLP's message `Resource`, without its length.
    pub fn encode(&self) -> Vec<u8> {
        let mut resource = Vec::new();
        for (key, value) in self.iter() {
            resource.message(1, |out| {
                out.text(1, key.as_bytes());
                out.message(2, |out| match value {
                    ResourceValue::Text(text) => out.text(1, text.as_bytes()),
                    ResourceValue::Int(value) => out.uint(3, value.cast_unsigned()),
                });
            });
        }
        resource
    }

    fn detect(sdk: (&str, &str), environment: impl Fn(&str) -> Option<String>) -> Self {
        let mut resource = Self::default();
        resource.set("telemetry.sdk.name", sdk.0);
        resource.set("telemetry.sdk.language", "rust");
        resource.set("telemetry.sdk.version", sdk.1);
        resource.set("service.instance.id", instance_id());
        resource.set("process.pid", i64::from(std::process::id()));
        if let Some(name) = executable() {
            resource.set("process.executable.name", name);
        }
        if let Some(name) = host_name() {
            resource.set("host.name", name);
        }
        resource.set("host.arch", architecture());
        resource.set("os.type", std::env::consts::OS);
        // The downward API's usual names in a pod's manifest.
        for (variable, attribute) in [
            ("POD_NAME", "k8s.pod.name"),
            ("POD_UID", "k8s.pod.uid"),
            ("POD_NAMESPACE", "k8s.namespace.name"),
            ("NODE_NAME", "k8s.node.name"),
        ] {
            if let Some(value) = environment(variable) {
                resource.set(attribute, value);
            }
        }
        resource
    }
}

impl From<&str> for ResourceValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for ResourceValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for ResourceValue {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

/// A random UUID (version 4), as the conventions ask for: one for all signals of a process, and another one in
/// a forked child.
fn instance_id() -> String {
    static INSTANCE_ID: Mutex<Option<(u32, String)>> = Mutex::new(None);
    let here = fork_generation();
    let mut instance = INSTANCE_ID.lock().unwrap_or_else(PoisonError::into_inner);
    match &*instance {
        Some((generation, id)) if *generation == here => id.clone(),
        _ => instance.insert((here, uuid())).1.clone(),
    }
}

fn uuid() -> String {
    let random = u128::from(random_u64()) << 64 | u128::from(random_u64());
    let id = random & !(0xf << 76) & !(0x3 << 62) | 4 << 76 | 2 << 62;
    let hex = format!("{id:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
    parts.map(|part| hex.get(part).unwrap_or_default()).join("-")
}

fn executable() -> Option<String> {
    let path = std::env::current_exe().ok()?;
    Some(path.file_name()?.to_string_lossy().into_owned())
}

fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
