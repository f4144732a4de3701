//! A certificate for `localhost`, made by openssl.

use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

/// A new certificate and its key, in files that go with this value.
#[derive(Debug)]
pub struct Certificate(TempDir);

impl Certificate {
    /// `None` where openssl is not installed.
    pub fn new() -> Option<Self> {
        let certificate = Self(tempfile::tempdir().ok()?);
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost,DNS:collector.test,IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-keyout", &certificate.key(), "-out", &certificate.path()])
            .stderr(Stdio::null())
            .status();
        made.is_ok_and(|status| status.success()).then_some(certificate)
    }

    /// The certificate's file.
    pub fn path(&self) -> String {
        self.0.path().join("cert.pem").to_string_lossy().into_owned()
    }

    /// The file of its key.
    pub fn key(&self) -> String {
        self.0.path().join("key.pem").to_string_lossy().into_owned()
    }

    pub(super) fn acceptor(&self) -> tokio_rustls::TlsAcceptor {
        let chain = CertificateDer::pem_file_iter(self.path()).unwrap();
        let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(self.key()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config).into()
    }
}
