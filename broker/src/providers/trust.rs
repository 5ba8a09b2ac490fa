//! Whose certificates are believed.

use super::{Permits, ProviderError, file};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use secretref_domain::{fault::Fault, name::ProviderAlias};
use std::{path::Path, sync::Arc};
use tokio::task::spawn_blocking;

/// TLS 1.3 or 1.2, since it is others who run the server; with the authorities of `caFile`, else
/// those of the host, else Mozilla's. Over plain HTTP nobody has to be believed.
pub(super) async fn configuration(
    alias: &ProviderAlias,
    ca_file: Option<&Path>,
    is_plain: bool,
    permits: &Arc<Permits>,
) -> Result<ClientConfig, ProviderError> {
    let roots = roots(alias, ca_file, is_plain, permits).await?;
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(format!("cannot be asked over TLS: {error}"), String::new()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The authorities of `caFile`, else those of the host, else Mozilla's.
pub(super) async fn roots(
    alias: &ProviderAlias,
    ca_file: Option<&Path>,
    is_plain: bool,
    permits: &Arc<Permits>,
) -> Result<RootCertStore, ProviderError> {
    let mut roots = RootCertStore::empty();
    if is_plain {
        // Nobody is believed over TLS.
    } else if let Some(path) = ca_file {
        let pem = file::own_secret(permits, path).await?;
        let no_authority = || {
            let shown = path.display();
            let message = format!("has the caFile {shown}, in which a certificate is unreadable");
            wrong(message, format!("write PEM certificates of the authority to {shown}"))
        };
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|_| no_authority())?;
            roots.add(certificate).map_err(|_| no_authority())?;
        }
    } else {
        let found = spawn_blocking(rustls_native_certs::load_native_certs).await;
        roots.add_parsable_certificates(found.map(|it| it.certs).unwrap_or_default());
        if roots.is_empty() {
            // As in a bare image: those of Mozilla that came with the build.
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
    }
    match ca_file {
        Some(path) if roots.is_empty() && !is_plain => Err(wrong(
            format!("cannot be believed: {} has no authority for it", path.display()),
            format!("set `secrets.providers.{alias}.caFile`"),
        )),
        _ => Ok(roots),
    }
}

fn wrong(message: String, fix: String) -> ProviderError {
    ProviderError::new(Fault::Misconfigured, message, fix)
}
