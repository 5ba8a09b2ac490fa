//! Readers beside a writer: no set is ever mixed, no file ever empty.

use super::*;
use rustix::io::Errno;
use std::{io::Read, os::fd::AsFd, sync::atomic::AtomicU64};

/// Swaps at full speed.
const SWAPS: u64 = 20_000;
/// Swaps that wait for the slowest reader again and again.
const PACED_SWAPS: u64 = 2_000;
const READERS: usize = 8;
const FILES: [&str; 3] = ["user", "password", "certificate"];

/// What readers saw.
#[derive(Default)]
struct Seen {
    sets: AtomicU64,
    gone: AtomicU64,
}

/// The set of a generation: each file has its own length, so that a torn one shows.
fn generation(number: u64) -> FileSet {
    let files = FILES
        .iter()
        .enumerate()
        .map(|(at, name)| entry(name, &format!("{number:08}{}", "x".repeat(at * 3_000))));
    FileSet { files: files.collect() }
}

/// Reads one file to its end; `None` where it is gone.
fn read_beneath(set: impl AsFd, at: usize) -> Option<u64> {
    let flags = unix::OFlags::RDONLY | unix::OFlags::CLOEXEC;
    let file = match unix::openat(set, FILES[at], flags, unix::Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return None,
        Err(errno) => panic!("a reader could not open {}: {errno}", FILES[at]),
    };
    let mut text = String::new();
    fs::File::from(file).read_to_string(&mut text).unwrap();
    assert_eq!(text.len(), 8 + at * 3_000, "{} is empty or torn", FILES[at]);
    assert!(text[8..].bytes().all(|byte| byte == b'x'), "{} was overwritten", FILES[at]);
    Some(text[..8].parse().unwrap())
}

/// Opens the one link once and reads every file beneath it; `None` where the set went meanwhile.
fn read_set(dir: &Path) -> Option<u64> {
    let flags = unix::OFlags::DIRECTORY | unix::OFlags::CLOEXEC;
    let set = match unix::open(dir.join("..data"), flags, unix::Mode::empty()) {
        Ok(set) => set,
        // Put to sleep between reading the link and following it, for longer than sets are kept.
        Err(Errno::NOENT) => return None,
        Err(errno) => panic!("a reader could not open the set: {errno}"),
    };
    let mut numbers = Vec::new();
    for at in 0..FILES.len() {
        numbers.push(read_beneath(&set, at)?);
    }
    assert!(numbers.iter().all(|number| *number == numbers[0]), "a mixed set: {numbers:?}");
    Some(numbers[0])
}

/// Reads until told to stop; a set that is gone is taken again, and counted.
fn read_on(dir: &Path, stop: &AtomicBool, seen: &Seen, rounds: &AtomicU64) {
    let mut last = 0;
    while !stop.load(Ordering::Acquire) {
        match read_set(dir) {
            Some(number) => {
                assert!(number >= last, "generation {number} came after {last}");
                last = number;
                seen.sets.fetch_add(1, Ordering::Relaxed);
            }
            None => {
                seen.gone.fetch_add(1, Ordering::Relaxed);
            }
        }
        // A file by its own name is whole too, of whichever set.
        match fs::read_to_string(dir.join("password")) {
            Ok(text) => assert_eq!(text.len(), 8 + 3_000, "a file by its own name is torn"),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
                seen.gone.fetch_add(1, Ordering::Relaxed);
            }
        }
        rounds.fetch_add(1, Ordering::Release);
        std::thread::yield_now();
    }
}

/// Swaps while readers read. `pace` is called before every swap with the rounds of each reader.
fn swap_under_readers(swaps: u64, pace: impl Fn(u64, &[AtomicU64])) -> Seen {
    let dir = folder();
    let mut sink = open(dir.path());
    sink.apply(&generation(0)).unwrap();
    let (stop, seen) = (AtomicBool::new(false), Seen::default());
    let rounds: Vec<AtomicU64> = (0..READERS).map(|_| AtomicU64::new(0)).collect();
    std::thread::scope(|scope| {
        for rounds in &rounds {
            let (dir, stop, seen) = (dir.path(), &stop, &seen);
            scope.spawn(move || read_on(dir, stop, seen, rounds));
        }
        let _stop = StopOnDrop(&stop);
        for number in 1..=swaps {
            pace(number, &rounds);
            assert_eq!(sink.apply(&generation(number)).unwrap(), Applied::Swapped);
            assert!(sink.retired.count() <= RETIRED_MAX);
        }
    });
    assert!(seen.sets.load(Ordering::Relaxed) > 0);
    assert_eq!(read_set(dir.path()), Some(swaps));
    seen
}

#[test]
fn at_full_speed_no_set_is_mixed() {
    let seen = swap_under_readers(SWAPS, |_, _| {});
    eprintln!(
        "{SWAPS} swaps under {READERS} readers: {} sets read, {} gone while read, 0 mixed",
        seen.sets.load(Ordering::Relaxed),
        seen.gone.load(Ordering::Relaxed)
    );
}

/// Slow enough that no reader falls 200 sets behind, which is the number that is kept at least:
/// then none ever finds its set gone.
#[test]
fn within_the_grace_no_set_is_gone() {
    let at_last_wait: Vec<AtomicU64> = (0..READERS).map(|_| AtomicU64::new(0)).collect();
    let seen = swap_under_readers(PACED_SWAPS, |number, rounds| {
        if number % 100 != 0 {
            return;
        }
        for (rounds, before) in rounds.iter().zip(&at_last_wait) {
            // Two rounds: the first may have begun before the last wait.
            let enough = before.load(Ordering::Relaxed) + 2;
            let asked = Instant::now();
            while rounds.load(Ordering::Acquire) < enough {
                assert!(asked.elapsed() < Duration::from_secs(120), "a reader came to an end");
                std::thread::yield_now();
            }
            before.store(rounds.load(Ordering::Acquire), Ordering::Relaxed);
        }
    });
    assert_eq!(seen.gone.load(Ordering::Relaxed), 0);
}

#[test]
fn a_handle_outlives_the_swap_and_its_files_the_prune() {
    let dir = folder();
    let mut sink = open(dir.path());
    sink.apply(&generation(1)).unwrap();
    let flags = unix::OFlags::DIRECTORY | unix::OFlags::CLOEXEC;
    let handle = unix::open(dir.path().join("..data"), flags, unix::Mode::empty()).unwrap();
    let mut file = fs::File::open(dir.path().join("password")).unwrap();
    sink.apply(&generation(2)).unwrap();

    let due = sink.next_prune().unwrap();
    sink.prune(due - Duration::from_nanos(1));
    assert_eq!(read_beneath(&handle, 0), Some(1), "within the grace, the old set is whole");
    sink.prune(due);
    assert_eq!(read_beneath(&handle, 0), None);
    assert_eq!((set_folders(dir.path()).len(), sink.next_prune()), (1, None));

    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("00000001x"), "who has it open reads it to its end");
    assert_eq!(read_set(dir.path()), Some(2));
}
