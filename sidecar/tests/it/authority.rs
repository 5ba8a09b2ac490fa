//! A small authority for the fake broker: root, one intermediate for agents and one for brokers.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer};
use secretref_identity::{
    certificate::spki_sha256,
    credentials::{Credentials, PrivateKey, TrustBundle},
    join_token::JoinToken,
    subject::TrustDomain,
};
use secretref_proto::v1;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;
use zeroize::Zeroizing;

pub(crate) const DOMAIN: &str = "sidecar.test";

struct Signer {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

pub(crate) struct Authority {
    root: Signer,
    agents: Signer,
    brokers: Signer,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let root = Signer::root();
        let agents = root.intermediate("agents", ExtendedKeyUsagePurpose::ClientAuth);
        let brokers = root.intermediate("brokers", ExtendedKeyUsagePurpose::ServerAuth);
        Self { root, agents, brokers }
    }

    pub(crate) fn trust(&self) -> TrustBundle {
        TrustBundle::new(DOMAIN.parse().unwrap(), vec![self.root.certificate.clone()]).unwrap()
    }

    pub(crate) fn anchors(&self) -> Vec<CertificateDer<'static>> {
        vec![self.agents.certificate.clone()]
    }

    pub(crate) fn token(&self) -> JoinToken {
        JoinToken::new(Zeroizing::new([7; 32]), spki_sha256(&self.root.certificate).unwrap())
    }

    /// Credentials of a broker.
    pub(crate) fn broker(&self) -> Credentials {
        let uri = format!("spiffe://{DOMAIN}/broker/{}", Uuid::new_v4());
        let key = KeyPair::generate().unwrap();
        let params = leaf(&uri, ExtendedKeyUsagePurpose::ServerAuth, (-60, 3600));
        let certificate = params.signed_by(&key, &self.brokers.issuer).unwrap();
        let chain = vec![certificate.into(), self.brokers.certificate.clone()];
        let key = PrivateKey::from_der(Zeroizing::new(key.serialize_der())).unwrap();
        Credentials::new(chain, key, self.trust()).unwrap()
    }

    /// A certificate for an agent's request, valid from and to these seconds from now.
    pub(crate) fn issue(
        &self,
        request: &[u8],
        agent: Uuid,
        instance: Uuid,
        valid: (i64, i64),
    ) -> v1::IssuedCertificate {
        let der = CertificateSigningRequestDer::from(request);
        let mut request = CertificateSigningRequestParams::from_der(&der).unwrap();
        let uri = format!("spiffe://{DOMAIN}/agent/{agent}/{instance}");
        request.params = leaf(&uri, ExtendedKeyUsagePurpose::ClientAuth, valid);
        let certificate = request.signed_by(&self.agents.issuer).unwrap();
        v1::IssuedCertificate {
            chain_der: vec![certificate.der().to_vec(), self.agents.certificate.to_vec()],
            trust_bundle: Some(v1::TrustBundle {
                trust_domain: DOMAIN.to_owned(),
                roots_der: vec![self.root.certificate.to_vec()],
            }),
            instance: instance.to_string(),
            not_before: None,
            not_after: None,
        }
    }
}

impl Signer {
    fn params(name: &str, path_length: u8) -> CertificateParams {
        let mut params = CertificateParams::default();
        validity(&mut params, (-3600, 24 * 3600));
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
    }

    fn root() -> Self {
        let (params, key) = (Self::params("root", 1), KeyPair::generate().unwrap());
        let certificate = params.self_signed(&key).unwrap().into();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn intermediate(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> Self {
        let (mut params, key) = (Self::params(name, 0), KeyPair::generate().unwrap());
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &self.issuer).unwrap().into();
        Self { certificate, issuer: Issuer::new(params, key) }
    }
}

fn leaf(uri: &str, usage: ExtendedKeyUsagePurpose, valid: (i64, i64)) -> CertificateParams {
    let mut params = CertificateParams::default();
    validity(&mut params, valid);
    let mut serial = Uuid::new_v4().into_bytes();
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params
}

fn validity(params: &mut CertificateParams, (from, to): (i64, i64)) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
    let at = |seconds: i64| UNIX_EPOCH + Duration::from_secs((now + seconds).unsigned_abs());
    params.not_before = at(from).into();
    params.not_after = at(to).into();
}

#[test]
fn the_trust_domain_is_one() {
    assert_eq!(TrustDomain::parse(DOMAIN).unwrap().as_str(), DOMAIN);
}
