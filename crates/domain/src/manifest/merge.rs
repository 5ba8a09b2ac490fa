//! Several files as one: a later one replaces what an earlier one says of the same thing, and is
//! said to have done so where it says something else.

use super::{Draft, Manifest, check::Origin};
use crate::name::SecretName;
use std::{collections::BTreeMap, fmt::Display};

/// The files that were read so far.
#[derive(Debug, Default)]
pub(super) struct Merge {
    pub(super) manifest: Manifest,
    pub(super) origins: Vec<Origin>,
    pub(super) used: Vec<SecretName>,
}

impl Merge {
    /// Adds the next file.
    pub(super) fn add(&mut self, file: &str, draft: Draft) {
        let Manifest {
            agents,
            groups,
            references,
            environments,
            providers,
            rotators,
            environment,
            active_provider,
            channels,
            warnings,
        } = &mut self.manifest;
        replace("agent", file, agents, draft.agents, warnings);
        replace("group", file, groups, draft.groups, warnings);
        replace("ref", file, references, draft.references, warnings);
        replace("environment", file, environments, draft.environments, warnings);
        replace("provider", file, providers, draft.providers, warnings);
        replace("rotator", file, rotators, draft.rotators, warnings);
        replace("alert channel", file, channels, draft.channels, warnings);
        choose("environment", file, environment, draft.environment, warnings);
        choose("active-provider", file, active_provider, draft.active_provider, warnings);
        self.origins.extend(draft.origins);
        self.used.extend(draft.used);
    }
}

fn replace<K: Ord + Display, V: PartialEq>(
    kind: &str,
    file: &str,
    all: &mut BTreeMap<K, V>,
    more: BTreeMap<K, V>,
    warnings: &mut Vec<String>,
) {
    for (name, value) in more {
        if all.get(&name).is_some_and(|held| *held != value) {
            warnings.push(format!("{kind} {name}: {file} replaces what an earlier file says"));
        }
        all.insert(name, value);
    }
}

fn choose<V: PartialEq + Display>(
    key: &str,
    file: &str,
    chosen: &mut Option<V>,
    next: Option<V>,
    warnings: &mut Vec<String>,
) {
    let Some(next) = next else { return };
    if let Some(held) = chosen.as_ref().filter(|held| **held != next) {
        warnings.push(format!("{key}: {file} says {next} where an earlier file says {held}"));
    }
    *chosen = Some(next);
}
