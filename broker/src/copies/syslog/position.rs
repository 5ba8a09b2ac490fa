//! How far a collector is, in a file that is replaced as a whole.

use rustix::fs::{Mode, OFlags};
use secretref_domain::id::BrokerId;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};
use tokio::task::spawn_blocking;

/// Where it stands.
pub(super) struct Position {
    path: PathBuf,
    lane: BrokerId,
}

#[derive(Serialize, Deserialize)]
struct Place {
    lane: BrokerId,
    seq: i64,
}

impl Position {
    /// In a file, of a lane.
    pub(super) fn of(path: PathBuf, lane: BrokerId) -> Self {
        Self { path, lane }
    }

    /// Number of the last entry that was sent; 0 where none was, or of another lane.
    pub(super) async fn read(&self) -> Result<i64, String> {
        let path = self.path.clone();
        let read = spawn_blocking(move || fs::read(&path)).await;
        let text = match read.map_err(|error| error.to_string())? {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(self.trouble(&error)),
        };
        match serde_json::from_slice::<Place>(&text) {
            Ok(place) if place.lane == self.lane => Ok(place.seq),
            Ok(_) => Ok(0),
            Err(error) => Err(format!(
                "{} does not say how far it is: {error}. Fix: remove it, and all is sent again",
                self.path.display()
            )),
        }
    }

    /// Notes the last entry that was sent.
    pub(super) async fn write(&self, seq: i64) -> Result<(), String> {
        let place = Place { lane: self.lane, seq };
        let text = serde_json::to_vec(&place).map_err(|error| error.to_string())?;
        let path = self.path.clone();
        let written = spawn_blocking(move || replace(&path, &text)).await;
        written.map_err(|error| error.to_string())?.map_err(|error| self.trouble(&error))
    }

    fn trouble(&self, error: &io::Error) -> String {
        format!("{}: {error}. Fix: see to the folder and its room", self.path.display())
    }
}

fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let flags =
        OFlags::CREATE | OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(&beside, flags, Mode::RUSR | Mode::WUSR)?);
    file.write_all(text)?;
    file.sync_data()?;
    fs::rename(&beside, path)
}
