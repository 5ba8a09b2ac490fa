use super::*;
use crate::{
    hash::sha256,
    vector::{self, FILE_SLOT, PASSPHRASE, PASSPHRASE_SLOT, counting, root_key},
};
use proptest::prelude::*;
use secretref_domain::id::Digest;

fn parse(text: &str) -> Result<Slot, SlotError> {
    Slot::parse(text.as_bytes())
}

/// The text with one thing replaced and a checksum that fits.
fn edited(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    let text = text.replacen(from, to, 1);
    let (body, _) = text.split_once("sum: ").unwrap();
    format!("{body}sum: {}\n", Digest(sha256(&[body.as_bytes()])))
}

fn line_of(text: &str) -> usize {
    match parse(text).err() {
        Some(SlotError::Malformed { line, .. }) => line,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_slot_is_the_known_answer_and_unlocks() {
    assert_eq!(write_file_slot(&root_key()).as_str(), FILE_SLOT);
    let slot = parse(FILE_SLOT).ok().unwrap();
    assert!(!slot.needs_passphrase());
    assert_eq!(slot.kek_id(), vector::kek_id());
    let root = slot.unlock(None).ok().unwrap();
    assert_eq!(root.id(), vector::kek_id());
    assert_eq!(root.check_value(), root_key().check_value());
}

#[test]
fn a_passphrase_slot_is_the_known_answer_and_unlocks() {
    let made = passphrase::write_with_salt(&root_key(), PASSPHRASE, counting(0)).unwrap();
    assert_eq!(made, PASSPHRASE_SLOT);
    let slot = parse(PASSPHRASE_SLOT).ok().unwrap();
    assert!(slot.needs_passphrase());
    assert_eq!(slot.kek_id(), vector::kek_id());
    let root = slot.unlock(Some(PASSPHRASE)).ok().unwrap();
    assert_eq!(root.id(), vector::kek_id());
    assert_eq!(root.check_value(), root_key().check_value());
}

#[test]
fn two_slots_of_one_key_and_passphrase_have_nothing_in_common() {
    let one = write_passphrase_slot(&root_key(), PASSPHRASE).unwrap();
    let two = write_passphrase_slot(&root_key(), PASSPHRASE).unwrap();
    for name in ["salt: ", "commit: ", "sealed: "] {
        let line =
            |text: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        assert_ne!(line(&one), line(&two));
    }
}

#[test]
fn a_passphrase_is_asked_for_where_it_is_needed_and_nowhere_else() {
    let unlock = |text, passphrase| parse(text).ok().unwrap().unlock(passphrase).err();
    assert_eq!(unlock(PASSPHRASE_SLOT, None), Some(SlotError::PassphraseNeeded));
    assert_eq!(unlock(FILE_SLOT, Some(PASSPHRASE)), Some(SlotError::PassphraseUnused));
    let wrong = Some(SlotError::WrongPassphrase);
    assert_eq!(unlock(PASSPHRASE_SLOT, Some(b"a passphrase of 28 letters.!".as_slice())), wrong);
    assert_eq!(unlock(PASSPHRASE_SLOT, Some(b"".as_slice())), wrong);
    let too_long = [b'a'; PASSPHRASE_BYTES_MAX + 1];
    assert_eq!(unlock(PASSPHRASE_SLOT, Some(too_long.as_slice())), wrong);
}

#[test]
fn a_short_or_long_passphrase_makes_no_slot() {
    for length in [0, PASSPHRASE_BYTES_MIN - 1, PASSPHRASE_BYTES_MAX + 1] {
        let made = write_passphrase_slot(&root_key(), &vec![b'a'; length]);
        assert_eq!(made, Err(SlotError::PassphraseLength(length)));
    }
}

#[test]
fn a_torn_slot_is_told_as_torn_at_every_byte() {
    for text in [FILE_SLOT, PASSPHRASE_SLOT] {
        for length in 0..text.len() {
            assert_eq!(parse(&text[..length]).err(), Some(SlotError::Torn), "{length}");
        }
    }
}

#[test]
fn no_changed_byte_is_accepted() {
    for text in [FILE_SLOT, PASSPHRASE_SLOT] {
        for (at, bytes) in vector::flips(text.as_bytes()) {
            assert!(Slot::parse(&bytes).is_err(), "byte {at}");
        }
        let crlf = text.replace('\n', "\r\n");
        assert!(parse(&crlf).is_err());
        assert_eq!(parse(&format!("{text}\n")).err(), Some(SlotError::Torn));
    }
}

#[test]
fn a_newer_version_and_another_file_are_named_as_what_they_are() {
    let newer = FILE_SLOT.replace("key v1", "key v2");
    assert_eq!(parse(&newer).err(), Some(SlotError::UnknownVersion));
    assert_eq!(line_of("-----BEGIN PRIVATE KEY-----\n"), 1);
    assert_eq!(line_of("hunter2"), 1);
    let long = "a".repeat(SLOT_BYTES_MAX + 1);
    assert_eq!(line_of(&long), 1);
    let error = Slot::parse(&[0xff; 32]).err();
    assert_eq!(error, Some(SlotError::Malformed { line: 1, why: "it is not text" }));
}

#[test]
fn a_whole_slot_with_a_wrong_line_names_the_line() {
    let kek = "11111111-2222-4333-8444-555555555555";
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let zeros = format!("{}=", "A".repeat(43));
    for (from, to, line) in [
        ("kind: file", "kind: floppy", 2),
        ("kind: file\n", "", 2),
        (kek, "00000000-0000-0000-0000-000000000000", 3),
        (kek, "11111111222243338444555555555555", 3),
        (kek, "nobody", 3),
        (key, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", 4),
        (key, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", 4),
        (key, "AAECAwQFBgcICQoLDA0ODw==", 4),
        (key, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gICAg", 4),
        (key, "", 4),
        (key, &zeros, 4),
        ("sum: ", "more: 1\nsum: ", 5),
    ] {
        assert_eq!(line_of(&edited(FILE_SLOT, from, to)), line, "{from} {to}");
    }
    for (from, to, line) in [
        ("m=65536", "m=8", 4),
        ("salt: AAEC", "salt: AAE", 5),
        ("commit: ", "promise: ", 6),
        ("sealed: T1gz", "sealed: ", 7),
        ("sum: ", "more: 1\nsum: ", 8),
    ] {
        assert_eq!(line_of(&edited(PASSPHRASE_SLOT, from, to)), line, "{from} {to}");
    }
}

#[test]
fn a_changed_slot_with_a_right_checksum_is_not_unlocked() {
    let unlock = |from, to| {
        let slot = parse(&edited(PASSPHRASE_SLOT, from, to)).ok().unwrap();
        slot.unlock(Some(PASSPHRASE)).err().unwrap()
    };
    assert!(matches!(unlock("sealed: T", "sealed: U"), SlotError::Malformed { line: 7, .. }));
    assert!(matches!(unlock("kek: 1", "kek: 2"), SlotError::Malformed { line: 7, .. }));
    assert_eq!(unlock("salt: A", "salt: B"), SlotError::WrongPassphrase);
    assert_eq!(unlock("commit: L", "commit: M"), SlotError::WrongPassphrase);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Slot::parse(&bytes).is_err());
    }

    #[test]
    fn any_lines_with_a_right_checksum_are_read_or_refused(
        lines in prop::collection::vec("[a-z0-9]{0,8}:? ?[a-zA-Z0-9+/=,-]{0,64}", 0..8)
    ) {
        let body = format!("secretref root key v1\n{}\nsum: \n", lines.join("\n"));
        prop_assert!(parse(&edited(&body, "sum: ", "sum: ")).is_err());
    }

    #[test]
    fn any_root_key_comes_out_of_its_file_slot(id in 1_u128.., bytes: [u8; 32]) {
        prop_assume!(bytes != [0; 32]);
        let id = KekId(uuid::Uuid::from_u128(id));
        let written = write_file_slot(&RootKey::from_bytes(id, Zeroizing::new(bytes)));
        let read = parse(&written).ok().unwrap().unlock(None).ok().unwrap();
        prop_assert!(read.id() == id && read.bytes().as_ref() == &bytes);
    }
}
