use super::*;
use crate::vector::{
    self, counting, data_key, environment, flips, kek_id, root_key, secret, unhex, version,
};
use std::collections::HashSet;

fn value() -> SecretValue {
    SecretValue::new(vector::VALUE.to_vec()).unwrap()
}

fn seal(keyring: &Keyring) -> SealedVersion {
    keyring.seal_value(&environment(), secret(), version(), &value()).unwrap()
}

fn open(keyring: &Keyring, stored: &SealedVersion) -> Result<Vec<u8>, EnvelopeError> {
    let opened = keyring.open_value(&environment(), secret(), version(), stored);
    opened.map(|value| value.expose().to_vec())
}

fn keyring() -> (Keyring, SealedKeyring) {
    Keyring::create(root_key()).unwrap()
}

#[test]
fn a_value_opens_in_the_keyring_that_sealed_it_and_after_it_was_opened_again() {
    let (keyring, sealed) = keyring();
    let stored = seal(&keyring);
    assert_eq!(open(&keyring, &stored).unwrap(), vector::VALUE);
    let again = Keyring::open(root_key(), &sealed).unwrap();
    assert_eq!(open(&again, &stored).unwrap(), vector::VALUE);
    assert_eq!(again.blind(&[b"x"]), keyring.blind(&[b"x"]));
    assert_eq!(again.authority_mac(&[b"x"]), keyring.authority_mac(&[b"x"]));
    assert_eq!(again.kek_id(), kek_id());
}

#[test]
fn stored_blobs_of_the_known_answer_open() {
    let (keyring, _) = keyring();
    let stored = SealedVersion { wrapped: unhex(vector::WRAPPED), sealed: unhex(vector::SEALED) };
    assert_eq!(open(&keyring, &stored).unwrap(), vector::VALUE);
    assert_eq!(stored.digest().to_string(), vector::SEALED_DIGEST);
}

#[test]
fn a_value_opens_at_no_other_place() {
    let (keyring, _) = keyring();
    let stored = seal(&keyring);
    let refused = Some(EnvelopeError::Refused { what: "wrapped key" });
    let elsewhere = EnvironmentName::parse("staging").unwrap();
    let another = SecretId(uuid::Uuid::from_u128(9));
    for moved in [
        keyring.open_value(&elsewhere, secret(), version(), &stored),
        keyring.open_value(&environment(), another, version(), &stored),
        keyring.open_value(&environment(), secret(), version().next(), &stored),
    ] {
        assert_eq!(moved.err(), refused);
    }
}

#[test]
fn the_halves_of_two_versions_do_not_fit() {
    let (keyring, _) = keyring();
    let (one, two) = (seal(&keyring), seal(&keyring));
    let mixed = SealedVersion { wrapped: one.wrapped.clone(), sealed: two.sealed };
    assert_eq!(open(&keyring, &mixed), Err(EnvelopeError::Refused { what: "sealed value" }));
    let swapped = SealedVersion { wrapped: one.sealed, sealed: one.wrapped };
    assert!(matches!(open(&keyring, &swapped), Err(EnvelopeError::Malformed { .. })));
}

#[test]
fn an_authentic_plaintext_of_no_byte_is_no_value() {
    let (keyring, _) = keyring();
    let context = vector::context();
    let (wrapped, sealed) = keyring.seal(b"", &context).unwrap();
    let stored = SealedVersion { wrapped: wrapped.to_bytes(), sealed: sealed.to_bytes() };
    assert!(matches!(open(&keyring, &stored), Err(EnvelopeError::Malformed { .. })));
}

#[test]
fn a_wrong_root_key_is_told_from_a_corrupt_row() {
    let (_, sealed) = keyring();
    let wrong = Some(EnvelopeError::WrongKey { wanted: kek_id() });
    assert_eq!(Keyring::open(RootKey::generate().unwrap(), &sealed).err(), wrong);
    let impostor = RootKey::from_bytes(kek_id(), Zeroizing::new(counting(1)));
    assert_eq!(Keyring::open(impostor, &sealed).err(), wrong);

    for (at, mac_key) in flips(&sealed.mac_key) {
        let corrupt = SealedKeyring { mac_key, ..sealed.clone() };
        let error = Keyring::open(root_key(), &corrupt).err().unwrap();
        let as_expected = match at {
            0 => matches!(error, EnvelopeError::Malformed { .. }),
            1..17 => matches!(error, EnvelopeError::WrongKey { .. }),
            _ => matches!(error, EnvelopeError::Refused { .. }),
        };
        assert!(as_expected, "byte {at}: {error}");
    }
    for (at, audit_key) in flips(&sealed.audit_key) {
        let corrupt = SealedKeyring { audit_key, ..sealed.clone() };
        assert!(Keyring::open(root_key(), &corrupt).is_err(), "byte {at}");
    }
    for (_, check) in flips(&sealed.check) {
        let corrupt = SealedKeyring { check: check.try_into().unwrap(), ..sealed.clone() };
        assert_eq!(Keyring::open(root_key(), &corrupt).err(), wrong);
    }
}

