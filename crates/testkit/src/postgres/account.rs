//! Who the server runs as: Postgres refuses root.

use anyhow::{Context, Result};
use std::{fs, os::unix::fs::chown, path::Path};

/// An account without rights.
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Account {
    /// The account to change to: `postgres`, else `nobody`, where this process is root; none where
    /// it is not.
    pub(super) fn to_run_as() -> Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let accounts = fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| Self::in_passwd(&accounts, name))
            .context("Postgres cannot run as root, and there is no account postgres or nobody")
            .map(Some)
    }

    /// Makes a path the account's.
    pub(super) fn give(&self, path: &Path) -> Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
            .with_context(|| format!("giving {} to the server's account", path.display()))
    }

    /// `name:password:uid:gid:…`, one account a line.
    fn in_passwd(accounts: &str, name: &str) -> Option<Self> {
        accounts.lines().find_map(|line| {
            let mut fields = line.split(':');
            if fields.next() != Some(name) {
                return None;
            }
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            Some(Self { uid, gid })
        })
    }
}

#[cfg(test)]
mod tests;
