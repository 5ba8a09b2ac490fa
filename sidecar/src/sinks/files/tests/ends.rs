//! How sets end: wiped, cut off half-way, or with no room left.

use super::*;
use rustix::{io::Errno, mount};
use std::{
    io::{BufRead, Read, Write},
    os::fd::{AsRawFd, OwnedFd},
    path::PathBuf,
    process::{Command, Stdio},
};

#[test]
fn a_wipe_leaves_nothing() {
    let dir = folder();
    let mut sink = open(dir.path());
    sink.apply(&set(&[("a", "first"), ("b", "2")])).unwrap();
    sink.apply(&set(&[("a", "second")])).unwrap();
    sink.wipe().unwrap();
    assert_eq!(names(dir.path()), ["..lock"]);
    assert_eq!(fs::read(dir.path().join("..lock")).unwrap(), b"");
    assert_eq!(sink.next_prune(), None);

    sink.wipe().unwrap();
    assert_eq!(sink.apply(&set(&[("a", "third")])).unwrap(), Applied::Swapped);
    assert_eq!(read(dir.path(), "a"), "third");
}

#[test]
fn a_wipe_reaches_open_handles_and_other_names() {
    let dir = folder();
    let mut sink = open(dir.path());
    let value = "v".repeat(10_000);
    sink.apply(&set(&[("a", &value)])).unwrap();
    let mut held = fs::File::open(dir.path().join("a")).unwrap();
    let elsewhere = folder();
    fs::hard_link(dir.path().join("..data/a"), elsewhere.path().join("kept")).unwrap();
    let mut retired = fs::File::open(dir.path().join("a")).unwrap();
    sink.apply(&set(&[("b", "2")])).unwrap();
    sink.wipe().unwrap();

    for file in [&mut held, &mut retired] {
        let mut found = Vec::new();
        file.read_to_end(&mut found).unwrap();
        assert!(found == vec![0; 10_000], "who has it open sees zeros");
    }
    assert!(fs::read(elsewhere.path().join("kept")).unwrap() == vec![0; 10_000]);
}

#[test]
fn what_a_killed_run_left_is_cleared_and_its_set_stays() {
    let dir = folder();
    let mut sink = open(dir.path());
    sink.apply(&set(&[("a", "1"), ("b", "2")])).unwrap();
    let current = set_folders(dir.path());
    drop(sink);

    // A retired set, a half-written one, and the links of a swap that did not come.
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("..set.7.00000000000000aa")).unwrap();
    fs::write(at("..set.7.00000000000000aa/a"), "old").unwrap();
    fs::create_dir(at("..set.9.00000000000000bb")).unwrap();
    fs::write(at("..set.9.00000000000000bb/a"), "").unwrap();
    symlink("..set.9.00000000000000bb", at("..data.next")).unwrap();
    symlink("..data/c", at("..link.c")).unwrap();

    let mut sink = open(dir.path());
    assert_eq!(set_folders(dir.path()), current);
    assert_eq!(names(dir.path()), ["..data", "..lock", &current[0], "a", "b"]);
    assert_eq!(read(dir.path(), "a"), "1");
    sink.apply(&set(&[("a", "2")])).unwrap();
    let next = set_folders(dir.path()).into_iter().find(|name| *name != current[0]).unwrap();
    assert!(next.starts_with("..set.10."), "numbers go on: {next}");
}

#[test]
fn a_swap_cut_off_before_its_last_links_is_finished() {
    let dir = folder();
    let mut sink = open(dir.path());
    let wanted = set(&[("a", "1"), ("b", "2")]);
    sink.apply(&wanted).unwrap();
    drop(sink);
    fs::rename(dir.path().join("b"), dir.path().join("..link.b")).unwrap();

    let mut sink = open(dir.path());
    assert_eq!(sink.apply(&wanted).unwrap(), Applied::Swapped);
    assert_eq!(read(dir.path(), "b"), "2");
}

#[test]
fn a_wipe_that_was_cut_off_is_finished() {
    let dir = folder();
    let mut sink = open(dir.path());
    sink.apply(&set(&[("a", "1")])).unwrap();
    drop(sink);
    fs::remove_file(dir.path().join("..data")).unwrap();

    let mut sink = open(dir.path());
    assert!(set_folders(dir.path()).is_empty(), "a set that no link leads to is a leftover");
    sink.wipe().unwrap();
    assert_eq!(names(dir.path()), ["..lock"]);

    symlink("..set.3.0000000000000003", dir.path().join("..data")).unwrap();
    drop(sink);
    let mut sink = open(dir.path());
    sink.apply(&set(&[("a", "2")])).unwrap();
    assert_eq!(read(dir.path(), "a"), "2");
}

