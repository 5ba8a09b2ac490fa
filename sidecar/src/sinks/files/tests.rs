use super::*;
use rustix::{fs as unix, process};
use secretref_domain::value::SecretValue;
use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::Path,
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
};
use tempfile::TempDir;

mod ends;
mod hostile;
mod readers;
mod refusals;

/// A folder in memory, as an operator would make it.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").expect("the tests need a tmpfs at /dev/shm")
}

fn config(dir: &Path) -> FileSinkConfig {
    FileSinkConfig { dir: dir.to_owned(), allow_disk: false, group: None, mode: None }
}

fn open(dir: &Path) -> FileSink {
    FileSink::open(config(dir)).unwrap()
}

fn entry(name: &str, value: &str) -> FileEntry {
    FileEntry {
        name: FileName::parse(name).unwrap(),
        value: Arc::new(SecretValue::new(value.into()).unwrap()).into(),
        mode: None,
        owner: None,
    }
}

fn set(files: &[(&str, &str)]) -> FileSet {
    FileSet { files: files.iter().map(|(name, value)| entry(name, value)).collect() }
}

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap()
}

/// What is in the folder, sorted.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn set_folders(dir: &Path) -> Vec<String> {
    names(dir).into_iter().filter(|name| name.starts_with("..set.")).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// A group that this process may give files to, and that is not its first choice where it can.
fn some_group() -> u32 {
    if process::geteuid().is_root() { 12_345 } else { process::getegid().as_raw() }
}

/// Tells other threads to stop, also where this one panics: else they would be waited for.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn a_set_comes_into_place_whole() {
    let dir = folder();
    let mut sink = open(dir.path());
    let applied = sink.apply(&set(&[("db-password", "one"), ("api.key", "two")])).unwrap();

    assert_eq!(applied, Applied::Swapped);
    assert_eq!(read(dir.path(), "db-password"), "one");
    assert_eq!(read(dir.path(), "api.key"), "two");
    assert_eq!(read(dir.path(), "..data/api.key"), "two");
    let sets = set_folders(dir.path());
    assert_eq!(sets.len(), 1);
    assert_eq!(fs::read_link(dir.path().join("..data")).unwrap(), Path::new(&sets[0]));
    assert_eq!(
        names(dir.path()),
        ["..data", "..lock", &sets[0], "api.key", "db-password"],
        "nothing else is left"
    );
}

#[test]
fn values_are_bytes_and_kept_exactly() {
    let dir = folder();
    let mut sink = open(dir.path());
    let value: Vec<u8> = (0..=255).cycle().take(64 * 1024).collect();
    let mut file = entry("raw", "x");
    file.value = Arc::new(SecretValue::new(value.clone()).unwrap()).into();
    sink.apply(&FileSet { files: vec![file] }).unwrap();
    assert!(fs::read(dir.path().join("raw")).unwrap() == value);
}

#[test]
fn the_same_set_again_is_not_swapped() {
    let dir = folder();
    let mut sink = open(dir.path());
    let first = set(&[("a", "1"), ("b", "2")]);
    sink.apply(&first).unwrap();
    let link = fs::symlink_metadata(dir.path().join("..data")).unwrap();

    // Another object and another order, but the same set.
    assert_eq!(sink.apply(&set(&[("b", "2"), ("a", "1")])).unwrap(), Applied::Unchanged);
    let after = fs::symlink_metadata(dir.path().join("..data")).unwrap();
    assert_eq!(link.ino(), after.ino());
    assert_eq!(sink.next_prune(), None, "nothing was retired");

    // A sidecar that starts again reads what is there.
    drop(sink);
    let mut sink = open(dir.path());
    assert_eq!(sink.apply(&first).unwrap(), Applied::Unchanged);
    assert_eq!(sink.apply(&set(&[("a", "1"), ("b", "3")])).unwrap(), Applied::Swapped);
}

#[test]
fn names_come_and_go() {
    let dir = folder();
    let mut sink = open(dir.path());
    sink.apply(&set(&[("stays", "1"), ("goes", "1")])).unwrap();
    let before = fs::symlink_metadata(dir.path().join("stays")).unwrap().ino();
    sink.apply(&set(&[("stays", "2"), ("comes", "2")])).unwrap();

    assert_eq!(read(dir.path(), "stays"), "2");
    assert_eq!(read(dir.path(), "comes"), "2");
    assert!(fs::symlink_metadata(dir.path().join("goes")).is_err(), "not even a dangling link");
    assert_eq!(fs::symlink_metadata(dir.path().join("stays")).unwrap().ino(), before);

    sink.apply(&FileSet::default()).unwrap();
    assert_eq!(fs::read_dir(dir.path().join("..data")).unwrap().count(), 0);
    assert!(!names(dir.path()).iter().any(|name| !name.starts_with("..")));
}

