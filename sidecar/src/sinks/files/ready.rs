//! A set that was checked: every mode is acceptable, every owner is a number.

use super::{
    Content, FILES_MAX, FileEntry, FileSet,
    error::FileSinkError,
    owner::{Accounts, Owner},
};
use rustix::process;
use secretref_domain::name::FileName;
use std::collections::BTreeSet;

pub(super) struct ReadySet<'a> {
    pub(super) files: Vec<ReadyFile<'a>>,
    /// Room that it takes, in whole pages.
    pub(super) bytes: u64,
    /// 0001 where a file belongs to somebody whom the folders' mode would keep out, else 0.
    pub(super) passage: u32,
}

pub(super) struct ReadyFile<'a> {
    pub(super) name: &'a FileName,
    pub(super) value: &'a Content,
    pub(super) mode: u32,
    /// User to give it to; `None` leaves it to the sidecar's.
    pub(super) uid: Option<u32>,
    /// Group to give it to; `None` leaves it to the one that it was made with.
    pub(super) gid: Option<u32>,
}

impl<'a> ReadySet<'a> {
    /// Checks a set; nothing is touched. `group` and `mode` are the sink's own.
    pub(super) fn check(
        set: &'a FileSet,
        group: Option<u32>,
        mode: Option<u32>,
    ) -> Result<Self, FileSinkError> {
        let count = set.files.len();
        if count > FILES_MAX {
            return Err(FileSinkError::TooMany { count });
        }
        let mut names = BTreeSet::new();
        let mut accounts = Accounts::default();
        let mut files = Vec::with_capacity(count);
        for entry in &set.files {
            if !names.insert(&entry.name) {
                return Err(FileSinkError::Twice { file: entry.name.clone() });
            }
            files.push(check_entry(entry, group, mode, &mut accounts)?);
        }
        let own = process::geteuid().as_raw();
        let outsider = |file: &ReadyFile<'_>| {
            file.uid.is_some_and(|uid| uid != own) || file.gid.is_some_and(|g| Some(g) != group)
        };
        Ok(Self {
            bytes: files.iter().map(|file| pages(file.value.bytes() as u64)).sum(),
            passage: u32::from(files.iter().any(outsider)),
            files,
        })
    }
}

/// Checks the permission bits of a file.
///
/// # Errors
/// What is wrong with them.
pub(super) fn check_mode(mode: u32) -> Result<(), &'static str> {
    if mode & !MODE_MAX != 0 {
        return Err("a secret's file has no bits beyond 0640: never for others, never executable");
    }
    if mode & 0o400 == 0 {
        return Err("its owner must be able to read it; add 0400");
    }
    Ok(())
}

/// Room that a file takes in memory: whole pages.
pub(super) fn pages(bytes: u64) -> u64 {
    bytes.next_multiple_of(PAGE_BYTES)
}

fn check_entry<'a>(
    entry: &'a FileEntry,
    group: Option<u32>,
    mode: Option<u32>,
    accounts: &mut Accounts,
) -> Result<ReadyFile<'a>, FileSinkError> {
    let owner = match &entry.owner {
        None => Owner { uid: None, gid: None },
        Some(given) => Owner::parse(given, accounts).map_err(|why| FileSinkError::Owner {
            file: entry.name.clone(),
            given: given.chars().take(128).collect(),
            why,
        })?,
    };
    let gid = owner.gid.or(group);
    let mode = entry.mode.or(mode).unwrap_or(if gid.is_some() { 0o440 } else { 0o400 });
    check_mode(mode).map_err(|why| {
        let file = entry.name.clone();
        FileSinkError::Mode { file, mode, why }
    })?;
    Ok(ReadyFile { name: &entry.name, value: &entry.value, mode, uid: owner.uid, gid })
}

const MODE_MAX: u32 = 0o640;
const PAGE_BYTES: u64 = 4096;
