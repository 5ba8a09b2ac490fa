use super::*;
use std::os::unix::fs::PermissionsExt;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Files with an old certificate and key, which a renewal is to replace.
fn old() -> (tempfile::TempDir, Files) {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::new_in(&folder.path().join("admin")).unwrap();
    for path in [&files.ca, &files.cert, &files.key] {
        fs::write(path, "old").unwrap();
    }
    (folder, files)
}

fn wanted(files: &Files) -> CertificateRequest {
    match files.begin_renewal().unwrap() {
        Renewal::Wanted(request) => request,
        Renewal::Finished => panic!("nothing was interrupted"),
    }
}

#[test]
fn new_files_are_for_their_owner_and_overwrite_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("a").join("b");
    let files = Files::new_in(&inside).unwrap();
    let request = files.write_key().unwrap();
    assert_eq!((mode(&inside), mode(&files.key)), (0o700, 0o600));
    assert_eq!(*request.key.expose_pem(), text(&files.key));
    let taken = Files::new_in(&inside).err().unwrap().to_string();
    assert!(taken.contains("admin.key is there already"), "{taken}");
    assert!(files.write_key().is_err(), "a key was overwritten");
    files.discard();
    assert!(!inside.exists());

    fs::create_dir(&inside).unwrap();
    fs::set_permissions(&inside, fs::Permissions::from_mode(0o750)).unwrap();
    let wide = Files::new_in(&inside).err().unwrap().to_string();
    assert!(wide.contains("mode 0750") && wide.contains("Fix: chmod 700"), "{wide}");
}

#[test]
fn what_is_discarded_is_only_what_is_ours() {
    let (_folder, files) = old();
    let folder = files.key.parent().unwrap().to_owned();
    fs::write(folder.join("notes"), "mine").unwrap();
    files.discard();
    assert_eq!(text(&folder.join("notes")), "mine");
}

#[test]
fn an_interrupted_renewal_goes_on_with_the_same_key() {
    let (_folder, files) = old();
    let first = wanted(&files);
    assert_eq!(mode(&beside(&files.key)), 0o600);
    // The answer was lost: nothing of the old is touched, and the key is the same.
    let again = wanted(&files);
    assert_eq!(*first.key.expose_pem(), *again.key.expose_pem());
    assert_eq!((text(&files.cert).as_str(), text(&files.key).as_str()), ("old", "old"));
    assert!(!files.is_interrupted());
}

#[test]
fn a_renewal_that_was_cut_off_at_any_step_is_finished() {
    for key_was_swapped in [false, true] {
        let (_folder, files) = old();
        wanted(&files);
        let new = text(&beside(&files.key));
        fs::write(beside(&files.cert), "new").unwrap();
        if key_was_swapped {
            fs::rename(beside(&files.key), &files.key).unwrap();
        }
        assert!(files.is_interrupted());
        assert!(matches!(files.begin_renewal().unwrap(), Renewal::Finished));
        assert_eq!((text(&files.cert), text(&files.key)), ("new".to_owned(), new));
        assert!(!files.is_interrupted() && !beside(&files.key).exists());
    }
}
