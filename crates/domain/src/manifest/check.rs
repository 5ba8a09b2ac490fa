//! What can be said only once all files are read: whether refs fit their providers, and what is
//! odd.

use super::{
    Manifest,
    merge::Merge,
    problems::{At, Problems},
};
use crate::{
    agent::AgentSpec,
    group::Effective,
    name::{EnvVar, ProviderAlias, SecretName},
    reference::ProviderKind,
};
use std::collections::{BTreeMap, BTreeSet};

/// A place where a ref comes from.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) at: At,
    pub(super) provider: Option<ProviderAlias>,
    pub(super) path: Option<String>,
    pub(super) target: Option<String>,
}

/// Checks what was merged, and adds the warnings.
pub(super) fn finish(merge: Merge, problems: &mut Problems) -> Manifest {
    let Merge { mut manifest, origins, used } = merge;
    for origin in &origins {
        check(origin, &manifest, problems);
    }
    let mut warnings = Vec::new();
    for (name, spec) in &manifest.agents {
        // What a group that another file defines adds is checked where it is applied.
        let Effective { spec, .. } = Effective::of(spec, |name| manifest.groups.get(name));
        oddities(name.as_str(), &spec, &mut warnings);
    }
    let own = manifest.agents.values().map(|spec| &spec.tools);
    let bindings = own.chain(manifest.groups.values().map(|group| &group.tools));
    let credentials = bindings.flat_map(BTreeMap::values).flat_map(|it| it.credentials.values());
    let bound = credentials.map(|credential| &credential.secret_ref);
    let used: BTreeSet<&SecretName> = used.iter().chain(bound).collect();
    let unused = manifest.references.keys().filter(|name| !used.contains(name));
    warnings.extend(unused.map(|name| format!("unused-ref: {name}")));
    manifest.warnings.extend(warnings);
    manifest
}

fn check(origin: &Origin, manifest: &Manifest, problems: &mut Problems) {
    // A ref without a provider, where no file chooses one, depends on what the broker has.
    let Some(alias) = origin.provider.as_ref().or(manifest.active_provider.as_ref()) else {
        return;
    };
    let kind = match manifest.providers.get(alias) {
        Some(spec) => Some(spec.kind),
        None => ProviderKind::parse(alias.as_str()),
    };
    let Some(kind) = kind else { return };
    let Origin { at, path, target, .. } = origin;
    match (path, kind) {
        (None, _) | (Some(_), ProviderKind::File) => {}
        (Some(_), ProviderKind::Vault) if target.is_none() => {}
        (Some(_), ProviderKind::Vault) => {
            let problem = "`path` and `target` are the same thing to a Vault";
            problems.add(&at.key("target"), problem, "write `path` alone, as `PATH#FIELD`");
        }
        (Some(_), _) => {
            let problem = format!("a provider of type `{}` has no paths", kind.as_str());
            problems.add(&at.key("path"), problem, "write `target` instead of `path`");
        }
    }
    let Some(target) = target else { return };
    let wrong = match kind {
        ProviderKind::Store => SecretName::parse(target).err(),
        ProviderKind::Env => EnvVar::parse(target).err(),
        _ => None,
    };
    if let Some(error) = wrong {
        problems.add(
            &at.key("target"),
            format!("a target in `{}` is a {}: {}", kind.as_str(), error.kind, error.why),
            format!("a {} is {}", error.kind, error.grammar),
        );
    }
}

fn oddities(agent: &str, spec: &AgentSpec, warnings: &mut Vec<String>) {
    for tool in spec.tools.keys().filter(|tool| !spec.may_use(tool)) {
        warnings.push(format!(
            "agent {agent}: tool {tool} is bound but not among its capabilities, so it gets nothing"
        ));
    }
    for tool in spec.profiles.keys().filter(|tool| !spec.tools.contains_key(*tool)) {
        warnings.push(format!("agent {agent}: tool {tool} has an auth-profile but no binding"));
    }
}
