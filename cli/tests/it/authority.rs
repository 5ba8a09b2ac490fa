//! A private authority for one test: a broker, an admin, and the admin's files.

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use secretref_identity::{
    credentials::{Credentials, PrivateKey, TrustBundle},
    subject::TrustDomain,
};
use std::{fs, os::unix::fs::OpenOptionsExt, path::Path};

/// Issues what a test needs.
pub(crate) struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new one, unlike any other.
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).unwrap().into();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// Its certificate.
    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The broker's.
    pub(crate) fn broker(&self) -> Credentials {
        self.issue("broker", ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Writes an admin's files as `secretref-broker init` does, the key for its owner only.
    pub(crate) fn write_admin(&self, folder: &Path) {
        let admin = self.issue("admin", ExtendedKeyUsagePurpose::ClientAuth);
        fs::write(folder.join("ca.crt"), admin.trust().to_pem()).unwrap();
        fs::write(folder.join("admin.crt"), admin.chain_pem()).unwrap();
        let mut options = fs::OpenOptions::new();
        let mut key = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(folder.join("admin.key"))
            .unwrap();
        std::io::Write::write_all(&mut key, admin.key().expose_pem().as_bytes()).unwrap();
    }

    fn issue(&self, kind: &str, usage: ExtendedKeyUsagePurpose) -> Credentials {
        let key = PrivateKey::generate().unwrap();
        let pair = KeyPair::try_from(&PrivatePkcs8KeyDer::from(key.expose_der())).unwrap();
        let uri = format!("spiffe://test.example/{kind}/0192f0a0-0000-7000-8000-000000000001");
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(uri.as_str().try_into().unwrap())];
        params.serial_number = Some(SerialNumber::from_slice(&[0x41; 16]));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        let leaf = params.signed_by(&pair, &self.issuer).unwrap().into();
        let domain = TrustDomain::parse("test.example").unwrap();
        let trust = TrustBundle::new(domain, vec![self.certificate.clone()]).unwrap();
        Credentials::new(vec![leaf], key, trust).unwrap()
    }
}
