use super::*;

/// The example of Go's `sumdb/note`, which has the same format and the same keys.
const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\n\
    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

#[test]
fn the_example_of_the_format_is_verified() {
    let verifier = NoteVerifier::parse(KEY).unwrap();
    assert_eq!(verifier.to_string(), KEY);
    let text = verifier.verify(NOTE).unwrap();
    assert!(text.starts_with("If you think") && text.ends_with("problem is.\n"));
}

#[test]
fn what_is_signed_is_verified_by_its_key_alone() {
    let key = NoteSigner::generate().unwrap();
    let signer = NoteSigner::new("example.org/receipts", &key).unwrap();
    let note = signer.sign("one\ntwo – drei\n").unwrap();
    let verifier = NoteVerifier::parse(&signer.verifier().to_string()).unwrap();
    assert_eq!(verifier.verify(&note).unwrap(), "one\ntwo – drei\n");
    let other = NoteSigner::generate().unwrap();
    let other = NoteSigner::new("example.org/receipts", &other).unwrap().verifier();
    assert_eq!(other.verify(&note), Err(NoteError::Unsigned));
    // A second signature under the same text does no harm.
    let twice = format!("{note}\u{2014} else AAAAAAAA\n");
    assert_eq!(verifier.verify(&twice).unwrap(), "one\ntwo – drei\n");
}

#[test]
fn every_byte_that_is_changed_is_found() {
    let verifier = NoteVerifier::parse(KEY).unwrap();
    for at in 0..NOTE.len() {
        for flip in [1, 0x20, 0x80] {
            let mut bytes = NOTE.as_bytes().to_vec();
            bytes[at] ^= flip;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(verifier.verify(&changed).is_err(), "byte {at} by {flip}: {changed}");
        }
    }
    for end in 0..NOTE.len() {
        if NOTE.is_char_boundary(end) {
            assert!(verifier.verify(&NOTE[..end]).is_err(), "cut at {end}");
        }
    }
}

#[test]
fn what_is_no_key_no_name_and_no_text_is_refused() {
    for key in ["", "a", "a+b", "a+00000000+AAAA", &KEY.replace("c74f20a3", "c74f20a4")] {
        assert_eq!(NoteVerifier::parse(key), Err(NoteError::Key), "{key}");
    }
    let key = NoteSigner::generate().unwrap();
    for name in ["", "a b", "a+b", "a\n"] {
        assert!(NoteSigner::new(name, &key).is_err(), "{name:?}");
    }
    let signer = NoteSigner::new("n", &key).unwrap();
    for text in ["", "no end", "an\n\nempty line\n", "a\rreturn\n"] {
        assert!(matches!(signer.sign(text), Err(NoteError::Malformed(_))), "{text:?}");
    }
}
