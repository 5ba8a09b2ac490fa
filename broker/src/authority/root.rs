//! The root and its intermediates.

use super::AuthorityError;
use aws_lc_rs::rand;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SerialNumber,
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use secretref_identity::{
    certificate::{self, Validity},
    credentials::PrivateKey,
    peer::Serial,
    subject::TrustDomain,
};
use std::time::{Duration, UNIX_EPOCH};
use zeroize::Zeroize;

/// What an intermediate issues for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Agents,
    Admins,
    Servers,
}

/// A certificate that signs others, with its key.
pub(super) struct Issuer {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: PrivateKey,
}

/// The present intermediate of one purpose, and the certificates of those before it, newest first:
/// what they issued is believed until they end. Their keys are gone.
pub(super) struct Line {
    pub(super) present: Issuer,
    pub(super) purpose: Purpose,
    pub(super) former: Vec<CertificateDer<'static>>,
}

impl Purpose {
    pub(super) fn whom(self) -> &'static str {
        match self {
            Self::Agents => "agents",
            Self::Admins => "administrators",
            Self::Servers => "brokers",
        }
    }

    pub(super) fn key_usage(self) -> ExtendedKeyUsagePurpose {
        match self {
            Self::Agents | Self::Admins => ExtendedKeyUsagePurpose::ClientAuth,
            Self::Servers => ExtendedKeyUsagePurpose::ServerAuth,
        }
    }
}

impl Issuer {
    /// A new root: signs intermediates, which sign leaves (path length 1).
    pub(super) fn root(domain: &TrustDomain, now: i64) -> Result<Self, AuthorityError> {
        let key = new_key()?;
        let mut params = authority_params("root", 1, now, ROOT_LIFETIME_SECONDS)?;
        params.distinguished_name.push(DnType::OrganizationName, domain.as_str());
        let certificate = with_pair(&key, |pair| params.self_signed(pair))?.into();
        Ok(Self { certificate, key })
    }

    /// A new intermediate under this root: signs leaves of one purpose only (path length 0).
    pub(super) fn intermediate(&self, purpose: Purpose, now: i64) -> Result<Line, AuthorityError> {
        let validity = self.validity_at(now, "intermediates")?;
        let ends = validity.not_after.min(now.saturating_add(INTERMEDIATE_LIFETIME_SECONDS));
        let key = new_key()?;
        let mut params = authority_params(purpose.whom(), 0, now, ends - now)?;
        params.extended_key_usages = vec![purpose.key_usage()];
        params.use_authority_key_identifier_extension = true;
        let public = with_pair(&key, |pair| Ok(pair.subject_public_key_info()))?;
        let certificate = self.sign(&params, &public)?;
        Ok(Line { present: Self { certificate, key }, purpose, former: Vec::new() })
    }

    /// Signs a certificate for a public key (subject public key info in DER).
    pub(super) fn sign(
        &self,
        params: &CertificateParams,
        spki: &[u8],
    ) -> Result<CertificateDer<'static>, AuthorityError> {
        let public = rcgen::SubjectPublicKeyInfo::from_der(spki)?;
        with_pair(&self.key, |pair| {
            let issuer = rcgen::Issuer::from_ca_cert_der(&self.certificate, pair)?;
            Ok(params.signed_by(&public, &issuer)?.into())
        })
    }

    /// When this issuer is valid; an error where that is not now.
    pub(super) fn validity_at(
        &self,
        now: i64,
        whom: &'static str,
    ) -> Result<Validity, AuthorityError> {
        let validity = certificate::validity(&self.certificate)?;
        if validity.contains(now) {
            Ok(validity)
        } else {
            Err(AuthorityError::IssuerEnded { whom })
        }
    }

    /// Whether the key is the certificate's.
    pub(super) fn is_whole(&self) -> Result<bool, AuthorityError> {
        let public = with_pair(&self.key, |pair| Ok(pair.subject_public_key_info()))?;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &public);
        Ok(certificate::spki_sha256(&self.certificate)? == digest.as_ref())
    }
}

