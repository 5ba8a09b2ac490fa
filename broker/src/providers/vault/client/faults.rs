//! Why a request had no answer.

use super::super::settings::Settings;
use super::{ANSWER_TIME_MAX, CONNECT_TIME_MAX};
use crate::{
    outbound::{cause, is_garbled},
    providers::ProviderError,
};
use rustls::CertificateError;
use secretref_domain::fault::Fault;
use std::io;

pub(super) fn of(error: &reqwest::Error, settings: &Settings) -> ProviderError {
    let fix = settings.check_command();
    if let Some(error) = cause::<rustls::Error>(error) {
        return of_tls(error, settings);
    }
    if error.is_timeout() {
        let message = match error.is_connect() {
            true => format!("did not take a connection within {} s", CONNECT_TIME_MAX.as_secs()),
            false => format!("did not answer within {} s", ANSWER_TIME_MAX.as_secs()),
        };
        return ProviderError::new(Fault::TimedOut, message, fix);
    }
    let address = &settings.address;
    if error.is_connect() {
        let why = match cause::<io::Error>(error).map(io::Error::kind) {
            Some(kind) if kind != io::ErrorKind::Other => format!(": {kind}"),
            _ if error.is_dns() => ": its name is not known".to_owned(),
            _ => String::new(),
        };
        return ProviderError::new(
            Fault::Unreachable,
            format!("cannot be reached at {address}{why}"),
            fix,
        );
    }
    if is_garbled(error) {
        return ProviderError::new(
            Fault::Malformed,
            "answered what is no HTTP",
            "look whether its `address` is that of a Vault or an OpenBao",
        );
    }
    ProviderError::new(Fault::Unreachable, "broke the connection off before it answered", fix)
}

/// A server that is not whom it should be may be an attack: no other source stands in for it.
fn of_tls(error: &rustls::Error, settings: &Settings) -> ProviderError {
    let authority = match &settings.ca_file {
        Some(path) => format!("an authority in {}", path.display()),
        None => "an authority that the broker's host trusts".to_owned(),
    };
    let (fault, message) = match error {
        rustls::Error::InvalidCertificate(why) => {
            let why = match why {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "its certificate has expired".to_owned()
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => {
                    "its certificate is for another name".to_owned()
                }
                _ => format!("its certificate is not signed by {authority}"),
            };
            (Fault::Denied, format!("is not who it should be: {why}"))
        }
        rustls::Error::InvalidMessage(_) => (Fault::Malformed, "does not speak TLS".to_owned()),
        _ => (Fault::Malformed, "broke the TLS handshake off".to_owned()),
    };
    let fix = format!(
        "openssl s_client -connect {}:{}; then set `secrets.providers.{}.caFile`",
        settings.address.host_str().unwrap_or_default(),
        settings.address.port_or_known_default().unwrap_or_default(),
        settings.alias,
    );
    ProviderError::new(fault, message, fix)
}
