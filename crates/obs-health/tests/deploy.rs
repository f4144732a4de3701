//! The Kubernetes manifests of `docs/deploy`: valid, and with the numbers of the code.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed test is a panic"
)]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use obs_health::admin::DEFAULT_ADDR;
use obs_health::lifecycle::Deadlines;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/deploy/kubernetes")
}

fn manifest(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

/// The value after `key:` of the first line that has it after `start`.
fn value<'a>(text: &'a str, start: &str, key: &str) -> &'a str {
    let from = text.find(start).unwrap_or_else(|| panic!("no {start}"));
    let mut lines = text[from..].lines();
    let found = lines.find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(':'));
    found.unwrap_or_else(|| panic!("no {key} after {start}")).trim()
}

fn seconds(text: &str, start: &str, key: &str) -> Duration {
    Duration::from_secs(value(text, start, key).trim_end_matches('s').parse().unwrap())
}

#[test]
fn manifests_match_deadlines_and_ports_of_code() {
    let text = manifest("deployment.yaml");
    let deadlines = Deadlines::production();
    let grace = seconds(&text, "spec:", "terminationGracePeriodSeconds");
    assert_eq!(grace, deadlines.grace_period);
    assert!(deadlines.total() <= grace);
    assert_eq!(seconds(&text, "OBS_GRACE_PERIOD", "value"), deadlines.grace_period);
    assert_eq!(seconds(&text, "OBS_SHUTDOWN_PROPAGATION", "value"), deadlines.propagation);
    assert_eq!(seconds(&text, "OBS_SHUTDOWN_REQUESTS", "value"), deadlines.requests);

    let port = DEFAULT_ADDR.port().to_string();
    assert_eq!(value(&text, "name: admin", "containerPort"), port);
    assert_eq!(value(&text, "OBS_ADMIN_ADDR", "value"), format!("0.0.0.0:{port}"));
    let policy = manifest("networkpolicy.yaml");
    assert_eq!(value(&policy, "observability", "- port"), port);
    assert_eq!(value(&manifest("podmonitor.yaml"), "podMetricsEndpoints", "- port"), "admin");
}

#[test]
fn each_probe_uses_own_path_on_admin_port() {
    let text = manifest("deployment.yaml");
    for (probe, path) in [
        ("startupProbe", "/startupz"),
        ("livenessProbe", "/healthz"),
        ("readinessProbe", "/readyz"),
    ] {
        let start = format!("{probe}:");
        assert_eq!((value(&text, &start, "path"), value(&text, &start, "port")), (path, "admin"));
    }
    // A 503 must be seen before the listener closes.
    let period = seconds(&text, "readinessProbe:", "periodSeconds");
    let failures: u32 = value(&text, "readinessProbe:", "failureThreshold").parse().unwrap();
    assert!(period * failures <= Deadlines::production().propagation);
    // A check's timeout of 2 s, and a moment.
    assert!(seconds(&text, "readinessProbe:", "timeoutSeconds") > Duration::from_millis(2_250));
    // A restart before the watchdog has seen three heartbeats would be for a busy runtime.
    let period = seconds(&text, "livenessProbe:", "periodSeconds");
    assert!(period * 3 > Duration::from_secs(3));
}

/// The schemas come with the package `kubernetes-validate`: nothing is asked on the network.
#[test]
fn manifests_match_kubernetes_schemas() {
    let importable = Command::new("python3")
        .args(["-c", "import kubernetes_validate, yaml"])
        .stderr(Stdio::null())
        .status();
    if !importable.is_ok_and(|status| status.success()) {
        return obs_testing::skipped(
            "kubernetes-validate is not installed (pip install kubernetes-validate)",
        );
    }
    // A PodMonitor is the Prometheus operator's, not in the schemas.
    for name in ["deployment.yaml", "service.yaml", "networkpolicy.yaml"] {
        let program = "import sys, yaml, kubernetes_validate as k\n\
            document = yaml.safe_load(open(sys.argv[1]))\n\
            k.validate(document, k.latest_version(), strict=True)";
        let output = Command::new("python3")
            .args(["-c", program])
            .arg(folder().join(name))
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
