//! Verifies the certificates of clients.

use crate::{
    certificate::check_size,
    clock,
    peer::{Peer, PeerError},
    provider::provider,
    subject::{Subject, TrustDomain},
};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
    client::danger::HandshakeSignatureValid,
    pki_types::{CertificateDer, UnixTime},
    server::{
        VerifierBuilderError, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use std::sync::Arc;

/// How long after its end an agent's certificate still lets its holder renew: 7 days. A machine
/// that was off over a week-end comes back without a new join token.
pub const EXPIRED_GRACE_SECONDS: i64 = 7 * 24 * 60 * 60;

/// Which of the broker's ports.
#[derive(Debug, Clone, Copy)]
pub(super) enum Door {
    /// Agents, and nobody in particular.
    Agents,
    /// Administrators only.
    Admins,
}

/// webpki's verifier with four rules on top: the issuer is an anchor itself, the leaf names one of
/// ours, it fits the door, and at the agents' door it may have ended a short while ago.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    chain: Arc<dyn ClientCertVerifier>,
    door: Door,
    domain: TrustDomain,
}

impl ClientVerifier {
    pub(super) fn new(
        anchors: RootCertStore,
        door: Door,
        domain: TrustDomain,
    ) -> Result<Self, VerifierBuilderError> {
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(anchors), provider());
        let chain = match door {
            Door::Agents => builder.allow_unauthenticated().build()?,
            Door::Admins => builder.build()?,
        };
        Ok(Self { chain, door, domain })
    }

    /// Chain, purpose and dates. The certificates that came along are not given to webpki: issuers
    /// are anchors, so a path has no middle, and a client cannot make us search for one.
    fn verify_chain(
        &self,
        leaf: &CertificateDer<'_>,
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let outcome = self.chain.verify_client_cert(leaf, &[], now);
        if !matches!(self.door, Door::Agents) || !outcome.as_ref().is_err_and(is_expired) {
            return outcome;
        }
        match self.end_within_grace(leaf, now) {
            // All that webpki checks is checked again, as of the certificate's last second.
            Some(end) => self.chain.verify_client_cert(leaf, &[], end),
            None => outcome,
        }
    }

    /// The last second of a certificate that ended a short while ago.
    fn end_within_grace(&self, leaf: &CertificateDer<'_>, now: UnixTime) -> Option<UnixTime> {
        let now = clock::seconds(now);
        let peer = Peer::from_certificate(leaf, &self.domain, now).ok()?;
        let ended_since = now.checked_sub(peer.not_after)?;
        let within = (1..=EXPIRED_GRACE_SECONDS).contains(&ended_since);
        if within { clock::unix_time(peer.not_after) } else { None }
    }

    fn verify_subject(&self, leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), PeerError> {
        let peer = Peer::from_certificate(leaf, &self.domain, clock::seconds(now))?;
        let wanted = match (self.door, peer.subject) {
            (Door::Agents, Subject::Agent { .. }) | (Door::Admins, Subject::Admin { .. }) => {
                return Ok(());
            }
            (Door::Agents, _) => "agents",
            (Door::Admins, _) => "administrators",
        };
        let found = match peer.subject {
            Subject::Agent { .. } => "an agent",
            Subject::Admin { .. } => "an administrator",
            Subject::Broker { .. } => "a broker",
        };
        Err(PeerError::Door { found, wanted })
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        self.chain.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        check_size(end_entity, intermediates).map_err(|error| refused(error.into()))?;
        let verified = self.verify_chain(end_entity, now)?;
        self.verify_subject(end_entity, now).map_err(refused)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

fn is_expired(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. }
        )
    )
}

fn refused(error: PeerError) -> Error {
    CertificateError::Other(OtherError(Arc::new(error))).into()
}