#[test]
fn the_two_keys_of_a_keyring_cannot_be_exchanged() {
    let (_, sealed) = keyring();
    let exchanged = SealedKeyring {
        mac_key: sealed.audit_key.clone(),
        audit_key: sealed.mac_key.clone(),
        ..sealed
    };
    let refused = EnvelopeError::Refused { what: "wrapped key" };
    assert_eq!(Keyring::open(root_key(), &exchanged).err(), Some(refused));
}

#[test]
fn a_blobs_data_key_cannot_stand_in_for_the_row_mac_key() {
    let (keyring, sealed) = keyring();
    let blob = keyring.seal_blob(MAC_PURPOSE, b"x").unwrap();
    let forged = SealedKeyring { mac_key: blob[..WrappedKey::BYTES].to_vec(), ..sealed };
    let refused = EnvelopeError::Refused { what: "wrapped key" };
    assert_eq!(Keyring::open(root_key(), &forged).err(), Some(refused));
}

#[test]
fn macs_are_the_known_answers() {
    let key = MacKey::new(data_key());
    let mac = key.sign(AUTHORITY_LABEL, vector::MAC_PARTS);
    assert_eq!(mac.to_vec(), unhex(vector::AUTHORITY_MAC));
    assert_eq!(key.sign(BLIND_LABEL, vector::MAC_PARTS).to_vec(), unhex(vector::BLIND));
}

#[test]
fn a_mac_is_that_of_its_parts_and_of_no_other_split() {
    let (keyring, _) = keyring();
    let mac = keyring.authority_mac(&[b"ab", b"c"]);
    assert!(keyring.verify_authority_mac(&[b"ab", b"c"], &mac));
    let others: [&[&[u8]]; 6] =
        [&[b"a", b"bc"], &[b"abc"], &[b"ab", b"c", b""], &[b"c", b"ab"], &[b"ab"], &[]];
    for parts in others {
        assert!(!keyring.verify_authority_mac(parts, &mac), "{parts:?}");
    }
    for (at, flipped) in flips(&mac) {
        assert!(!keyring.verify_authority_mac(&[b"ab", b"c"], &flipped), "byte {at}");
    }
    assert!(!keyring.verify_authority_mac(&[b"ab", b"c"], &mac[..31]));
    assert!(!keyring.verify_authority_mac(&[b"ab", b"c"], &[]));
    assert_ne!(keyring.blind(&[b"ab", b"c"]), mac);
    assert!(!self::keyring().0.verify_authority_mac(&[b"ab", b"c"], &mac));
}

#[test]
fn a_blob_opens_for_its_purpose_alone_and_with_every_bit_in_place() {
    let (keyring, _) = keyring();
    let blob = keyring.seal_blob("agent-authority", b"private key").unwrap();
    assert_eq!(keyring.open_blob("agent-authority", &blob).unwrap().as_slice(), b"private key");
    let refused = Some(EnvelopeError::Refused { what: "wrapped key" });
    assert_eq!(keyring.open_blob("server-authority", &blob).err(), refused);
    for (at, flipped) in flips(&blob) {
        assert!(keyring.open_blob("agent-authority", &flipped).is_err(), "byte {at}");
    }
    for length in 0..blob.len() {
        assert!(keyring.open_blob("agent-authority", &blob[..length]).is_err(), "{length}");
    }
}

/// A keyring once another root key is the active one, and what the database then holds.
fn succeeded(old: &Keyring, next: RootKey) -> (Keyring, SealedKeyring) {
    let id = next.id();
    let both = old.holding(next).unwrap();
    let sealed = both.sealed_under(id).unwrap();
    (both.activated(&sealed).unwrap(), sealed)
}

#[test]
fn a_new_root_key_rewraps_data_keys_and_leaves_values_and_macs_as_they_are() {
    let (old, _) = keyring();
    let mut stored = seal(&old);
    let blob = old.seal_blob("agent-authority", b"private key").unwrap();
    let (digest, mac, blind) = (stored.digest(), old.authority_mac(&[b"x"]), old.blind(&[b"x"]));

    let next = Zeroizing::new(counting(100));
    let next_root = || RootKey::from_bytes(KekId(uuid::Uuid::from_u128(2)), next.clone());
    let (both, sealed) = succeeded(&old, next_root());
    assert_eq!(open(&both, &stored).unwrap(), vector::VALUE);
    assert_eq!((both.authority_mac(&[b"x"]), both.blind(&[b"x"])), (mac, blind));

    // A restart in the middle: the new key alone says which one it lacks; with it, it goes on.
    let alone = Keyring::open(next_root(), &sealed).unwrap();
    assert_eq!(open(&alone, &stored), Err(EnvelopeError::WrongKey { wanted: kek_id() }));
    let both = alone.holding(root_key()).unwrap();

    let rewrap = |wrapped: &[u8]| both.rewrap(&environment(), secret(), version(), wrapped);
    stored.wrapped = rewrap(&stored.wrapped).unwrap().unwrap();
    assert_eq!(rewrap(&stored.wrapped).unwrap(), None);
    assert_eq!(stored.digest(), digest);
    let rewrapped = both.rewrap_blob("agent-authority", &blob).unwrap().unwrap();
    assert_eq!(rewrapped[WrappedKey::BYTES..], blob[WrappedKey::BYTES..]);
    assert_eq!(both.rewrap_blob("agent-authority", &rewrapped).unwrap(), None);

    let alone = Keyring::open(next_root(), &sealed).unwrap();
    assert_eq!(open(&alone, &stored).unwrap(), vector::VALUE);
    let opened = alone.open_blob("agent-authority", &rewrapped).unwrap();
    assert_eq!(opened.as_slice(), b"private key");
    assert_eq!(alone.authority_mac(&[b"x"]), mac);
}

