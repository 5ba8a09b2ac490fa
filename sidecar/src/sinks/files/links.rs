//! The visible links: one for each name of the set, each leading through the one link.

use super::{
    error::FileSinkError,
    folder::{Folder, Target},
    names::{link_target, staged_link},
    ready::ReadySet,
};
use secretref_domain::name::FileName;
use std::collections::BTreeSet;

/// How the links differ from what a set needs.
pub(super) struct Links {
    /// Names of the set that have no link yet.
    missing: Vec<FileName>,
    /// Links of ours whose name is not in the set.
    surplus: Vec<FileName>,
}

/// Compares the folder's links with the set; refuses where something that is not ours stands at
/// one of its names. Things that are in nobody's way are left alone.
pub(super) fn survey(folder: &Folder, set: &ReadySet) -> Result<Links, FileSinkError> {
    let wanted: BTreeSet<&FileName> = set.files.iter().map(|file| file.name).collect();
    let mut present = BTreeSet::new();
    for name in file_names(&folder.names()?) {
        match stands_at(folder, &name)? {
            Standing::Ours => {
                present.insert(name);
            }
            Standing::Foreign(what) if wanted.contains(&name) => {
                return Err(folder.foreign(name.as_str(), what, Some(name.clone())));
            }
            Standing::Foreign(_) | Standing::Nothing => {}
        }
    }
    let missing = wanted.iter().filter(|name| !present.contains(**name));
    Ok(Links {
        missing: missing.map(|name| (*name).clone()).collect(),
        surplus: present.iter().filter(|name| !wanted.contains(name)).cloned().collect(),
    })
}

/// Removes every link of ours, whatever set it belonged to. Goes on after a failure.
pub(super) fn remove_all(folder: &Folder, names: &[String]) -> Result<(), FileSinkError> {
    let mut first = None;
    for name in file_names(names) {
        let gone = match stands_at(folder, &name) {
            Ok(Standing::Ours) => folder.remove_link(name.as_str()),
            Ok(Standing::Foreign(_) | Standing::Nothing) => Ok(()),
            Err(error) => Err(error),
        };
        first = first.or(gone.err());
    }
    first.map_or(Ok(()), Err)
}

impl Links {
    /// Whether the links are as they should be.
    pub(super) fn settled(&self) -> bool {
        self.missing.is_empty() && self.surplus.is_empty()
    }

    /// Makes the missing links under other names, so that after the swap they need only be
    /// renamed, which takes no room.
    pub(super) fn stage(&self, folder: &Folder) -> Result<(), FileSinkError> {
        self.missing
            .iter()
            .try_for_each(|name| folder.symlink(&link_target(name), &staged_link(name)))
    }

    /// Takes back what [`Links::stage`] made.
    pub(super) fn unstage(&self, folder: &Folder) {
        for name in &self.missing {
            if let Err(error) = folder.remove_link(&staged_link(name)) {
                tracing::warn!(%error, "a staged link could not be removed");
            }
        }
    }

    /// Renames staged links to their names. A rename replaces what stands there without
    /// following it; the survey saw nothing there.
    pub(super) fn publish(&self, folder: &Folder) -> Result<(), FileSinkError> {
        self.missing.iter().try_for_each(|name| folder.rename(&staged_link(name), name.as_str()))
    }

    /// Removes links whose names leave with the swap.
    pub(super) fn remove_surplus(&self, folder: &Folder) -> Result<(), FileSinkError> {
        self.surplus.iter().try_for_each(|name| folder.remove_link(name.as_str()))
    }

    /// Puts back what [`Links::remove_surplus`] removed, where the swap did not happen.
    pub(super) fn restore_surplus(&self, folder: &Folder) {
        for name in &self.surplus {
            let gone = matches!(stands_at(folder, name), Ok(Standing::Nothing));
            if gone && let Err(error) = folder.symlink(&link_target(name), name.as_str()) {
                tracing::warn!(%error, "a link could not be put back");
            }
        }
    }
}

/// What stands at the name of a visible link.
enum Standing {
    Nothing,
    Ours,
    Foreign(&'static str),
}

fn stands_at(folder: &Folder, name: &FileName) -> Result<Standing, FileSinkError> {
    Ok(match folder.link_target(name.as_str())? {
        Target::Absent => Standing::Nothing,
        Target::To(target) if target == link_target(name) => Standing::Ours,
        Target::To(_) => Standing::Foreign("a symbolic link to elsewhere"),
        Target::Other(what) => Standing::Foreign(what),
    })
}

/// The names that could be a file of a set; the machinery's own names never are.
fn file_names(names: &[String]) -> impl Iterator<Item = FileName> {
    names.iter().filter_map(|name| FileName::parse(name).ok())
}