impl Line {
    pub(super) fn anchors(&self) -> Vec<CertificateDer<'static>> {
        [&self.present.certificate].into_iter().chain(&self.former).cloned().collect()
    }

    pub(super) fn is_due(&self, now: i64) -> Result<bool, AuthorityError> {
        let validity = certificate::validity(&self.present.certificate)?;
        Ok(validity.not_after - now < INTERMEDIATE_LIFETIME_SECONDS / 3)
    }

    pub(super) fn has_ended(&self, now: i64) -> Result<bool, AuthorityError> {
        for former in &self.former {
            if certificate::validity(former)?.not_after < now {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The next intermediate, where one is due.
    pub(super) fn renewal(&self, root: &Issuer, now: i64) -> Result<Option<Self>, AuthorityError> {
        if !self.is_due(now)? {
            return Ok(None);
        }
        root.intermediate(self.purpose, now).map(Some)
    }

    /// Puts the next one in place, keeps the certificate of the one before, and drops what has
    /// ended. Says whether there was a next one.
    pub(super) fn advance(&mut self, next: Option<Self>, now: i64) -> bool {
        let renewed = next.is_some();
        if let Some(next) = next {
            let before = std::mem::replace(&mut self.present, next.present);
            self.former.insert(0, before.certificate);
        }
        self.former.retain(|former| {
            certificate::validity(former).is_ok_and(|validity| validity.not_after >= now)
        });
        renewed
    }
}

/// A serial number of 16 random bytes.
pub(super) fn new_serial() -> Result<Serial, AuthorityError> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| AuthorityError::Randomness)?;
    Ok(Serial::from_random(bytes))
}

/// Sets when a certificate is valid: seconds since the epoch, both ends included.
pub(super) fn set_validity(
    params: &mut CertificateParams,
    not_before: i64,
    not_after: i64,
) -> Result<(), AuthorityError> {
    let time = |seconds: i64| {
        // RFC 5280 can say times until the year 9999; nothing of ours reaches beyond 2200.
        match u64::try_from(seconds) {
            Ok(since) if seconds < YEAR_2200 => Ok(UNIX_EPOCH + Duration::from_secs(since)),
            _ => Err(AuthorityError::Time(seconds)),
        }
    };
    params.not_before = time(not_before)?.into();
    params.not_after = time(not_after)?.into();
    Ok(())
}

fn authority_params(
    what: &str,
    path_length: u8,
    now: i64,
    lifetime: i64,
) -> Result<CertificateParams, AuthorityError> {
    let serial = new_serial()?;
    let mut params = CertificateParams::default();
    set_validity(&mut params, now - BACKDATE_SECONDS, now.saturating_add(lifetime))?;
    params.serial_number = Some(SerialNumber::from_slice(serial.as_bytes()));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // A name of its own for each, so that a path is found by name and not by trying keys.
    let mark: String = serial.to_string().chars().take(8).collect();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("SecretRef {what} {mark}"));
    Ok(params)
}

fn new_key() -> Result<PrivateKey, AuthorityError> {
    PrivateKey::generate().map_err(|_| AuthorityError::Randomness)
}

/// Lends the key to rcgen, and overwrites rcgen's copy afterwards.
fn with_pair<T>(
    key: &PrivateKey,
    sign: impl FnOnce(&KeyPair) -> Result<T, rcgen::Error>,
) -> Result<T, AuthorityError> {
    let pkcs8 = PrivatePkcs8KeyDer::from(key.expose_der());
    let mut pair = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &PKCS_ECDSA_P256_SHA256)?;
    let outcome = sign(&pair);
    pair.zeroize();
    Ok(outcome?)
}

const ROOT_LIFETIME_SECONDS: i64 = 3650 * DAY;
const INTERMEDIATE_LIFETIME_SECONDS: i64 = 90 * DAY;
/// An authority's certificate begins a little early, for clocks that are behind.
const BACKDATE_SECONDS: i64 = 300;
const DAY: i64 = 24 * 60 * 60;
const YEAR_2200: i64 = 7_258_118_400;
