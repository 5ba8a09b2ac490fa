//! Verifies the certificate of a broker.

use crate::{
    certificate::{self, check_size},
    clock,
    credentials::TrustBundle,
    peer::{self, Peer, PeerError},
    provider::provider,
    subject::{Subject, TrustDomain},
};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use std::sync::Arc;

/// What a client believes.
#[derive(Debug)]
pub(super) enum Trust {
    /// These roots, in this trust domain.
    Roots(TrustBundle),
    /// The root whose subject public key info has this SHA-256, in whatever trust domain.
    Pin([u8; 32]),
}

/// Chain, purpose and dates by webpki; then the name has to be a broker's. The server's DNS name
/// is not compared (see [`ClientConfig::identified`](super::ClientConfig::identified)).
#[derive(Debug)]
pub(super) struct BrokerVerifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

impl BrokerVerifier {
    pub(super) fn new(trust: Trust) -> Self {
        Self { trust, algorithms: provider().signature_verification_algorithms }
    }

    /// The roots to verify against. webpki does not look at an anchor's dates, so one that is not
    /// valid now is left out here.
    fn anchors(
        &self,
        presented: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<RootCertStore, Error> {
        let believed = match &self.trust {
            Trust::Roots(bundle) => bundle.roots(),
            Trust::Pin(_) => presented,
        };
        let mut store = RootCertStore::empty();
        for root in believed {
            if self.is_anchor(root, clock::seconds(now)) {
                store.add(root.clone().into_owned())?;
            }
        }
        if store.is_empty() {
            return Err(CertificateError::UnknownIssuer.into());
        }
        Ok(store)
    }

    fn is_anchor(&self, der: &CertificateDer<'_>, now: i64) -> bool {
        let Ok(certificate) = certificate::parse(der) else {
            return false;
        };
        let believed = match &self.trust {
            Trust::Roots(_) => true,
            Trust::Pin(pin) => certificate::sha256(certificate.public_key().raw) == *pin,
        };
        believed
            && certificate::is_authority(&certificate)
            && certificate::validity_of(&certificate).contains(now)
    }

    fn verify_subject(&self, leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), PeerError> {
        let domain = match &self.trust {
            Trust::Roots(bundle) => bundle.domain().clone(),
            Trust::Pin(_) => TrustDomain::of(&peer::uri(&certificate::parse(leaf)?)?)?,
        };
        let found = match Peer::from_certificate(leaf, &domain, clock::seconds(now))?.subject {
            Subject::Broker { .. } => return Ok(()),
            Subject::Agent { .. } => "an agent",
            Subject::Admin { .. } => "an administrator",
        };
        Err(PeerError::Door { found, wanted: "brokers" })
    }
}

impl ServerCertVerifier for BrokerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        check_size(end_entity, intermediates).map_err(|error| refused(error.into()))?;
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(end_entity)?,
            &self.anchors(intermediates, now)?,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        self.verify_subject(end_entity, now).map_err(refused)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn refused(error: PeerError) -> Error {
    CertificateError::Other(OtherError(Arc::new(error))).into()
}