#[test]
fn a_rewrap_refuses_what_an_opening_refuses() {
    let (old, _) = keyring();
    let stored = seal(&old);
    let (both, _) = succeeded(&old, RootKey::generate().unwrap());
    for (at, wrapped) in flips(&stored.wrapped) {
        let rewrapped = both.rewrap(&environment(), secret(), version(), &wrapped);
        assert!(rewrapped.is_err(), "byte {at}");
    }
    both.rewrap(&environment(), secret(), version().next(), &stored.wrapped).unwrap_err();
}

#[test]
fn new_wraps_are_under_the_new_root_key() {
    let (old, _) = keyring();
    let (both, sealed) = succeeded(&old, RootKey::generate().unwrap());
    let wrapped = WrappedKey::from_bytes(&seal(&both).wrapped).unwrap();
    assert_eq!(wrapped.kek_id, both.kek_id());
    assert_eq!(sealed.kek_id, both.kek_id());
    assert_ne!(both.kek_id(), kek_id());
}

#[test]
fn the_next_root_key_opens_before_it_wraps_and_one_that_is_let_go_opens_nothing() {
    let (old, _) = keyring();
    let next = RootKey::from_bytes(KekId(uuid::Uuid::from_u128(2)), Zeroizing::new(counting(100)));
    let id = next.id();
    let held = old.holding(next).unwrap();
    assert_eq!((held.kek_id(), held.holds(id), old.holds(id)), (kek_id(), true, false));
    let stored = seal(&held);
    assert_eq!(WrappedKey::from_bytes(&stored.wrapped).unwrap().kek_id, kek_id());
    let ahead = held.activated(&held.sealed_under(id).unwrap()).unwrap();
    let stored_ahead = seal(&ahead);
    assert_eq!(open(&held, &stored_ahead).unwrap(), vector::VALUE);
    assert_eq!(open(&ahead, &stored).unwrap(), vector::VALUE);
    let alone = ahead.alone();
    assert_eq!(open(&alone, &stored), Err(EnvelopeError::WrongKey { wanted: kek_id() }));
    assert_eq!(open(&alone, &stored_ahead).unwrap(), vector::VALUE);
}

#[test]
fn keys_of_another_keyring_are_not_activated() {
    let (this, _) = keyring();
    let this = this.holding(RootKey::generate().unwrap()).unwrap();
    // The same root key, and other keys under it.
    let (_, other) = Keyring::create(root_key()).unwrap();
    assert_eq!(this.activated(&other).err(), Some(EnvelopeError::Refused { what: "keyring" }));
    let (_, foreign) = Keyring::create(RootKey::generate().unwrap()).unwrap();
    let wanted = foreign.kek_id;
    assert_eq!(this.activated(&foreign).err(), Some(EnvelopeError::WrongKey { wanted }));
    assert_eq!(this.sealed_under(wanted).err(), Some(EnvelopeError::WrongKey { wanted }));
}

#[test]
fn a_keyring_takes_no_root_key_twice_and_no_more_than_the_limit() {
    let (mut keyring, _) = keyring();
    let not_added = |error| matches!(error, Some(EnvelopeError::KeyNotAdded { .. }));
    for _ in 1..ROOT_KEYS_MAX {
        keyring = keyring.holding(RootKey::generate().unwrap()).unwrap();
    }
    assert!(not_added(keyring.holding(RootKey::generate().unwrap()).err()));
    assert!(not_added(self::keyring().0.holding(root_key()).err()));
}

#[test]
fn no_salt_nonce_or_data_key_is_repeated_in_10_000_envelopes() {
    const ENVELOPES: usize = 10_000;
    let (keyring, _) = keyring();
    let root = root_key();
    let (mut salts, mut nonces, mut keys) = (HashSet::new(), HashSet::new(), HashSet::new());
    for _ in 0..ENVELOPES {
        let stored = seal(&keyring);
        let wrapped = WrappedKey::from_bytes(&stored.wrapped).unwrap();
        let key = root.unwrap_key(&wrapped, &vector::context()).unwrap();
        salts.insert(wrapped.salt);
        nonces.insert(Sealed::from_bytes(&stored.sealed).unwrap().nonce);
        keys.insert(*key.bytes().as_ref());
    }
    assert_eq!((salts.len(), nonces.len(), keys.len()), (ENVELOPES, ENVELOPES, ENVELOPES));
}
