use super::{Expiry, LeaseFile, LeaseFileError, LeaseRecord, NAME, NEXT, RECORD_BYTES_MAX};
use rustix::fs::{Mode, chmod};
use secretref_domain::{clock::Timestamp, id::InstanceId, name::SecretName};
use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
};
use tempfile::TempDir;
use uuid::Uuid;

const NOW: Timestamp = Timestamp::from_micros(1_773_000_000_000_000);

fn record(ends: &[(&str, i64)]) -> LeaseRecord {
    let expiries = ends.iter().map(|(name, seconds)| Expiry {
        name: SecretName::parse(name).unwrap(),
        until_us: NOW.plus_seconds(*seconds),
    });
    let instance = InstanceId(Uuid::from_u128(7));
    LeaseRecord::new(instance, "/run/secretref".into(), NOW, expiries.collect())
}

fn state() -> (TempDir, LeaseFile) {
    let state = tempfile::tempdir().unwrap();
    let file = LeaseFile::open(state.path()).unwrap();
    (state, file)
}

#[test]
fn a_record_comes_back() {
    let (state, file) = state();
    assert_eq!(file.read().unwrap(), None);
    for written in [record(&[("db/password", 600), ("api", 60)]), record(&[])] {
        file.write(&written).unwrap();
        assert_eq!(LeaseFile::open(state.path()).unwrap().read().unwrap(), Some(written));
        let stat = fs::metadata(state.path().join(NAME)).unwrap();
        assert_eq!(stat.mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 1);
    }
    file.remove().unwrap();
    file.remove().unwrap();
    assert_eq!(file.read().unwrap(), None);
    assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0);
}

#[test]
fn the_format_is_the_one_that_is_drawn() {
    let (state, file) = state();
    file.write(&record(&[("a", 600)])).unwrap();
    assert_eq!(
        fs::read_to_string(state.path().join(NAME)).unwrap(),
        "{\"format\":1,\"instance\":\"00000000-0000-0000-0000-000000000007\",\
         \"secrets_dir\":\"/run/secretref\",\"recorded_us\":1773000000000000,\
         \"lease_until_us\":1773000600000000,\
         \"expiries\":[{\"name\":\"a\",\"until_us\":1773000600000000}]}"
    );
}

#[test]
fn a_record_lapses_with_its_first_secret() {
    let record = record(&[("later", 600), ("first", 60)]);
    assert!(!record.lapsed(NOW.plus_seconds(59)));
    assert!(record.lapsed(NOW.plus_seconds(60)));
    assert!(!record.lapsed(NOW.plus_seconds(-10)), "a clock may be put right by a little");
    assert!(record.lapsed(NOW.plus_millis(-10_001)), "a clock that far behind proves nothing");
}

#[test]
fn where_nothing_was_held_nothing_lapses() {
    assert!(!record(&[]).lapsed(NOW.plus_seconds(1_000_000)));
    assert!(!record(&[]).lapsed(NOW.plus_seconds(-1_000_000)));
}

#[test]
fn what_is_no_record_is_refused_and_stays() {
    let good = serde_json::to_string(&record(&[("a", 600)])).unwrap();
    let bad = [
        String::new(),
        good[..good.len() - 1].to_owned(),
        good.replace("\"format\":1", "\"format\":2"),
        good.replace("\"a\"", "\"../a\""),
        good.replace("\"lease_until_us\":1773000600000000", "\"lease_until_us\":1999000600000000"),
        good.replace("\"lease_until_us\":1773000600000000", "\"lease_until_us\":null"),
        good.replace("\"format\"", "\"more\":0,\"format\""),
        format!("{good}{}", " ".repeat(RECORD_BYTES_MAX as usize)),
        serde_json::to_string(&record(&vec![("a", 600); 257])).unwrap(),
    ];
    for text in bad {
        let (state, file) = state();
        fs::write(state.path().join(NAME), &text).unwrap();
        let error = file.read().unwrap_err();
        assert!(matches!(error, LeaseFileError::Malformed { .. }), "{error}");
        assert!(error.to_string().contains("lease.json"), "{error}");
        assert_eq!(fs::read_to_string(state.path().join(NAME)).unwrap(), text);
        file.write(&record(&[])).unwrap();
        assert_eq!(file.read().unwrap(), Some(record(&[])));
    }
    let (state, file) = state();
    fs::write(state.path().join(NAME), [0xff, 0xfe]).unwrap();
    assert!(matches!(file.read(), Err(LeaseFileError::Malformed { .. })));
}

#[test]
fn what_others_could_have_written_is_not_trusted() {
    let (state, file) = state();
    let path = state.path().join(NAME);
    file.write(&record(&[("a", 600)])).unwrap();
    chmod(&path, Mode::from_raw_mode(0o620)).unwrap();
    assert!(matches!(file.read(), Err(LeaseFileError::Untrusted { .. })));

    let elsewhere = state.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    assert!(matches!(file.read(), Err(LeaseFileError::Untrusted { .. })));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(file.read(), Err(LeaseFileError::Untrusted { .. })));
    assert!(matches!(file.write(&record(&[])), Err(LeaseFileError::System { .. })));
}

#[test]
fn a_leftover_is_replaced_and_not_followed() {
    let (state, file) = state();
    let victim = state.path().join("victim");
    fs::write(&victim, "not ours").unwrap();
    symlink(&victim, state.path().join(NEXT)).unwrap();
    file.write(&record(&[("a", 600)])).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "not ours");
    assert!(fs::symlink_metadata(state.path().join(NEXT)).is_err());
    assert_eq!(file.read().unwrap(), Some(record(&[("a", 600)])));

    fs::write(state.path().join(NEXT), "{\"torn").unwrap();
    assert_eq!(file.read().unwrap(), Some(record(&[("a", 600)])), "only the whole one counts");
}

#[test]
fn a_state_folder_that_is_missing_is_named() {
    let state = tempfile::tempdir().unwrap();
    let error = LeaseFile::open(&state.path().join("none")).err().unwrap();
    assert!(error.to_string().contains("open the state folder"), "{error}");
}
