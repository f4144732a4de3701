//! gRPC over TLS, where both ends show certificates that files name.

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]
#![allow(clippy::print_stderr, reason = "it is a test, which says what it skips")]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::collector::Collector;
use obs_tracing::{Builder, Delivery};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};
use tracing::info_span;
use tracing_subscriber::prelude::*;

/// Self-signed certificates of a server, a client and a stranger, deleted at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Option<Self> {
        let folder = std::env::temp_dir().join(format!("obs-tracing-mtls-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let folder = Self(folder);
        ["server", "client", "stranger"]
            .iter()
            .all(|name| folder.certificate(name))
            .then_some(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(Path::new(&self.path(name))).unwrap()
    }

    fn certificate(&self, name: &str) -> bool {
        Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-keyout", &self.path(&format!("{name}.key"))])
            .args(["-out", &self.path(&format!("{name}.pem"))])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn mutual_tls_authenticates_both_ends() {
    let Some(folder) = Folder::new() else {
        return obs_testing::skipped("openssl is not installed");
    };
    let collector = Collector::default();
    let server = collector.grpc_secured(
        ServerTlsConfig::new()
            .identity(Identity::from_pem(folder.read("server.pem"), folder.read("server.key")))
            .client_ca_root(Certificate::from_pem(folder.read("client.pem"))),
    );
    let endpoint = format!("https://localhost:{}", server.address.port());
    let export = |roots: &str, client: Option<&str>| {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", Some(endpoint.clone())),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", Some(folder.path(roots))),
            (
                "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
                client.map(|name| folder.path(&format!("{name}.pem"))),
            ),
            (
                "OTEL_EXPORTER_OTLP_CLIENT_KEY",
                client.map(|name| folder.path(&format!("{name}.key"))),
            ),
        ];
        let lookup = move |wanted: &str| {
            variables.iter().find(|(name, _)| *name == wanted).and_then(|(_, value)| value.clone())
        };
        let (layer, traces) = Builder::new("test")
            .environment(lookup)
            .retry_for(Duration::from_secs(1))
            .build()
            .unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            info_span!("secret").in_scope(|| {});
        });
        traces.flush(Duration::from_secs(30))
    };
    let delivered = Delivery { delivered: 1, lost: 0, unknown: 0, complete: true };
    let lost = Delivery { delivered: 0, lost: 1, unknown: 0, complete: true };
    assert_eq!(export("server.pem", Some("client")), delivered);
    assert_eq!(collector.accepted(), 1);
    assert_eq!(export("server.pem", Some("stranger")), lost);
    assert_eq!(export("server.pem", None), lost);
    assert_eq!(export("stranger.pem", Some("client")), lost);
    assert_eq!(collector.accepted(), 1);
}

#[test]
fn missing_certificate_files_are_rejected() {
    let build = |roots: &str, client: Option<(&str, &str)>| {
        let mut builder = Builder::new("test").endpoint("https://localhost:1").trusted_roots(roots);
        if let Some((chain, key)) = client {
            builder = builder.client_certificate(chain, key);
        }
        builder.build().unwrap_err().to_string()
    };
    assert!(build("/no/such/file", None).contains("/no/such/file"));
    let half = Builder::new("test").endpoint("https://localhost:1").environment(|name| {
        (name == "OTEL_EXPORTER_OTLP_CLIENT_KEY").then(|| "/no/such/key".to_owned())
    });
    let said = half.build().unwrap_err().to_string();
    assert!(said.contains("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"), "{said}");
    let this = file!(); // no certificate in it
    let this = Path::new(this).file_name().unwrap();
    let this = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(this);
    let said = build(this.to_str().unwrap(), None);
    assert!(said.contains("no certificate"), "{said}");
}
