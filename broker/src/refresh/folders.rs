//! Watches the folders that files of providers lie in, so that an edit is a new version at once.
//! The folder and not the file: an editor puts another file in its place. Where a folder cannot be
//! watched, its files are still asked for in their time.

use crate::custody::Place;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::sleep};

/// The folders that are watched.
pub(super) struct Folders {
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    wanted: BTreeMap<Place, PathBuf>,
}

/// Told of changes.
pub(super) struct Changes(Arc<Changed>);

#[derive(Default)]
struct Changed {
    wake: Notify,
    folders: Mutex<BTreeSet<PathBuf>>,
}

impl Folders {
    pub(super) fn new() -> (Self, Changes) {
        let changed = Arc::new(Changed::default());
        let told = Arc::clone(&changed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            if event.kind.is_access() {
                return;
            }
            let folders = event.paths.iter().filter_map(|path| path.parent());
            let mut changed = told.folders.lock().unwrap_or_else(PoisonError::into_inner);
            changed.extend(folders.map(std::path::Path::to_owned));
            told.wake.notify_one();
        });
        if let Err(error) = &watcher {
            tracing::warn!(%error, "files are not watched: their changes are seen in their time");
        }
        let (watched, wanted) = (BTreeSet::new(), BTreeMap::new());
        (Self { watcher: watcher.ok(), watched, wanted }, Changes(changed))
    }

    /// Watches these folders and no others.
    pub(super) fn follow(&mut self, wanted: BTreeMap<Place, PathBuf>) {
        self.wanted = wanted;
        let Some(watcher) = &mut self.watcher else { return };
        let folders: BTreeSet<PathBuf> = self.wanted.values().take(FOLDERS_MAX).cloned().collect();
        for gone in self.watched.difference(&folders) {
            drop(watcher.unwatch(gone));
        }
        // One that is not there yet is tried again with the next commit.
        self.watched = folders
            .into_iter()
            .filter(|folder| {
                self.watched.contains(folder)
                    || watcher.watch(folder, RecursiveMode::NonRecursive).is_ok()
            })
            .collect();
    }

    /// Whether a place lies in one of these folders.
    pub(super) fn lies_in(&self, place: &Place, folders: &BTreeSet<PathBuf>) -> bool {
        self.wanted.get(place).is_some_and(|folder| folders.contains(folder))
    }
}

impl Changes {
    /// Waits for a change, and then until whoever writes has had a moment to finish. The folders
    /// that have changed; none is lost where the wait is given up.
    pub(super) async fn settled(&self) -> BTreeSet<PathBuf> {
        while self.lock().is_empty() {
            self.0.wake.notified().await;
        }
        sleep(SETTLE_TIME).await;
        mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.0.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Folders that are watched at most.
const FOLDERS_MAX: usize = 256;
const SETTLE_TIME: Duration = Duration::from_millis(20);
