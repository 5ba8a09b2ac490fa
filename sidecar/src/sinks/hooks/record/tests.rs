use super::{Confirmed, Record};
use crate::state::State;
use secretref_domain::{agent::OnRotate, clock::Timestamp, name::FileName};
use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt};

#[test]
fn it_is_read_as_it_was_written_and_what_is_damaged_counts_as_none() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let state = State::open(folder.path()).unwrap();
    assert_eq!(Record::read(&state), Record::default());
    let mut record = Record::default();
    let hook = OnRotate::try_from("http://127.0.0.1:1/x".to_owned()).unwrap();
    let key = |file: &str| (hook.clone(), FileName::parse(file).unwrap());
    let called_us = Some(Timestamp::from_micros(5));
    record.set(key("A"), Confirmed { fingerprint: "00ff".to_owned(), called_us });
    record.set(key("B"), Confirmed { fingerprint: "11".to_owned(), called_us: None });
    record.write(&state).unwrap();
    assert_eq!(Record::read(&state), record);
    record.keep_only(&BTreeSet::from([key("B")]));
    assert!(record.of(&key("A")).is_none() && record.of(&key("B")).is_some());
    for damaged in ["", "{", r#"{"format":2,"confirmed":[]}"#, r#"{"format":1,"more":1}"#] {
        fs::write(folder.path().join("hooks.json"), damaged).unwrap();
        assert_eq!(Record::read(&state), Record::default());
    }
}