#[test]
fn what_somebody_broke_is_put_right() {
    let dir = folder();
    let mut sink = open(dir.path());
    let wanted = set(&[("a", "1"), ("b", "2")]);
    let data = dir.path().join("..data");
    let breaks: [&dyn Fn(); 5] = [
        &|| fs::remove_file(dir.path().join("a")).unwrap(),
        &|| fs::remove_file(data.join("b")).unwrap(),
        &|| fs::write(data.join("more"), "x").unwrap(),
        &|| unix::chmod(data.join("a"), unix::Mode::from_raw_mode(0o600)).unwrap(),
        &|| {
            fs::remove_file(data.join("b")).unwrap();
            fs::write(data.join("b"), "3").unwrap();
            unix::chmod(data.join("b"), unix::Mode::from_raw_mode(0o400)).unwrap();
        },
    ];
    sink.apply(&wanted).unwrap();
    for (at, break_it) in breaks.iter().enumerate() {
        break_it();
        assert_eq!(sink.apply(&wanted).unwrap(), Applied::Swapped, "break {at} was not seen");
        assert_eq!((read(dir.path(), "a"), read(dir.path(), "b")), ("1".into(), "2".into()));
        assert_eq!(sink.apply(&wanted).unwrap(), Applied::Unchanged);
    }
}

#[test]
fn without_a_group_nobody_else_can_read() {
    let dir = folder();
    unix::chmod(dir.path(), unix::Mode::from_raw_mode(0o755)).unwrap();
    let mut sink = open(dir.path());
    sink.apply(&set(&[("a", "1")])).unwrap();
    assert_eq!(mode(dir.path()), 0o700);
    assert_eq!(mode(&dir.path().join("..data/")), 0o700);
    assert_eq!(mode(&dir.path().join("..data/a")), 0o400);
    assert_eq!(mode(&dir.path().join("..lock")), 0o600);
}

#[test]
fn with_a_group_it_can_read_and_no_more() {
    let dir = folder();
    let group = some_group();
    let mut sink =
        FileSink::open(FileSinkConfig { group: Some(group), ..config(dir.path()) }).unwrap();
    let mut files = set(&[("a", "1"), ("b", "2")]);
    files.files[1].mode = Some(0o400);
    sink.apply(&files).unwrap();
    for (path, bits) in [("", 0o750), ("..data/", 0o750), ("..data/a", 0o440), ("..data/b", 0o400)]
    {
        let stat = fs::metadata(dir.path().join(path)).unwrap();
        assert_eq!((stat.mode() & 0o7777, stat.gid()), (bits, group), "{path:?}");
    }
    assert_eq!(sink.apply(&files).unwrap(), Applied::Unchanged);
}

#[test]
fn owner_group_and_mode_are_there_when_the_set_is() {
    let dir = folder();
    let root = process::geteuid().is_root();
    let own = (process::geteuid().as_raw(), process::getegid().as_raw());
    let (uid, gid) = if root { (54_321, 54_322) } else { own };
    let mut sink = open(dir.path());
    let mut wanted = set(&[("a", "1"), ("b", "2")]);
    wanted.files[0].owner = Some(format!("{uid}:{gid}"));
    wanted.files[1].mode = Some(0o640);

    // Whoever looks is never shown a file that still lacks its owner: it is read through the one
    // link by a thread that begins before the first set is there.
    let data = dir.path().join("..data/a");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Acquire) {
                let Ok(stat) = fs::metadata(&data) else { continue };
                assert_eq!((stat.uid(), stat.gid(), stat.mode() & 0o777), (uid, gid, 0o440));
            }
        });
        let _stop = StopOnDrop(&stop);
        for round in 0..200 {
            wanted.files[1].value =
                Arc::new(SecretValue::new(format!("{round}").into_bytes()).unwrap()).into();
            sink.apply(&wanted).unwrap();
            let stat = fs::metadata(&data).unwrap();
            assert_eq!((stat.uid(), stat.gid(), stat.mode() & 0o777), (uid, gid, 0o440));
        }
    });
    assert_eq!(mode(&dir.path().join("..data/b")), 0o640);
    assert_eq!(sink.apply(&wanted).unwrap(), Applied::Unchanged);

    // Others may pass the folders, but not list them, only while a file is theirs; also over a
    // restart, before the broker was reached.
    let passage = u32::from((uid, Some(gid)) != (own.0, None));
    assert_eq!(mode(dir.path()), 0o700 | passage);
    drop(sink);
    let mut sink = open(dir.path());
    assert_eq!(mode(dir.path()), 0o700 | passage);
    sink.apply(&set(&[("a", "1")])).unwrap();
    assert_eq!((mode(dir.path()), mode(&dir.path().join("..data/"))), (0o700, 0o700));
}

#[test]
fn a_missing_folder_is_made() {
    let above = folder();
    let dir = above.path().join("secrets");
    let mut sink = open(&dir);
    sink.apply(&set(&[("a", "1")])).unwrap();
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(read(&dir, "a"), "1");
}
