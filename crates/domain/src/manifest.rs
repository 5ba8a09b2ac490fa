//! The manifest: agents, groups, refs, environments and providers, as people write them.
//!
//! ```text
//! bytes ── syntax ─▶ serde_json::Value ── walk, by tables of known keys ──▶ Draft ─┐
//!                                                            one for each file    │
//!                                      Manifest ◀── check ◀── merge ◀─────────────┘
//! ```
//! Only `syntax` knows how the bytes are written. Nothing is ignored: a key that is not in a table,
//! a type that is not the documented one and a name outside its grammar are errors, and all of
//! them are reported, each with its path and what to do. No error repeats a text of the manifest
//! other than a key, since a text may be a secret that stands where a ref belongs.

mod agents;
mod check;
mod difference;
mod groups;
mod literal;
mod merge;
mod problems;
mod process;
mod providers;
mod references;
pub mod render;
mod rotation;
mod scalar;
pub mod schema;
mod syntax;
mod tables;
mod walk;

pub use difference::{Difference, differences};
pub use problems::{ManifestError, ManifestErrors};

use crate::{
    agent::AgentSpec,
    alert::{AlertChannel, ChannelName},
    group::GroupSpec,
    limit::{MANIFEST_BYTES_MAX, MANIFEST_FILES_MAX},
    name::{AgentName, EnvironmentName, GroupName, ProviderAlias, RotatorAlias, SecretName},
    reference::{ProviderSpec, Reference},
    rotation::RotatorSpec,
};
use merge::Merge;
use problems::{At, Problems};
use std::collections::BTreeMap;

/// What the files of one apply say together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Agents.
    pub agents: BTreeMap<AgentName, AgentSpec>,
    /// Groups, of the environment that the agents go to.
    pub groups: BTreeMap<GroupName, GroupSpec>,
    /// Refs of every environment.
    pub references: BTreeMap<SecretName, Reference>,
    /// What environments say otherwise; see [`Manifest::references_in`].
    pub environments: BTreeMap<EnvironmentName, BTreeMap<SecretName, Reference>>,
    /// Providers.
    pub providers: BTreeMap<ProviderAlias, ProviderSpec>,
    /// Rotators.
    pub rotators: BTreeMap<RotatorAlias, RotatorSpec>,
    /// The environment that is to be active.
    pub environment: Option<EnvironmentName>,
    /// Provider of the refs that name none.
    pub active_provider: Option<ProviderAlias>,
    /// Where alerts go, by a name such as `#finance-alerts`; of the environment that the agents go
    /// to.
    pub channels: BTreeMap<ChannelName, AlertChannel>,
    /// What is odd and stops nothing, one line each.
    pub warnings: Vec<String>,
}

/// What one file says.
#[derive(Debug, Default)]
struct Draft {
    agents: BTreeMap<AgentName, AgentSpec>,
    groups: BTreeMap<GroupName, GroupSpec>,
    references: BTreeMap<SecretName, Reference>,
    environments: BTreeMap<EnvironmentName, BTreeMap<SecretName, Reference>>,
    providers: BTreeMap<ProviderAlias, ProviderSpec>,
    rotators: BTreeMap<RotatorAlias, RotatorSpec>,
    environment: Option<EnvironmentName>,
    active_provider: Option<ProviderAlias>,
    channels: BTreeMap<ChannelName, AlertChannel>,
    /// Places where refs come from, to be checked once every provider is known.
    origins: Vec<check::Origin>,
    /// Refs that providers and channels use themselves.
    used: Vec<SecretName>,
}

/// Reads the files of one apply, each with the name that errors call it by. A later file replaces
/// what an earlier one says of the same agent, group, ref, environment, provider or channel.
///
/// # Errors
/// [`ManifestErrors`] with every problem that was found, of which the first 32 are kept.
pub fn parse(files: &[(&str, &[u8])]) -> Result<Manifest, ManifestErrors> {
    let mut problems = Problems::default();
    let mut merge = Merge::default();
    if admissible(files, &mut problems) {
        for (name, bytes) in files {
            let at = At::file(name);
            if let Some(value) = syntax::read(&at, bytes, &mut problems) {
                merge.add(name, walk::file(&at, &value, &mut problems));
            }
        }
    }
    let manifest = check::finish(merge, &mut problems);
    problems.into_result(manifest)
}

/// Whether the files are few and small enough to be read at all.
fn admissible(files: &[(&str, &[u8])], problems: &mut Problems) -> bool {
    let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let nowhere = At::file(files.last().map_or("manifest", |(name, _)| name));
    if files.is_empty() {
        problems.add(&nowhere, "there is no file to apply", "name at least one manifest file");
    } else if files.len() > MANIFEST_FILES_MAX {
        problems.add(
            &nowhere,
            format!("{} files are too many: one apply takes {MANIFEST_FILES_MAX}", files.len()),
            "apply them in several goes, or write several agents into one file",
        );
    } else if bytes > MANIFEST_BYTES_MAX {
        problems.add(
            &nowhere,
            format!("the files have {bytes} bytes together: one apply takes {MANIFEST_BYTES_MAX}"),
            "apply them in several goes",
        );
    } else {
        return true;
    }
    false
}

impl Manifest {
    /// The refs as an environment has them. What an environment says of a ref's place (provider,
    /// path or target) replaces the whole place with its fallbacks: half of one place and half of
    /// another would be a third that nobody wrote. The rest is overridden key by key.
    #[must_use]
    pub fn references_in(&self, environment: &EnvironmentName) -> BTreeMap<SecretName, Reference> {
        let mut references = self.references.clone();
        for (name, over) in self.environments.get(environment).into_iter().flatten() {
            let base = references.remove(name).unwrap_or_default();
            references.insert(name.clone(), overridden(base, over));
        }
        references
    }
}

fn overridden(base: Reference, over: &Reference) -> Reference {
    let moved = over.provider.is_some() || over.path.is_some() || over.target.is_some();
    let place = if moved { over } else { &base };
    let fallback = if moved || !over.fallback.is_empty() { over } else { &base };
    Reference {
        provider: place.provider.clone(),
        path: place.path.clone(),
        target: place.target.clone(),
        fallback: fallback.fallback.clone(),
        required: over.required.or(base.required),
        expires_at: over.expires_at.or(base.expires_at),
        service: over.service.clone().or_else(|| base.service.clone()),
        deprecation_date: over.deprecation_date.or(base.deprecation_date),
        rotation: over.rotation.clone().or(base.rotation),
    }
}

#[cfg(test)]
mod tests;
