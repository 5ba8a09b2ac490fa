//! Whose certificates are believed.

use crate::permits::{HostError, Permits, files};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use secretref_domain::fault::Fault;
use std::{path::Path, sync::Arc};
use tokio::task::spawn_blocking;

/// TLS 1.3 or 1.2, since it is others who run the server, with the authorities of [`roots`].
///
/// # Errors
/// As [`roots`].
pub async fn configuration(
    setting: &str,
    ca_file: Option<&Path>,
    is_plain: bool,
    permits: &Arc<Permits>,
) -> Result<ClientConfig, HostError> {
    let roots = roots(setting, ca_file, is_plain, permits).await?;
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(format!("cannot be asked over TLS: {error}"), String::new()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The authorities of a PEM file below a root, which `setting` names, else those of the host, else
/// Mozilla's. Over plain HTTP nobody has to be believed.
///
/// # Errors
/// Where the file is not to be read, or has none.
pub async fn roots(
    setting: &str,
    ca_file: Option<&Path>,
    is_plain: bool,
    permits: &Arc<Permits>,
) -> Result<RootCertStore, HostError> {
    let mut roots = RootCertStore::empty();
    if is_plain {
        return Ok(roots);
    }
    let Some(path) = ca_file else {
        let found = spawn_blocking(rustls_native_certs::load_native_certs).await;
        roots.add_parsable_certificates(found.map(|it| it.certs).unwrap_or_default());
        if roots.is_empty() {
            // As in a bare image: those of Mozilla that came with the build.
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        return Ok(roots);
    };
    let pem = files::read_below(permits, path, CA_BYTES_MAX).await?;
    let shown = path.display();
    let unreadable = || {
        let message = format!("has the caFile {shown}, in which a certificate is unreadable");
        wrong(message, format!("write PEM certificates of the authority to {shown}"))
    };
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| unreadable())?;
        roots.add(certificate).map_err(|_| unreadable())?;
    }
    if roots.is_empty() {
        let message = format!("cannot be believed: {shown} has no authority for it");
        return Err(wrong(message, format!("set `{setting}`")));
    }
    Ok(roots)
}

fn wrong(message: String, fix: String) -> HostError {
    HostError::new(Fault::Misconfigured, message, fix)
}

/// Bytes of a file of authorities.
const CA_BYTES_MAX: usize = 256 * 1024;
