//! Things in the folder that the sidecar did not make. None is overwritten, followed or removed.

use super::*;
use std::os::unix::net::UnixListener;

const PRECIOUS: &str = "not ours";

/// Puts something at a path.
type Make<'a> = &'a dyn Fn(&Path);

/// A folder with a file in it that nobody must touch.
fn victim() -> TempDir {
    let victim = folder();
    fs::write(victim.path().join("a"), PRECIOUS).unwrap();
    victim
}

fn is_untouched(victim: &TempDir) {
    assert_eq!(names(victim.path()), ["a"]);
    assert_eq!(read(victim.path(), "a"), PRECIOUS);
    assert_eq!(mode(&victim.path().join("a")), 0o666 & !umask());
}

/// The process's umask, without changing it.
fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:")).unwrap();
    u32::from_str_radix(line.trim(), 8).unwrap()
}

#[test]
fn a_foreign_thing_at_a_files_name_is_refused() {
    let victim = victim();
    let make: [(&str, Make<'_>); 5] = [
        ("a symbolic link to elsewhere", &|at| symlink(victim.path().join("a"), at).unwrap()),
        ("a symbolic link to elsewhere", &|at| symlink("..data/b", at).unwrap()),
        ("a file", &|at| fs::write(at, PRECIOUS).unwrap()),
        ("a folder", &|at| fs::create_dir(at).unwrap()),
        ("a socket", &|at| drop(UnixListener::bind(at).unwrap())),
    ];
    for (what, make) in make {
        let dir = folder();
        make(&dir.path().join("a"));
        let before = fs::symlink_metadata(dir.path().join("a")).unwrap();
        let mut sink = open(dir.path());
        sink.apply(&set(&[("b", "1")])).unwrap();
        let standing = names(dir.path());

        let error = sink.apply(&set(&[("a", "2"), ("b", "2")])).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("/a is {what} that")) && text.contains("move it"), "{text}");
        assert_eq!(error.file().map(FileName::as_str), Some("a"));
        assert_eq!(names(dir.path()), standing, "nothing changed");
        assert_eq!(read(dir.path(), "b"), "1");

        // In nobody's way it stays, whatever else happens.
        sink.apply(&set(&[("b", "3")])).unwrap();
        sink.wipe().unwrap();
        assert_eq!(names(dir.path()), ["..lock", "a"]);
        let after = fs::symlink_metadata(dir.path().join("a")).unwrap();
        assert_eq!((before.ino(), before.len()), (after.ino(), after.len()));
        is_untouched(&victim);
    }
}

