use super::*;
use std::{fs, os::unix::fs::PermissionsExt};
use tempfile::TempDir;

fn root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o700)).unwrap();
    root
}

fn held(root: &TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = root.path().join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn bytes(content: &[u8]) -> Edited {
    Ok(Some(Zeroizing::new(content.to_vec())))
}

fn replaced(root: &TempDir, edit: impl FnOnce(&[u8]) -> Edited) -> Result<(), ProviderError> {
    replace(&[root.path().to_owned()], Path::new("key"), 100, edit)
}

fn names(root: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(root.path()).unwrap();
    entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn what_somebody_writes_at_the_same_time_is_not_lost() {
    let root = root();
    let path = held(&root, "key", b"old");
    // In place, and as editors do: another file under the name.
    for other in ["same file", "another file"] {
        let error = replaced(&root, |_| {
            if other == "another file" {
                fs::remove_file(&path).unwrap();
            }
            held(&root, "key", other.as_bytes());
            bytes(b"ours")
        })
        .unwrap_err();
        assert_eq!(error.fault, Fault::Unreachable, "{error}");
        assert!(error.message.contains("changed at the same time"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), other.as_bytes());
        assert_eq!(names(&root), ["key"], "something was left behind");
    }
    let gone = replaced(&root, |_| {
        fs::remove_file(&path).unwrap();
        bytes(b"ours")
    });
    assert!(gone.is_err() && !path.exists(), "a removed file came back");
}

#[test]
fn two_writers_do_not_meet() {
    let root = root();
    let path = held(&root, "key", b"old");
    let mut inner = Ok(());
    replaced(&root, |_| {
        inner = replaced(&root, |_| bytes(b"second"));
        bytes(b"first")
    })
    .unwrap();
    let error = inner.unwrap_err();
    assert_eq!(error.fault, Fault::Unreachable, "{error}");
    assert!(error.message.contains("another broker"), "{error}");
    assert_eq!(fs::read(path).unwrap(), b"first");
}

#[test]
fn what_a_crash_left_behind_does_no_harm() {
    let root = root();
    let path = held(&root, "key", b"old");
    held(&root, ".key.secretref", b"half of a value");
    replaced(&root, |old| {
        assert_eq!(old, b"old");
        bytes(b"new")
    })
    .unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(names(&root), ["key"]);
    // Nor does a link that somebody puts there lead anywhere.
    let elsewhere = held(&root, "elsewhere", b"untouched");
    std::os::unix::fs::symlink(&elsewhere, root.path().join(".key.secretref")).unwrap();
    replaced(&root, |_| bytes(b"newer")).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"newer");
    assert_eq!(fs::read(elsewhere).unwrap(), b"untouched");
    // A write that fails leaves all as it was.
    let failed = replaced(&root, |_| Err(record::malformed("it", "broken")));
    assert!(failed.is_err());
    assert_eq!(fs::read(path).unwrap(), b"newer");
}

#[test]
fn nothing_is_written_by_a_symlink_or_outside_the_roots() {
    let (inside, outside) = (root(), root());
    let there = held(&outside, "key", b"old");
    std::os::unix::fs::symlink(&there, inside.path().join("link")).unwrap();
    std::os::unix::fs::symlink(outside.path(), inside.path().join("folder")).unwrap();
    let roots = [inside.path().to_owned()];
    for path in [Path::new("link"), Path::new("folder/key"), Path::new("../key"), &there] {
        let error = replace(&roots, path, 100, |_| bytes(b"new")).unwrap_err();
        assert_eq!(error.fault, Fault::Misconfigured, "{path:?}: {error}");
    }
    held(&inside, "open", b"old");
    fs::set_permissions(inside.path().join("open"), fs::Permissions::from_mode(0o644)).unwrap();
    let error = replace(&roots, Path::new("open"), 100, |_| bytes(b"new")).unwrap_err();
    assert!(error.message.contains("wider than 0600"), "{error}");
    assert_eq!(fs::read(there).unwrap(), b"old");
    assert_eq!(names(&outside), ["key"], "something was left behind");
}

#[test]
fn mode_and_owner_are_kept() {
    let root = root();
    let path = held(&root, "key", b"old");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    let before = rustix::fs::stat(&path).unwrap();
    replaced(&root, |_| bytes(b"new")).unwrap();
    let after = rustix::fs::stat(&path).unwrap();
    assert_eq!(after.st_mode, before.st_mode);
    assert_eq!((after.st_uid, after.st_gid), (before.st_uid, before.st_gid));
    assert_ne!(after.st_ino, before.st_ino, "it was not replaced as a whole");
    let untouched = replaced(&root, |_| Ok(None));
    assert!(untouched.is_ok());
    assert_eq!(rustix::fs::stat(&path).unwrap().st_ino, after.st_ino);
}

fn new(value: &[u8], expires_at: Option<&str>) -> New {
    New {
        value: Zeroizing::new(value.to_vec()),
        expires_at: expires_at.and_then(Timestamp::parse),
        now: Timestamp::parse("2026-11-26T12:00:00Z").unwrap(),
        what: "secrets.json".to_owned(),
    }
}

fn text(edited: Edited) -> String {
    String::from_utf8(edited.unwrap().unwrap().to_vec()).unwrap()
}

#[test]
fn a_record_keeps_what_else_it_has_and_the_file_its_form() {
    let old = r#"{
  "z": {"value": "other"},
  "stripe": {
    "value": "sk_old", "provider": "openclaw", "tags": ["b", "a"],
    "createdAt": "2026-03-08T04:12:00Z", "expiresAt": "2027-03-08T04:12:00Z"
  },
  "bare": { "value": "x" },
  "a":   1.50
}
"#;
    let wanted = old
        .replace("sk_old", r#"sk \"new\"\n"#)
        .replace("2026-03-08T04:12:00Z", "2026-11-26T12:00:00Z")
        .replace("2027-03-08T04:12:00Z", "2026-12-01T00:00:00Z");
    let ends = Some("2026-12-01T00:00:00Z");
    assert_eq!(text(new(b"sk \"new\"\n", ends).within(old.as_bytes(), "stripe")), wanted);
    // The same again changes nothing.
    let again = new(b"sk \"new\"\n", ends).within(wanted.as_bytes(), "stripe").unwrap();
    assert!(again.is_none());
    let endless = text(new(b"sk_new", None).within(old.as_bytes(), "stripe"));
    assert!(endless.contains(r#""expiresAt": null"#), "{endless}");
    let grown = text(new(b"y", ends).within(old.as_bytes(), "/bare"));
    let times = r#""createdAt": "2026-11-26T12:00:00Z", "expiresAt": "2026-12-01T00:00:00Z""#;
    let bare = format!(r#"{{ "value": "y", {times} }}"#);
    assert_eq!(grown, old.replace(r#"{ "value": "x" }"#, &bare));
}

#[test]
fn a_text_alone_is_replaced() {
    let old = r#"{"b": ["x", {"k": "old"}], "a": "old", "n": 7, "a/b": "old"}"#;
    let ends = Some("2026-12-01T00:00:00Z");
    assert_eq!(
        text(new("ü☃".as_bytes(), ends).within(old.as_bytes(), "/b/1/k")),
        old.replacen("\"old\"", "\"ü☃\"", 1)
    );
    assert_eq!(
        text(new(b"new", None).within(old.as_bytes(), "a/b")),
        old.replace(r#""a/b": "old""#, r#""a/b": "new""#)
    );
    // Of two of a name the last one is the one that is read.
    assert_eq!(
        text(new(b"new", None).within(br#"{"a": "x", "a": "y"}"#, "a")),
        r#"{"a": "x", "a": "new"}"#
    );
    let fault = |target: &str, value: &[u8]| {
        new(value, None).within(old.as_bytes(), target).unwrap_err().fault
    };
    assert_eq!(fault("/b/7", b"v"), Fault::NotFound);
    assert_eq!(fault("n", b"v"), Fault::Malformed);
    assert_eq!(fault("a", b"\xff\xfe"), Fault::Misconfigured);
    let full = format!(r#"{{"a": "old", "pad": "{}"}}"#, "x".repeat(JSON_BYTES_MAX - 40));
    let error = new(&[b'v'; 1000], None).within(full.as_bytes(), "a").unwrap_err();
    assert_eq!(error.fault, Fault::TooLarge, "{error}");
}

#[test]
fn a_whole_file_is_read_as_it_was_written() {
    for old in [b"old".as_slice(), b"old\n", b"old\r\n", b""] {
        for value in ["new", "new\n", "new\r", "new\r\n", "\n", "two\nlines", "ü \"☃\" \\"] {
            let written = new(value.as_bytes(), None).instead_of(old).unwrap().unwrap();
            assert_eq!(whole_value(&written), value.as_bytes(), "{value:?} instead of {old:?}");
        }
    }
    let kept = new(b"new", None).instead_of(b"old\n").unwrap().unwrap();
    assert_eq!(&**kept, b"new\n");
    assert!(new(b"old", None).instead_of(b"old\n").unwrap().is_none());
}