/// Runs one of this program's ignored tests in a process of its own.
fn another_process(test: &str) -> Command {
    let module = module_path!().split_once("::").unwrap().1;
    let mut command = Command::new("/proc/self/exe");
    command.args(["--ignored", "--exact", "--nocapture", &format!("{module}::{test}")]);
    command
}

#[test]
fn killed_at_any_moment_the_folder_holds_one_whole_set() {
    for kill in 0..KILLS {
        let dir = folder();
        let mut child = another_process("swap_until_killed")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        writeln!(child.stdin.as_mut().unwrap(), "{}", dir.path().display()).unwrap();
        // Swaps come much faster than this looks, so it lands in any step of one.
        let before = || fs::read_link(dir.path().join("..data")).ok();
        for _ in 0..=kill % 5 {
            let seen = before();
            while before() == seen {
                assert!(child.try_wait().unwrap().is_none(), "the other process ended");
                std::thread::yield_now();
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let whole = |when| {
            let first = read(dir.path(), "..data/always");
            for name in names(&dir.path().join("..data/")) {
                assert_eq!(read(&dir.path().join("..data"), &name), first, "{when}");
            }
            first
        };
        let before = whole("when it was killed");
        let mut sink = open(dir.path());
        assert_eq!(whole("after the next start"), before);
        assert_eq!(set_folders(dir.path()).len(), 1);
        sink.apply(&set(&[("always", "last")])).unwrap();
        assert_eq!(read(dir.path(), "always"), "last");
        sink.wipe().unwrap();
        assert_eq!(names(dir.path()), ["..lock"]);
    }
}

const KILLS: usize = 25;

#[test]
#[ignore = "the process that `killed_at_any_moment…` kills; given a folder on standard input"]
fn swap_until_killed() {
    let mut dir = String::new();
    std::io::stdin().lock().read_line(&mut dir).unwrap();
    let dir = dir.trim_end();
    if dir.is_empty() {
        return;
    }
    let mut sink = open(Path::new(dir));
    for number in 0_u64.. {
        let value = number.to_string();
        let mut files = vec![("always", &*value)];
        // Names come and go, so that links do too.
        files.extend([("even", &*value), ("third", &*value)].into_iter().take(number as usize % 3));
        sink.apply(&set(&files)).unwrap();
    }
}

/// A tmpfs of its own that ends with its handle: it is never attached to a path. `None` where
/// this process may not make one.
fn small_tmpfs(option: &str, limit: &str) -> Option<(OwnedFd, PathBuf)> {
    let made = (|| {
        let context = mount::fsopen("tmpfs", mount::FsOpenFlags::FSOPEN_CLOEXEC)?;
        mount::fsconfig_set_string(&context, option, limit)?;
        mount::fsconfig_set_string(&context, "mode", "0755")?;
        mount::fsconfig_create(&context)?;
        let flags = mount::FsMountFlags::FSMOUNT_CLOEXEC;
        mount::fsmount(&context, flags, mount::MountAttrFlags::empty())
    })();
    match made {
        Ok(fd) => {
            let path = PathBuf::from(format!("/proc/self/fd/{}/secrets", fd.as_raw_fd()));
            Some((fd, path))
        }
        Err(Errno::PERM | Errno::ACCESS | Errno::NOSYS) => None,
        Err(errno) => panic!("no small tmpfs could be made: {errno}"),
    }
}

fn pages(count: usize, value: &str) -> FileSet {
    let value = value.repeat(4096);
    FileSet { files: (0..count).map(|at| entry(&format!("file-{at}"), &value)).collect() }
}

fn is_whole(dir: &Path, count: usize, value: &str) {
    assert_eq!(set_folders(dir).len(), 1, "the unfinished set is gone");
    assert!(!names(dir).iter().any(|name| name.starts_with("..link") || name == "..data.next"));
    assert_eq!(names(dir).iter().filter(|name| name.starts_with("file-")).count(), count);
    for at in 0..count {
        assert!(read(dir, &format!("file-{at}")) == value.repeat(4096));
    }
}

/// What remains to be shown where no small tmpfs can be made: any failure half-way through a set
/// takes the same way back. An ordinary user cannot give a file to root.
fn fail_without_small_tmpfs() {
    eprintln!("NO FULL DISK WAS TESTED: making a tmpfs needs CAP_SYS_ADMIN");
    let dir = folder();
    let mut sink = open(dir.path());
    sink.apply(&pages(3, "1")).unwrap();
    let mut wanted = pages(4, "2");
    wanted.files[3].owner = Some("0:0".into());
    assert!(matches!(sink.apply(&wanted), Err(FileSinkError::CannotGive { .. })));
    is_whole(dir.path(), 3, "1");
}

#[test]
fn a_full_disk_leaves_the_set_before() {
    let Some((_tmpfs, dir)) = small_tmpfs("size", "64k") else {
        return fail_without_small_tmpfs();
    };
    let mut sink = open(&dir);
    sink.apply(&pages(7, "1")).unwrap();
    let error = sink.apply(&pages(12, "2")).unwrap_err();
    assert!(matches!(error, FileSinkError::Full { files: 12, bytes: 49_152, .. }), "{error}");
    assert!(error.to_string().contains("what was in place stays"), "{error}");
    is_whole(&dir, 7, "1");

    // Sets in their grace make room where it is needed.
    for value in ["3", "4", "5"] {
        assert_eq!(sink.apply(&pages(7, value)).unwrap(), Applied::Swapped);
        assert!(read(&dir, "file-6") == value.repeat(4096));
    }
    sink.wipe().unwrap();
    assert_eq!(names(&dir), ["..lock"]);
    sink.apply(&pages(12, "6")).unwrap();
    is_whole(&dir, 12, "6");
}

#[test]
fn running_out_in_any_step_leaves_the_set_before() {
    let (mut full, mut swapped) = (0, 0);
    for inodes in 8..24 {
        let Some((_tmpfs, dir)) = small_tmpfs("nr_inodes", &inodes.to_string()) else {
            return fail_without_small_tmpfs();
        };
        let mut sink = match FileSink::open(config(&dir)) {
            Ok(sink) => sink,
            Err(error) => panic!("{inodes} inodes: {error}"),
        };
        if sink.apply(&pages(2, "1")).is_err() {
            continue;
        }
        // One name leaves and two come: the links of both are at stake.
        let mut wanted = pages(4, "2");
        wanted.files.remove(0);
        match sink.apply(&wanted) {
            Ok(_) => swapped += 1,
            Err(error) => {
                assert!(matches!(error, FileSinkError::Full { .. }), "{error}");
                is_whole(&dir, 2, "1");
                full += 1;
            }
        }
    }
    assert!(full >= 5 && swapped >= 1, "it ran out {full} times and did not {swapped} times");
}

#[test]
fn who_may_not_give_files_away_is_told_so() {
    if process::geteuid().is_root() {
        use std::os::unix::process::CommandExt;
        let output = another_process("give_away_as_ordinary_user")
            .uid(65_534)
            .gid(65_534)
            .current_dir("/")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    } else {
        give_away_as_ordinary_user();
    }
}

#[test]
#[ignore = "run by `who_may_not_give_files_away…` as an ordinary user"]
fn give_away_as_ordinary_user() {
    if process::geteuid().is_root() {
        return;
    }
    let dir = folder();
    let mut sink = open(dir.path());
    sink.apply(&pages(2, "1")).unwrap();
    for (owner, uid) in [("0", Some(0)), ("0:0", Some(0))] {
        let mut wanted = pages(3, "2");
        wanted.files[1].owner = Some(owner.into());
        let error = sink.apply(&wanted).unwrap_err();
        assert_eq!(error.file().map(FileName::as_str), Some("file-1"));
        assert!(matches!(&error, FileSinkError::CannotGive { uid: found, .. } if *found == uid));
        assert!(error.to_string().contains("CAP_CHOWN"), "{error}");
        is_whole(dir.path(), 2, "1");
    }
    let own = format!("{}:{}", process::geteuid().as_raw(), process::getegid().as_raw());
    let mut wanted = pages(2, "3");
    wanted.files[0].owner = Some(own);
    sink.apply(&wanted).unwrap();
    sink.wipe().unwrap();
    assert_eq!(names(dir.path()), ["..lock"], "also where files are 0400");
    drop(sink);

    let group = FileSinkConfig { group: Some(0), ..config(dir.path()) };
    let error = FileSink::open(group).err().unwrap();
    assert!(error.to_string().contains("groups that it is in"), "{error}");
}
