use super::*;
use secretref_envelope::{write_file_slot, write_passphrase_slot};
use std::{fs, os::unix::fs::PermissionsExt};

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    folder
}

fn none() -> std::io::Result<Zeroizing<Vec<u8>>> {
    Err(std::io::Error::other("no passphrase was to be asked for"))
}

#[test]
fn a_private_file_gives_its_key() {
    let folder = folder();
    let path = folder.path().join("root.key");
    let root = RootKey::generate().unwrap();
    write_slot(&path, write_file_slot(&root).as_bytes()).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(unseal(&path, none).is_ok_and(|read| read.id() == root.id()));
}

#[test]
fn a_passphrase_is_asked_for_where_the_file_needs_one() {
    let folder = folder();
    let path = folder.path().join("root.key");
    let root = RootKey::generate().unwrap();
    let slot = write_passphrase_slot(&root, b"correct horse battery").unwrap();
    write_slot(&path, slot.as_bytes()).unwrap();
    let right = || Ok(Zeroizing::new(b"correct horse battery".to_vec()));
    assert!(unseal(&path, right).is_ok_and(|read| read.id() == root.id()));
    let wrong = || Ok(Zeroizing::new(b"incorrect horse battery".to_vec()));
    assert!(matches!(unseal(&path, wrong), Err(UnsealError::Slot { .. })));
}

#[test]
fn a_file_that_is_not_ours_alone_is_refused_with_the_fix() {
    let folder = folder();
    let path = folder.path().join("root.key");
    let root = RootKey::generate().unwrap();
    assert!(matches!(unseal(&path, none), Err(UnsealError::Missing(_))));
    write_slot(&path, write_file_slot(&root).as_bytes()).unwrap();
    for mode in [0o640, 0o604, 0o666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = unseal(&path, none).err().unwrap().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let link = folder.path().join("link.key");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(unseal(&link, none).err().unwrap().to_string().contains("symbolic link"));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(unseal(&path, none).err().unwrap().to_string().contains("chmod 700"));
}

#[test]
fn a_key_is_never_overwritten() {
    let folder = folder();
    let path = folder.path().join("root.key");
    write_slot(&path, b"one").unwrap();
    assert!(write_slot(&path, b"other").is_err());
    assert_eq!(fs::read(&path).unwrap(), b"one");
}
