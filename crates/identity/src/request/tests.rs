use super::*;
use rcgen::{
    BasicConstraints, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, PKCS_ECDSA_P384_SHA384,
    PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData, SanType, SignatureAlgorithm,
};

fn made_by(algorithm: &'static SignatureAlgorithm) -> (KeyPair, Vec<u8>) {
    let pair = KeyPair::generate_for(algorithm).unwrap();
    let der = CertificateParams::default().serialize_request(&pair).unwrap().der().to_vec();
    (pair, der)
}

#[test]
fn a_request_gives_its_public_key() {
    let request = CertificateRequest::generate().unwrap();
    let pkcs8 = PrivatePkcs8KeyDer::from(request.key.expose_der());
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &PKCS_ECDSA_P256_SHA256).unwrap();
    let key = parse_request(&request.der).unwrap();
    assert_eq!(key.spki_der(), pair.subject_public_key_info());
    assert_eq!(key.spki_sha256(), sha256(&pair.subject_public_key_info()));
}

#[test]
fn every_request_has_a_new_key() {
    let one = parse_request(&CertificateRequest::generate().unwrap().der).unwrap();
    let other = parse_request(&CertificateRequest::generate().unwrap().der).unwrap();
    assert_ne!(one, other);
}

#[test]
fn ed25519_is_taken_and_other_kinds_are_not() {
    let (pair, der) = made_by(&PKCS_ED25519);
    assert_eq!(parse_request(&der).unwrap().spki_der(), pair.subject_public_key_info());
    for algorithm in [&PKCS_RSA_SHA256, &PKCS_ECDSA_P384_SHA384] {
        assert_eq!(parse_request(&made_by(algorithm).1), Err(RequestError::KeyKind));
    }
}

#[test]
fn what_a_request_asks_for_is_not_read() {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::new(vec!["broker.example.org".to_owned()]).unwrap();
    let uri = "spiffe://example.org/admin/0192f0a0-0000-7000-8000-000000000001";
    params.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let der = params.serialize_request(&pair).unwrap().der().to_vec();
    assert_eq!(parse_request(&der).unwrap().spki_der(), pair.subject_public_key_info());
}

#[test]
fn no_byte_of_a_request_can_be_changed() {
    let der = CertificateRequest::generate().unwrap().der;
    for at in 0..der.len() {
        let mut changed = der.clone();
        changed[at] ^= 1;
        parse_request(&changed).expect_err(&format!("byte {at} was changed"));
    }
}

#[test]
fn a_key_of_somebody_else_is_refused() {
    let mine = CertificateRequest::generate().unwrap().der;
    let theirs = parse_request(&CertificateRequest::generate().unwrap().der).unwrap();
    let my_key = parse_request(&mine).unwrap();
    let at = mine.windows(91).position(|window| window == my_key.spki_der()).unwrap();
    let mut stolen = mine;
    stolen[at..at + 91].copy_from_slice(theirs.spki_der());
    assert_eq!(parse_request(&stolen), Err(RequestError::Signature));
}

#[test]
fn what_is_too_large_too_short_or_followed_by_more_is_refused() {
    let der = CertificateRequest::generate().unwrap().der;
    assert_eq!(parse_request(&[0; 4097]), Err(RequestError::TooLarge(4097)));
    assert_eq!(parse_request(&der[..der.len() - 1]), Err(RequestError::NotPkcs10));
    assert_eq!(parse_request(&[&der[..], b"x"].concat()), Err(RequestError::NotPkcs10));
    assert_eq!(parse_request(&[]), Err(RequestError::NotPkcs10));
}
