use std::fs;
use std::path::Path;
use std::sync::Arc;

use dispatch_core::error::{ErrorCode, Problem};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use super::TlsOptions;

/// The certificates of the files, or everything that is wrong with the options.
pub(super) fn roots(options: &TlsOptions) -> Result<Vec<CertificateDer<'static>>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut roots = Vec::new();
    for path in &options.roots {
        match read(path) {
            Ok(certificates) => roots.extend(certificates),
            Err(text) => problems.push(Problem::new(ErrorCode::InvalidParameter, text)),
        }
    }
    if !options.system_roots && options.roots.is_empty() {
        let text =
            "system_roots is off and roots is empty: no certificate could be valid, list files of roots";
        problems.push(Problem::new(ErrorCode::InvalidConfiguration, text));
    }
    if problems.is_empty() { Ok(roots) } else { Err(problems) }
}

/// The configuration of TLS. The provider is handed over here and never installed for the process.
pub(super) fn client(options: &TlsOptions) -> Result<ClientConfig, Vec<Problem>> {
    let roots = roots(options)?;
    build(options.system_roots, roots).map_err(|error| {
        let text =
            format!("TLS cannot be set up: {error}; install root certificates, or list files in roots");
        vec![Problem::new(ErrorCode::InvalidConfiguration, text)]
    })
}

/// A configuration for connections without TLS: it trusts nobody.
#[cfg(feature = "http")]
pub(crate) fn trusts_nobody() -> Result<ClientConfig, Vec<Problem>> {
    build(false, Vec::new()).map_err(|error| {
        let text = format!("TLS cannot be set up: {error}");
        vec![Problem::new(ErrorCode::InvalidConfiguration, text)]
    })
}

fn build(system_roots: bool, roots: Vec<CertificateDer<'static>>) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    if system_roots {
        let verifier = Verifier::new_with_extra_roots(roots, provider)?;
        // "Dangerous" is what rustls calls every verifier that is not its own; this one is that of the platform.
        return Ok(builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth());
    }
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root)?;
    }
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text =
        fs::read(path).map_err(|error| format!("cannot read roots from '{}': {error}", path.display()))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(format!("'{}' holds no certificate in PEM: give the file of a root", path.display())),
    }
}
