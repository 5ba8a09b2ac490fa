use super::*;
use std::os::unix::fs::symlink;

fn swap(folder: &Path, set: &str, files: &[(&str, &str)]) {
    fs::create_dir(folder.join(set)).unwrap();
    for (file, value) in files {
        fs::write(folder.join(set).join(file), value).unwrap();
    }
    symlink(set, folder.join("next")).unwrap();
    fs::rename(folder.join("next"), folder.join(DATA)).unwrap();
}

#[test]
fn it_says_what_it_uses_first_and_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let key = TagKey::new("k\n");
    let files = vec!["A".to_owned(), "B".to_owned()];
    let mut eyes = Eyes::new(folder.path().to_owned(), files);
    assert!(eyes.look(&key).is_empty());

    swap(folder.path(), "..set.1", &[("A", "1"), ("B", "x")]);
    let said = eyes.look(&key);
    assert_eq!(said.len(), 2);
    assert_eq!(said[0].tag.as_deref(), Some(&*key.tag("A", b"1")));
    assert!(eyes.look(&key).is_empty());

    swap(folder.path(), "..set.2", &[("A", "2"), ("B", "x")]);
    let said = eyes.look(&key);
    assert_eq!(said.len(), 1);
    assert_eq!((said[0].file.as_str(), said[0].tag.as_deref()), ("A", Some(&*key.tag("A", b"2"))));

    fs::remove_file(folder.path().join(DATA)).unwrap();
    let said = eyes.look(&key);
    assert_eq!(said.iter().map(|said| said.tag.clone()).collect::<Vec<_>>(), [None, None]);
    assert!(eyes.look(&key).is_empty());
}

#[test]
fn a_tag_depends_on_key_file_and_value() {
    let key = TagKey::new("k");
    let tags = [
        key.tag("A", b"1"),
        key.tag("B", b"1"),
        key.tag("A", b"2"),
        TagKey::new("l").tag("A", b"1"),
    ];
    for (at, tag) in tags.iter().enumerate() {
        assert!(tags[at + 1..].iter().all(|other| other != tag));
    }
}
