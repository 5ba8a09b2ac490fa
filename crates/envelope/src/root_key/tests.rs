use super::*;
use crate::vector::{self, context, counting, data_key, flips, root_key, unhex};
use proptest::prelude::*;

fn wrapped() -> WrappedKey {
    WrappedKey::from_bytes(&unhex(vector::WRAPPED)).unwrap()
}

#[test]
fn a_wrap_is_the_known_answer_and_opens() {
    let made = root_key().wrap_with_salt(&data_key(), &context(), counting(64)).unwrap();
    assert_eq!(made.to_bytes(), unhex(vector::WRAPPED));
    let opened = root_key().unwrap_key(&wrapped(), &context()).unwrap();
    assert_eq!(opened.bytes().as_ref(), data_key().bytes().as_ref());
}

#[test]
fn the_check_value_is_the_known_answer_and_this_keys_alone() {
    let check = unhex(vector::CHECK);
    assert_eq!(root_key().check_value().to_vec(), check);
    assert!(root_key().matches(&check));
    assert!(!root_key().matches(&check[..31]));
    assert!(!root_key().matches(&[]));
    assert!(!RootKey::generate().unwrap().matches(&check));
    let same_bytes = Zeroizing::new(counting(0));
    assert!(!RootKey::from_bytes(KekId(Uuid::from_u128(1)), same_bytes).matches(&check));
}

#[test]
fn a_wrap_opens_at_no_other_place() {
    for place in vector::other_contexts() {
        let refused = root_key().unwrap_key(&wrapped(), &place).err();
        assert_eq!(refused, Some(EnvelopeError::Refused { what: "wrapped key" }), "{place:?}");
    }
}

#[test]
fn another_root_key_is_named_and_one_under_the_same_id_is_refused() {
    let other = RootKey::generate().unwrap();
    let wrong = EnvelopeError::WrongKey { wanted: vector::kek_id() };
    assert_eq!(other.unwrap_key(&wrapped(), &context()).err(), Some(wrong));

    let impostor = RootKey::from_bytes(vector::kek_id(), Zeroizing::new(counting(1)));
    let refused = EnvelopeError::Refused { what: "wrapped key" };
    assert_eq!(impostor.unwrap_key(&wrapped(), &context()).err(), Some(refused));
}

#[test]
fn a_commitment_to_another_key_is_refused_though_the_ciphertext_is_right() {
    let mut wrapped = wrapped();
    wrapped.commit = counting(0);
    let refused = EnvelopeError::Refused { what: "wrapped key" };
    assert_eq!(root_key().unwrap_key(&wrapped, &context()).err(), Some(refused));
}

#[test]
fn no_changed_bit_is_accepted() {
    for (at, blob) in flips(&unhex(vector::WRAPPED)) {
        let error = WrappedKey::from_bytes(&blob)
            .and_then(|wrapped| root_key().unwrap_key(&wrapped, &context()).map(|_| ()))
            .unwrap_err();
        let as_expected = match at {
            0 => matches!(error, EnvelopeError::Malformed { .. }),
            1..17 => matches!(error, EnvelopeError::WrongKey { .. }),
            _ => matches!(error, EnvelopeError::Refused { .. }),
        };
        assert!(as_expected, "byte {at}: {error}");
    }
}

#[test]
fn a_blob_of_another_length_is_malformed() {
    let blob = unhex(vector::WRAPPED);
    assert_eq!(blob.len(), WrappedKey::BYTES);
    for length in 0..blob.len() {
        WrappedKey::from_bytes(&blob[..length]).unwrap_err();
    }
    WrappedKey::from_bytes(&[&blob[..], &[0]].concat()).unwrap_err();
    WrappedKey::from_bytes(&unhex(vector::SEALED)).unwrap_err();
}

#[test]
fn a_new_root_key_has_an_id_and_bytes_of_its_own() {
    let (one, two) = (RootKey::generate().unwrap(), RootKey::generate().unwrap());
    assert_ne!(one.id(), two.id());
    assert_ne!(one.bytes().as_ref(), two.bytes().as_ref());
    assert_eq!(one.id().0.get_version_num(), 4);
    assert_eq!(one.id().to_string().parse::<KekId>().unwrap(), one.id());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(blob in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(wrapped) = WrappedKey::from_bytes(&blob) {
            prop_assert_eq!(wrapped.to_bytes(), blob);
        }
    }

    #[test]
    fn bytes_of_the_right_length_are_read_as_they_are(
        mut blob in prop::collection::vec(any::<u8>(), WrappedKey::BYTES)
    ) {
        blob[0] = WrappedKey::ALGORITHM;
        prop_assert_eq!(WrappedKey::from_bytes(&blob).unwrap().to_bytes(), blob);
    }
}