#[test]
fn a_foreign_thing_at_a_name_of_the_machinery_is_refused() {
    let victim = victim();
    for name in ["..data", "..data.next", "..lock", "..set.1.00000000000000aa", "..link.a"] {
        let make: [Make<'_>; 3] =
            [&|at| fs::write(at, PRECIOUS).unwrap(), &|at| fs::create_dir(at).unwrap(), &|at| {
                symlink(victim.path(), at).unwrap()
            }];
        for (kind, make) in make.iter().enumerate() {
            let is_link = kind == 2;
            let dir = folder();
            let at = dir.path().join(name);
            make(&at);
            let opened = FileSink::open(config(dir.path()));
            // A lock is a file, a set is a folder, and a link that never came to be used is
            // removed whatever it leads to, for it is not followed.
            let ours = match name {
                "..lock" => kind == 0,
                "..set.1.00000000000000aa" => kind == 1,
                "..data" => false,
                _ => is_link,
            };
            assert_eq!(opened.is_ok(), ours, "{name} of kind {kind}");
            if let Err(error) = &opened {
                assert!(error.to_string().contains(name), "{error}");
                assert!(fs::symlink_metadata(&at).is_ok(), "{name} was removed");
            }
            is_untouched(&victim);
        }
    }
}

#[test]
fn a_set_replaced_by_a_link_is_not_followed() {
    let victim = victim();
    let dir = folder();
    let mut sink = open(dir.path());
    sink.apply(&set(&[("a", "1")])).unwrap();
    let name = set_folders(dir.path()).remove(0);
    let current = dir.path().join(&name);
    fs::rename(&current, dir.path().join("moved")).unwrap();
    symlink(victim.path(), &current).unwrap();

    assert_eq!(sink.apply(&set(&[("a", "1")])).unwrap(), Applied::Swapped);
    assert_eq!(read(dir.path(), "a"), "1");
    sink.prune(sink.next_prune().unwrap());
    is_untouched(&victim);

    let error = sink.wipe().unwrap_err().to_string();
    assert!(error.contains(&name), "{error}");
    is_untouched(&victim);
    assert_eq!(names(dir.path()), ["..lock", &name, "moved"], "all else is wiped");
}

#[test]
fn a_file_replaced_by_a_link_or_a_pipe_is_not_followed() {
    let victim = victim();
    let dir = folder();
    let mut sink = open(dir.path());
    let wanted = set(&[("a", "1"), ("b", PRECIOUS)]);
    sink.apply(&wanted).unwrap();
    let replace = || {
        for name in ["a", "b"] {
            fs::remove_file(dir.path().join("..data").join(name)).unwrap();
        }
        unix::mknodat(
            unix::CWD,
            dir.path().join("..data/a"),
            unix::FileType::Fifo,
            unix::Mode::RUSR,
            0,
        )
        .unwrap();
        symlink(victim.path().join("a"), dir.path().join("..data/b")).unwrap();
    };
    replace();
    assert_eq!(sink.apply(&wanted).unwrap(), Applied::Swapped, "the same bytes by way of a link");
    is_untouched(&victim);
    replace();
    sink.wipe().unwrap();
    assert_eq!(names(dir.path()), ["..lock"]);
    is_untouched(&victim);
}

#[test]
fn a_folder_that_is_a_link_is_refused() {
    let victim = victim();
    let above = folder();
    let dir = above.path().join("secrets");
    symlink(victim.path(), &dir).unwrap();
    let error = FileSink::open(config(&dir)).err().unwrap();
    assert!(matches!(error, FileSinkError::NotAFolder { .. }), "{error}");
    is_untouched(&victim);

    let file = victim.path().join("a");
    assert!(matches!(FileSink::open(config(&file)), Err(FileSinkError::NotAFolder { .. })));
}

#[test]
fn a_folder_that_was_replaced_is_noticed() {
    let victim = victim();
    let above = folder();
    let dir = above.path().join("secrets");
    let mut sink = open(&dir);
    sink.apply(&set(&[("a", "1")])).unwrap();
    let moved = above.path().join("moved");
    fs::rename(&dir, &moved).unwrap();
    symlink(victim.path(), &dir).unwrap();

    // Also where the set is the same: in a folder that the agent does not see it is not in place.
    for value in ["1", "2"] {
        let error = sink.apply(&set(&[("a", value)])).unwrap_err();
        assert!(matches!(error, FileSinkError::Moved { .. }), "{error}");
    }
    assert_eq!(read(&moved, "a"), "1");
    sink.wipe().unwrap();
    assert_eq!(names(&moved), ["..lock"], "the handle still reaches what was written");
    is_untouched(&victim);
}

/// Somebody with the sidecar's own user puts links to a victim wherever a write could go.
#[test]
fn a_racer_never_leads_a_write_elsewhere() {
    let victim = victim();
    let dir = folder();
    let mut sink = open(dir.path());
    let stop = AtomicBool::new(false);
    let (mut applied, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let target = victim.path().join("a");
            while !stop.load(Ordering::Acquire) {
                for name in ["a", "..link.a", "..data.next"] {
                    let at = dir.path().join(name);
                    let _ = symlink(&target, &at);
                    std::thread::yield_now();
                    let _ = fs::remove_file(&at);
                }
                if let Some(last) = set_folders(dir.path()).last() {
                    let _ = symlink(&target, dir.path().join(last).join("a"));
                    let _ = fs::rename(dir.path().join(last), dir.path().join("elsewhere"));
                    let _ = symlink(victim.path(), dir.path().join(last));
                    let _ = fs::remove_file(dir.path().join(last));
                    let _ = fs::rename(dir.path().join("elsewhere"), dir.path().join(last));
                }
            }
        });
        let _stop = StopOnDrop(&stop);
        // A thousand times, and on until the racer got in between once.
        for number in 0..1_000_000 {
            if number >= 1_000 && refused > 0 {
                break;
            }
            match sink.apply(&set(&[("a", &number.to_string()), ("b", "2")])) {
                Ok(_) => applied += 1,
                Err(_) => refused += 1,
            }
            if number % 10 == 0 {
                let _ = sink.wipe();
            }
        }
    });
    is_untouched(&victim);
    assert!(applied > 0 && refused > 0, "{applied} applied, {refused} refused");
}
