use super::prepare;
use crate::store::StoreError;
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

fn refusal(path: &Path) -> String {
    match prepare(path.to_str().unwrap()) {
        Err(StoreError::Unusable(why)) => why,
        other => panic!("{}: {other:?}", path.display()),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_new_file_and_its_folder_are_the_owners_alone() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("data");
    let path = folder.join("broker.db");
    assert!(!prepare(path.to_str().unwrap()).unwrap().was_left_open);
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_file_that_others_may_read_is_refused_and_left() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("broker.db");
    fs::write(&path, b"").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let why = refusal(&path);
    assert!(why.contains("chmod 600") && why.contains("0640"), "{why}");
    assert_eq!(mode(&path), 0o640);
}

#[test]
fn a_folder_that_others_may_write_is_refused_and_left() {
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o1777)).unwrap();
    let path = home.path().join("broker.db");
    let why = refusal(&path);
    assert!(why.contains("chmod 700"), "{why}");
    assert!(!path.exists());
}

#[test]
fn what_is_no_file_is_refused() {
    let home = tempfile::tempdir().unwrap();
    for path in ["", ":memory:", "broker.db?mode=memory"] {
        assert!(refusal(Path::new(path)).contains("names no file"), "{path}");
    }
    refusal(&home.path().join("absent").join("deeper").join("broker.db"));
    refusal(home.path());
    // A file system of the kernel's own, which is no place for a file either.
    refusal(Path::new("/proc/broker.db"));
}

#[test]
fn a_log_of_writes_tells_that_it_was_left_open() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("broker.db");
    fs::write(home.path().join("broker.db-wal"), b"frames").unwrap();
    assert!(prepare(path.to_str().unwrap()).unwrap().was_left_open);
}
