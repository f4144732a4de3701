//! Who tells: the attributes that all spans of this process share.

use obs_context::random_u64;

/// Attributes of the process, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resource(Vec<(String, String)>);

impl Resource {
    /// What can be found out without asking anybody.
    pub(crate) fn detect(environment: impl Fn(&str) -> Option<String>) -> Self {
        let mut resource = Self::default();
        resource.set("telemetry.sdk.name", env!("CARGO_PKG_NAME"));
        resource.set("telemetry.sdk.language", "rust");
        resource.set("telemetry.sdk.version", env!("CARGO_PKG_VERSION"));
        resource.set("service.instance.id", &instance_id());
        resource.set("process.pid", &std::process::id().to_string());
        if let Some(name) = executable() {
            resource.set("process.executable.name", &name);
        }
        if let Some(name) = host_name() {
            resource.set("host.name", &name);
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
            if let Some(value) = environment(variable).filter(|value| !value.is_empty()) {
                resource.set(attribute, &value);
            }
        }
        resource
    }

    /// Adds an attribute, or changes the one of that name.
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == key) {
            Some((_, known)) => value.clone_into(known),
            None => self.0.push((key.to_owned(), value.to_owned())),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// A random UUID (version 4), as the conventions ask for.
fn instance_id() -> String {
    let random = u128::from(random_u64()) << 64 | u128::from(random_u64());
    let id = random & !(0xf << 76) & !(0x3 << 62) | 4 << 76 | 2 << 62;
    let hex = format!("{id:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &hex[part]);
    parts.join("-")
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
