use super::*;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use secretref_domain::name::{AgentName, EnvironmentName};
use secretref_identity::credentials::PrivateKey;
use secretref_proto::v1;
use std::{collections::BTreeSet, os::unix::fs::PermissionsExt};
use tempfile::TempDir;
use uuid::Uuid;

/// An identity of this agent, by an authority of its own.
fn identity(agent: &str) -> Identity {
    let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "root");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap();
    let (mut leaf, instance) = (CertificateParams::default(), Uuid::new_v4());
    let uri = format!("spiffe://t/agent/{}/{instance}", Uuid::new_v4());
    leaf.subject_alt_names = vec![SanType::URI(uri.as_str().try_into().unwrap())];
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    leaf.serial_number = Some(SerialNumber::from_slice(&[0x41; 16]));
    let leaf = leaf.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
    let issued = v1::IssuedCertificate {
        chain_der: vec![leaf.der().to_vec()],
        trust_bundle: Some(v1::TrustBundle {
            trust_domain: "t".into(),
            roots_der: vec![root.der().to_vec()],
        }),
        instance: instance.to_string(),
        ..v1::IssuedCertificate::default()
    };
    let key = PrivateKey::from_der(key.serialize_der().into()).unwrap();
    let environment = EnvironmentName::parse("production").unwrap();
    Identity::issued(issued, key, AgentName::parse(agent).unwrap(), environment).unwrap()
}

fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    dir
}

fn found(state: &State) -> Option<String> {
    state.identity().unwrap().map(|identity| identity.agent.to_string())
}

fn files(dir: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(dir).unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn an_identity_comes_back_as_it_was() {
    let dir = folder();
    let identity = identity("one");
    let state = State::open(dir.path()).unwrap();
    assert!(state.identity().unwrap().is_none());
    state.store_joined(&identity).unwrap();
    drop(state);
    let back = State::open(dir.path()).unwrap().identity().unwrap().unwrap();
    assert_eq!((back.agent, back.instance), (identity.agent, identity.instance));
    assert_eq!(back.credentials.chain_pem(), identity.credentials.chain_pem());
    assert_eq!(back.credentials.trust(), identity.credentials.trust());
    let mode = fs::metadata(dir.path().join(CURRENT)).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_successor_counts_from_its_arrival_and_takes_over() {
    let dir = folder();
    let state = State::open(dir.path()).unwrap();
    state.store_joined(&identity("one")).unwrap();
    state.promote().unwrap();
    assert_eq!(found(&state).unwrap(), "one", "there was nothing to promote");
    state.store_next(&identity("two")).unwrap();
    assert_eq!(found(&state).unwrap(), "two");
    state.promote().unwrap();
    assert_eq!(found(&state).unwrap(), "two");
    assert_eq!(files(dir.path()), [CURRENT.to_owned(), "lock".to_owned()].into());
}

#[test]
fn a_damaged_slot_is_passed_over_and_two_are_said() {
    let dir = folder();
    let state = State::open(dir.path()).unwrap();
    state.store_joined(&identity("one")).unwrap();
    state.store_next(&identity("two")).unwrap();
    let (current, next) = (dir.path().join(CURRENT), dir.path().join(NEXT));
    let whole = fs::read(&next).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(&next, &whole[..length]).unwrap();
        assert_eq!(found(&state).unwrap(), "one", "torn after {length} bytes");
    }
    // A key that belongs to another certificate.
    let mut mixed: serde_json::Value = serde_json::from_slice(&whole).unwrap();
    let other: serde_json::Value = serde_json::from_slice(&fs::read(&current).unwrap()).unwrap();
    mixed["key"] = other["key"].clone();
    fs::write(&next, mixed.to_string()).unwrap();
    assert_eq!(found(&state).unwrap(), "one");
    fs::write(&current, "{}").unwrap();
    let error = state.identity().err().unwrap();
    assert!(matches!(error, StateError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("enrol again"), "{error}");
    assert!(!error.to_string().contains("PRIVATE"), "{error}");
}

#[test]
fn a_kill_while_writing_leaves_the_former_whole() {
    let dir = folder();
    let state = State::open(dir.path()).unwrap();
    state.store_joined(&identity("one")).unwrap();
    let unfinished = durable::beside(dir.path(), CURRENT);
    fs::write(&unfinished, "half a ke").unwrap();
    assert_eq!(found(&state).unwrap(), "one");
    drop(state);
    let state = State::open(dir.path()).unwrap();
    assert!(!unfinished.exists(), "it may hold a key");
    // A link in its place leads nowhere.
    let victim = dir.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, &unfinished).unwrap();
    state.store_joined(&identity("two")).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert_eq!(found(&state).unwrap(), "two");
}

#[test]
fn a_key_waits_for_its_join() {
    let dir = folder();
    let state = State::open(dir.path()).unwrap();
    let first = state.pending().unwrap().der;
    drop(state);
    let state = State::open(dir.path()).unwrap();
    assert_eq!(state.pending().unwrap().der, first);
    fs::write(dir.path().join(PENDING), "torn").unwrap();
    let second = state.pending().unwrap().der;
    assert_ne!(second, first);
    state.store_joined(&identity("one")).unwrap();
    assert!(!dir.path().join(PENDING).exists());
}

#[test]
fn what_others_can_read_is_refused_with_the_fix() {
    let dir = folder();
    for mode in [0o750, 0o705, 0o770, 0o777] {
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        let error = State::open(dir.path()).err().unwrap().to_string();
        assert!(error.contains("chmod 700 "), "{error}");
    }
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let state = State::open(dir.path()).unwrap();
    state.store_joined(&identity("one")).unwrap();
    let current = dir.path().join(CURRENT);
    fs::set_permissions(&current, fs::Permissions::from_mode(0o640)).unwrap();
    let error = state.identity().err().unwrap().to_string();
    assert!(error.contains("chmod 600 "), "{error}");
}

#[test]
fn two_sidecars_never_share_a_folder() {
    let dir = folder();
    let state = State::open(dir.path()).unwrap();
    assert!(matches!(State::open(dir.path()), Err(StateError::Locked { .. })));
    drop(state);
    assert!(State::open(dir.path()).is_ok());
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(State::open(&file), Err(StateError::Io { .. })));
}
