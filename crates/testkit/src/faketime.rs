//! Another time of day for real processes: libfaketime, preloaded into them.
//!
//! Their wall clock is moved by a fixed distance and runs on from there, the same in each of them,
//! so that certificates, leases and expiries agree. The monotonic clock, by which they wait, and
//! the times of files are left alone.

use anyhow::{Context, Result};
use secretref_broker::app::SystemClock;
use secretref_domain::clock::{Clock, Timestamp};
use std::path::{Path, PathBuf};

/// Variables by which a process believes that it is `then` now.
///
/// # Errors
/// Where libfaketime is not installed.
pub fn now_is(then: Timestamp) -> Result<Vec<(String, String)>> {
    let library = library().context(
        "libfaketime is not installed. Fix: make deps, or sudo apt-get install libfaketime",
    )?;
    let seconds = then.millis_since(SystemClock.now()) / 1000;
    let variables = [
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME", format!("{seconds:+}")),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("NO_FAKE_STAT", "1".to_owned()),
    ];
    Ok(variables.map(|(name, value)| (name.to_owned(), value)).into())
}

fn library() -> Option<PathBuf> {
    let folders = ["/usr/lib", "/usr/lib64"].map(Path::new);
    let below = folders.iter().filter_map(|folder| folder.read_dir().ok()).flatten();
    let below = below.filter_map(|entry| Some(entry.ok()?.path()));
    let mut places = folders.map(Path::to_owned).into_iter().chain(below);
    places.find_map(|place| {
        let file = place.join("faketime/libfaketime.so.1");
        file.exists().then_some(file)
    })
}
