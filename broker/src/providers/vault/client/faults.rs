//! Why a request had no answer.

use super::super::settings::Settings;
use super::{ANSWER_TIME_MAX, CONNECT_TIME_MAX};
use crate::providers::ProviderError;
use rustls::CertificateError;
use secretref_domain::fault::Fault;
use std::{error::Error, io};

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
    let in_head = |it: &hyper::Error| it.is_parse() || it.is_parse_too_large();
    // A chunk of a body without a length.
    let in_body = |it: &io::Error| {
        matches!(it.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
    };
    if cause(error).is_some_and(in_head) || cause(error).is_some_and(in_body) {
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

/// The first error of a kind among the causes of another, also where it is inside one of I/O, which
/// does not name it as its source.
fn cause<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
