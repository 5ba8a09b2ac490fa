//! What a sink refuses: each with what is wrong and how to mend it, and nothing changed.

use super::*;

fn refused(config: FileSinkConfig) -> FileSinkError {
    FileSink::open(config).err().expect("it was taken")
}

#[test]
fn a_folder_that_is_not_in_memory_is_refused() {
    // Whatever the machine, this is no tmpfs.
    let error = refused(config(Path::new("/proc")));
    assert!(matches!(error, FileSinkError::NotInMemory { kind: 0x9fa0, .. }), "{error}");
    assert!(error.to_string().contains("--allow-disk"), "{error}");

    let error = refused(config(Path::new("/proc/no-such-folder")));
    assert!(matches!(error, FileSinkError::NotInMemory { .. }), "not even made: {error}");
}

#[test]
fn a_disk_is_taken_where_it_was_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let mut sink =
        FileSink::open(FileSinkConfig { allow_disk: true, ..config(dir.path()) }).unwrap();
    sink.apply(&set(&[("a", "1"), ("b", "2")])).unwrap();
    sink.apply(&set(&[("a", "2"), ("c", "2")])).unwrap();
    assert_eq!(read(dir.path(), "a"), "2");
    let kept = dir.path().join("kept");
    fs::hard_link(dir.path().join("..data/a"), &kept).unwrap();
    sink.prune(sink.next_prune().unwrap());
    assert_eq!(set_folders(dir.path()).len(), 1);
    sink.wipe().unwrap();
    assert_eq!(names(dir.path()), ["..lock", "kept"]);
    assert_eq!(fs::read(kept).unwrap(), [0], "its bytes are gone from the disk");
}

#[test]
fn on_a_disk_a_set_past_its_grace_is_overwritten_and_in_memory_it_is_not() {
    for (storage, found) in [(storage::Storage::Memory, "1"), (storage::Storage::Disk, "\0")] {
        let dir = folder();
        let mut sink = open(dir.path());
        sink.folder.pretend(storage);
        sink.apply(&set(&[("a", "1")])).unwrap();
        let kept = dir.path().join("kept");
        fs::hard_link(dir.path().join("..data/a"), &kept).unwrap();
        sink.apply(&set(&[("a", "2")])).unwrap();
        sink.prune(sink.next_prune().unwrap());
        assert_eq!(fs::read_to_string(kept).unwrap(), found, "{storage:?}");
    }
}

#[test]
fn a_folder_that_others_may_write_is_refused() {
    for bits in [0o770, 0o722, 0o777, 0o1777, 0o702, 0o720] {
        let dir = folder();
        unix::chmod(dir.path(), unix::Mode::from_raw_mode(bits)).unwrap();
        let error = refused(config(dir.path()));
        assert!(matches!(error, FileSinkError::OthersMayWrite { mode, .. } if mode == bits));
        assert!(error.to_string().contains("chmod go-w"), "{error}");
        assert_eq!(names(dir.path()), Vec::<String>::new());
        assert_eq!(mode(dir.path()), bits);
    }
}

#[test]
fn a_folder_of_somebody_else_is_refused() {
    if !process::geteuid().is_root() {
        eprintln!("NOT TESTED: only root can make a folder of somebody else");
        return;
    }
    let dir = folder();
    std::os::unix::fs::chown(dir.path(), Some(54_321), None).unwrap();
    let error = refused(config(dir.path()));
    assert!(matches!(error, FileSinkError::OthersOwn { owner: 54_321, own: 0, .. }), "{error}");
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

#[test]
fn a_folder_is_taken_by_one_sink() {
    let dir = folder();
    let sink = open(dir.path());
    let error = refused(config(dir.path()));
    assert!(matches!(error, FileSinkError::InUse { .. }), "{error}");
    drop(sink);
    open(dir.path());
}

#[test]
fn a_folder_without_a_parent_is_refused() {
    let dir = folder();
    let error = refused(config(&dir.path().join("no/such")));
    assert!(error.to_string().contains("make it first"), "{error}");
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

#[test]
fn modes_beyond_the_limit_are_refused() {
    let dir = folder();
    let mut sink = open(dir.path());
    sink.apply(&set(&[("a", "1")])).unwrap();
    for bits in [0o444, 0o441, 0o500, 0o460, 0o660, 0o4400, 0o240, 0o040, 0, 0o100_440, u32::MAX] {
        let mut wanted = set(&[("a", "2"), ("b", "2")]);
        wanted.files[1].mode = Some(bits);
        let error = sink.apply(&wanted).unwrap_err();
        assert!(matches!(&error, FileSinkError::Mode { mode, .. } if *mode == bits), "{error}");
        assert_eq!(error.file().map(FileName::as_str), Some("b"));
        assert_eq!(read(dir.path(), "a"), "1");

        let elsewhere = folder();
        let error = refused(FileSinkConfig { mode: Some(bits), ..config(elsewhere.path()) });
        assert!(matches!(error, FileSinkError::DefaultMode { .. }), "{error}");
    }
    for bits in [0o400, 0o440, 0o600, 0o640] {
        let mut wanted = set(&[("a", "3")]);
        wanted.files[0].mode = Some(bits);
        sink.apply(&wanted).unwrap();
        assert_eq!(mode(&dir.path().join("a")), bits);
    }
}

#[test]
fn a_default_mode_is_for_files_that_name_none() {
    let dir = folder();
    let mut sink =
        FileSink::open(FileSinkConfig { mode: Some(0o600), ..config(dir.path()) }).unwrap();
    let mut wanted = set(&[("a", "1"), ("b", "2")]);
    wanted.files[1].mode = Some(0o400);
    sink.apply(&wanted).unwrap();
    assert_eq!((mode(&dir.path().join("a")), mode(&dir.path().join("b"))), (0o600, 0o400));
}

#[test]
fn an_owner_that_is_none_is_refused() {
    let dir = folder();
    let mut sink = open(dir.path());
    for owner in ["", "no-such-user-here", "0:no-such-group-here", "4294967295", "a:b:c"] {
        let mut wanted = set(&[("a", "1")]);
        wanted.files[0].owner = Some(owner.into());
        let error = sink.apply(&wanted).unwrap_err();
        assert!(matches!(&error, FileSinkError::Owner { given, .. } if given == owner));
        assert_eq!(names(dir.path()), ["..lock"]);
    }
}

#[test]
fn a_set_is_bounded_and_names_are_there_once() {
    let dir = folder();
    let mut sink = open(dir.path());
    let many =
        |count| FileSet { files: (0..count).map(|at| entry(&at.to_string(), "x")).collect() };
    let error = sink.apply(&many(FILES_MAX + 1)).unwrap_err();
    assert!(error.to_string().contains("258 files; it may have 257"), "{error}");
    let error = sink.apply(&set(&[("a", "1"), ("b", "2"), ("a", "3")])).unwrap_err();
    assert!(matches!(&error, FileSinkError::Twice { file } if file.as_str() == "a"), "{error}");
    assert_eq!(names(dir.path()), ["..lock"]);
    sink.apply(&many(FILES_MAX)).unwrap();
    assert_eq!(names(&dir.path().join("..data/")).len(), FILES_MAX);
}
