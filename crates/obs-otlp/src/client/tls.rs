//! TLS: trusted roots and the client's certificate.

use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::options::TlsIdentity;

/// The configuration of rustls, read once when the client is built. Without `https://` no root is trusted.
pub(super) fn config(identity: &TlsIdentity, secure: bool) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match &identity.roots {
        Some(path) => builder.with_root_certificates(read_roots(path)?),
        None if !secure => builder.with_root_certificates(RootCertStore::empty()),
        None => builder
            .with_native_roots()
            .map_err(|error| format!("the system's root certificates cannot be read: {error}"))?,
    };
    match &identity.client {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, key)) => {
            let secret = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| format!("no private key can be read from {key}: {error}"))?;
            let with_client = builder.with_client_auth_cert(certificates(chain)?, secret);
            with_client.map_err(|error| format!("{chain} and {key} do not fit: {error}"))
        }
    }
}

fn read_roots(path: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        let added = roots.add(certificate);
        added.map_err(|error| format!("a certificate in {path} cannot be trusted: {error}"))?;
    }
    Ok(roots)
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = |error| format!("no certificate can be read from {path}: {error}");
    let certificates = CertificateDer::pem_file_iter(path).map_err(read)?;
    let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(read)?;
    if certificates.is_empty() {
        return Err(format!("there is no certificate in {path}"));
    }
    Ok(certificates)
}
