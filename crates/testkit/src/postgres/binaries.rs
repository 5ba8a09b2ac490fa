//! Where the distribution keeps Postgres: often outside PATH, one folder for each major version.

use anyhow::{Context, Result};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The folder that holds `initdb` and `postgres`.
pub(super) struct Binaries(PathBuf);

impl Binaries {
    /// Looks in PATH, where `pg_config` says, and in Debian's folders, the newest version first.
    pub(super) fn find() -> Result<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path)
            .chain(said_by_pg_config())
            .chain(newest_first(Path::new("/usr/lib/postgresql")))
            .find(|folder| PROGRAMS.iter().all(|program| folder.join(program).is_file()))
            .map(Self)
            .context("no Postgres server is installed. Fix: apt-get install postgresql")
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

fn said_by_pg_config() -> Option<PathBuf> {
    let said = Command::new("pg_config").arg("--bindir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(said.stdout).ok()?.trim()))
}

/// `PLACE/15/bin`, `PLACE/9/bin`, …: ordered by number, not by text.
fn newest_first(place: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let mut versions: Vec<u32> = entries
        .filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()))
        .collect();
    versions.sort_unstable_by(|one, other| other.cmp(one));
    versions.iter().map(|version| place.join(version.to_string()).join("bin")).collect()
}

const PROGRAMS: [&str; 4] = ["initdb", "pg_basebackup", "pg_ctl", "postgres"];

#[cfg(test)]
mod tests;
