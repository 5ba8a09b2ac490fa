use super::*;

/// The example of Go's `sumdb/note`, which has the same format and the same keys.
const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\n\
    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfq\
    dngotpRZb6KE6RyyBwJnAM=\n";

#[test]
fn the_example_of_the_format_is_verified() {
    let verifier = NoteVerifier::parse(KEY).unwrap();
    assert_eq!(verifier.to_string(), KEY);
    let text = verifier.verify(NOTE).unwrap();
    assert!(text.starts_with("If you think") && text.ends_with("problem is.\n"));
}

/// The private key of the same example: base64 of 0x01 and a seed.
const SEED: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

#[test]
fn the_example_is_signed_byte_for_byte() {
    // PKCS#8 of an Ed25519 key (RFC 8410, section 7) is this and the seed.
    let mut pkcs8 = vec![
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    pkcs8.extend_from_slice(&BASE64_STANDARD.decode(SEED).unwrap()[1..]);
    let signer = NoteSigner::new("PeterNeumann", &pkcs8).unwrap();
    assert_eq!(signer.verifier().to_string(), KEY);
    let (text, _) = NOTE.rsplit_once("\n\n").unwrap();
    assert_eq!(signer.sign(&format!("{text}\n")).unwrap(), NOTE);
}

#[test]
fn every_failure_says_which_it_is() {
    let verifier = NoteVerifier::parse(KEY).unwrap();
    let (text, below) = NOTE.rsplit_once("\n\n").unwrap();
    let malformed = |note: &str| match verifier.verify(note) {
        Err(NoteError::Malformed(why)) => why,
        other => panic!("{other:?}: {note}"),
    };
    assert_eq!(malformed(&format!("{text}\n")), "nothing is under its text");
    assert_eq!(malformed(NOTE.trim_end()), "its last line does not end");
    assert_eq!(malformed(&NOTE.replace("JnAM=", "JnAM")), "a signature is no base64");
    assert_eq!(
        malformed(&format!("{}\n\n{below}", "a".repeat(1 << 20))),
        "it is longer than 1 MiB"
    );
    assert_eq!(malformed(&format!("{NOTE}{}", below.repeat(16))), "it has more than 16 signatures");
    assert!(verifier.verify(&format!("{NOTE}{}", below.repeat(15))).is_ok());
    let changed = NOTE.replace("answer", "anvwer");
    assert_eq!(verifier.verify(&changed), Err(NoteError::Altered));
    let other = NOTE.replace("Neumann x08go", "Neumann y08go");
    assert_eq!(verifier.verify(&other), Err(NoteError::Unsigned));
}

#[test]
fn every_mangled_key_is_refused() {
    for at in 0..KEY.len() {
        for end in at..=KEY.len() {
            if (at, end) != (0, KEY.len()) {
                assert_eq!(NoteVerifier::parse(&KEY[at..end]), Err(NoteError::Key));
            }
        }
        let mut bytes = KEY.as_bytes().to_vec();
        bytes[at] += 1;
        let changed = String::from_utf8(bytes).unwrap();
        assert_eq!(NoteVerifier::parse(&changed), Err(NoteError::Key), "{changed}");
    }
    // Their key ids fit: a key that is too long, and a key of another kind.
    let long = "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==";
    assert_eq!(NoteVerifier::parse(long), Err(NoteError::Key));
    let kind = "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert_eq!(NoteVerifier::parse(kind), Err(NoteError::Key));
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
        for flip in (0..8).map(|bit| 1 << bit) {
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
