use super::*;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    SanType, SerialNumber,
};
use rustls::pki_types::PrivatePkcs8KeyDer;

const URI: &str = "spiffe://example.org/admin/0192f0a0-0000-7000-8000-000000000001";

fn pair(key: &PrivateKey) -> KeyPair {
    KeyPair::try_from(&PrivatePkcs8KeyDer::from(key.expose_der())).unwrap()
}

fn root() -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().into()
}

fn leaf(key: &PrivateKey) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI(URI.try_into().unwrap())];
    params.serial_number = Some(SerialNumber::from_slice(&[0x41; 16]));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.self_signed(&pair(key)).unwrap().into()
}

fn trust() -> TrustBundle {
    TrustBundle::new(TrustDomain::parse("example.org").unwrap(), vec![root()]).unwrap()
}

#[test]
fn credentials_go_through_pem_and_back() {
    let key = PrivateKey::generate().unwrap();
    let (chain, trust) = (vec![leaf(&key), root()], trust());
    let before = Credentials::new(chain, key, trust.clone()).unwrap();
    let after =
        Credentials::from_pem(&before.chain_pem(), &before.key().expose_pem(), trust).unwrap();
    assert_eq!(after.chain, before.chain);
    assert_eq!(after.key.expose_der(), before.key.expose_der());
    assert_eq!(after.serial(), before.serial());
    let domain = after.trust().domain().clone();
    assert_eq!(after.subject().uri(&domain), URI);
    let again = TrustBundle::from_pem(domain, &after.trust().to_pem()).unwrap();
    assert_eq!(&again, after.trust());
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (key, other) = (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
    let error = Credentials::new(vec![leaf(&key)], other, trust()).err().unwrap();
    assert!(matches!(error, CredentialsError::KeyMismatch), "{error}");
}

#[test]
fn texts_that_are_something_else_are_refused_and_not_quoted() {
    let key = PrivateKey::generate().unwrap();
    let key_pem = key.expose_pem();
    let chain_pem = pem(&[leaf(&key)]);
    let long = "x".repeat(PEM_BYTES_MAX + 1);
    let six = pem(&vec![leaf(&key); CHAIN_LENGTH_MAX + 1]);
    let half = &chain_pem[..chain_pem.len() / 2];
    for chain in ["", "certificate", &*key_pem, &long, &six, half] {
        let error = Credentials::from_pem(chain, &key_pem, trust()).err().unwrap();
        assert!(matches!(error, CredentialsError::Pem { .. }), "{error}");
        assert!(!error.to_string().contains(&key_pem[40..60]));
    }
    for given in ["", "key", &chain_pem, "-----BEGIN PRIVATE KEY-----\nAAAA\n"] {
        let error = Credentials::from_pem(&chain_pem, given, trust()).err().unwrap();
        assert!(matches!(error, CredentialsError::Key(KeyError::Pem)), "{error}");
    }
    let broken = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let error = Credentials::from_pem(&chain_pem, broken, trust()).err().unwrap();
    assert!(matches!(error, CredentialsError::Key(KeyError::Unsupported)), "{error}");
}

#[test]
fn a_root_has_to_be_an_authority() {
    let domain = || TrustDomain::parse("example.org").unwrap();
    let key = PrivateKey::generate().unwrap();
    let error = TrustBundle::new(domain(), vec![leaf(&key)]).unwrap_err();
    assert!(matches!(error, CredentialsError::NotAnAuthority), "{error}");
    TrustBundle::new(domain(), Vec::new()).unwrap_err();
    TrustBundle::new(domain(), vec![CertificateDer::from(vec![1, 2, 3])]).unwrap_err();
}

#[test]
fn a_bundle_knows_its_roots_by_fingerprint() {
    let trust = trust();
    let fingerprint = certificate::spki_sha256(&trust.roots()[0]).unwrap();
    assert!(trust.has_root(&fingerprint));
    assert!(!trust.has_root(&[0; 32]));
}

#[test]
fn the_next_reader_gets_what_was_published() {
    let (mut publisher, holder) = publisher(1);
    let (other, held) = (holder.clone(), holder.current());
    publisher.publish(2);
    assert_eq!((*held, *holder.current(), *other.current()), (1, 2, 2));
    assert_eq!(*Holder::fixed(3).current(), 3);
}
