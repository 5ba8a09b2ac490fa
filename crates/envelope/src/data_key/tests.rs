use super::*;
use crate::vector::{self, context, counting, data_key, flips, unhex};
use proptest::prelude::*;

fn sealed() -> Sealed {
    Sealed::from_bytes(&unhex(vector::SEALED)).unwrap()
}

#[test]
fn a_sealed_value_is_the_known_answer_and_opens() {
    let made = data_key().seal_with_nonce(vector::VALUE, &context(), counting(96)).unwrap();
    assert_eq!(made.to_bytes(), unhex(vector::SEALED));
    assert_eq!(made.digest().to_string(), vector::SEALED_DIGEST);
    assert_eq!(data_key().open(&sealed(), &context()).unwrap().as_slice(), vector::VALUE);
}

#[test]
fn the_plaintext_has_a_buffer_of_its_exact_length() {
    let opened = data_key().open(&sealed(), &context()).unwrap();
    assert_eq!(opened.capacity(), vector::VALUE.len());
}

#[test]
fn a_sealed_value_opens_at_no_other_place_and_under_no_other_key() {
    let refused = Some(EnvelopeError::Refused { what: "sealed value" });
    for place in vector::other_contexts() {
        assert_eq!(data_key().open(&sealed(), &place).err(), refused, "{place:?}");
    }
    let other = DataKey::generate().unwrap();
    assert_eq!(other.open(&sealed(), &context()).err(), refused);
}

#[test]
fn no_changed_bit_is_accepted() {
    for (at, blob) in flips(&unhex(vector::SEALED)) {
        let error = Sealed::from_bytes(&blob)
            .and_then(|sealed| data_key().open(&sealed, &context()))
            .unwrap_err();
        let as_expected = match at {
            0 => matches!(error, EnvelopeError::Malformed { .. }),
            _ => matches!(error, EnvelopeError::Refused { .. }),
        };
        assert!(as_expected, "byte {at}: {error}");
    }
}

#[test]
fn a_shortened_blob_is_malformed_or_refused() {
    let blob = unhex(vector::SEALED);
    for length in 0..blob.len() {
        let read = Sealed::from_bytes(&blob[..length]);
        assert_eq!(read.is_err(), length < 29, "{length}");
        if let Ok(sealed) = read {
            data_key().open(&sealed, &context()).unwrap_err();
        }
    }
}

#[test]
fn a_failed_opening_leaves_zeros_in_the_buffer() {
    let aad = context().sealing_aad().unwrap();
    let sealed = sealed();
    let (mut buffer, mut ciphertext) = ([0xff; vector::VALUE.len()], sealed.ciphertext);
    ciphertext[0] ^= 1;
    let opened = aead::open(data_key().bytes(), sealed.nonce, &aad, &ciphertext, &mut buffer);
    assert!(opened.is_err());
    assert_eq!(buffer, [0; vector::VALUE.len()]);
}

#[test]
fn lengths_up_to_the_limit_are_sealed_and_opened() {
    let key = data_key();
    for length in [0, 1, 15, 16, 17, PLAINTEXT_BYTES_MAX] {
        let plaintext = vec![7; length];
        let sealed = key.seal(&plaintext, &context()).unwrap();
        let sealed = Sealed::from_bytes(&sealed.to_bytes()).unwrap();
        assert!(*key.open(&sealed, &context()).unwrap() == plaintext, "{length}");
    }
}

#[test]
fn lengths_beyond_the_limit_are_refused_both_ways() {
    let key = data_key();
    let bytes = PLAINTEXT_BYTES_MAX + 1;
    let too_long = EnvelopeError::TooLong { bytes, max: PLAINTEXT_BYTES_MAX };
    assert_eq!(key.seal(&vec![7; bytes], &context()), Err(too_long));

    let mut sealed = key.seal(&vec![7; PLAINTEXT_BYTES_MAX], &context()).unwrap();
    sealed.ciphertext.push(0);
    let malformed = |error| matches!(error, EnvelopeError::Malformed { .. });
    assert!(malformed(Sealed::from_bytes(&sealed.to_bytes()).unwrap_err()));
    assert!(malformed(key.open(&sealed, &context()).unwrap_err()));
}

#[test]
fn a_place_that_binds_nothing_is_refused() {
    let nowhere = Context::key("");
    let empty = Some(EnvelopeError::EmptyContext { part: "purpose" });
    assert_eq!(data_key().seal(vector::VALUE, &nowhere).err(), empty);
    assert_eq!(data_key().open(&sealed(), &nowhere).err(), empty);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(blob in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(sealed) = Sealed::from_bytes(&blob) {
            prop_assert_eq!(sealed.to_bytes(), blob);
        }
    }

    #[test]
    fn bytes_of_a_sealed_layout_are_read_as_they_are_and_never_opened(
        mut blob in prop::collection::vec(any::<u8>(), 29..200)
    ) {
        blob[0] = Sealed::ALGORITHM;
        let sealed = Sealed::from_bytes(&blob).unwrap();
        prop_assert_eq!(sealed.to_bytes(), blob);
        prop_assert!(data_key().open(&sealed, &context()).is_err());
    }
}
