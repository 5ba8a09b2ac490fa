//! Refs: `refMap`, and what environments say otherwise.

use super::{
    Draft,
    check::Origin,
    problems::Problems,
    rotation, scalar,
    tables::{self, Table},
    walk::{Fields, Node},
};
use crate::{
    limit::{SECRETS_MAX, SERVICE_BYTES_MAX},
    name::{EnvironmentName, ProviderAlias, SecretName},
    reference::{Reference, Source},
};
use std::collections::BTreeMap;

pub(super) const TARGET_BYTES_MAX: usize = 1024;
pub(super) const FALLBACKS_MAX: usize = 8;

/// Reads `refMap`, which may stand at two places of one file.
pub(super) fn ref_map(node: &Node<'_>, draft: &mut Draft, problems: &mut Problems) {
    for (name, reference) in references(node, &tables::REFERENCE, draft, problems) {
        if draft.references.contains_key(&name) {
            let problem = "the ref stands in both refMaps of the file";
            problems.add(&node.at.key(name.as_str()), problem, "keep one of the two");
        }
        draft.references.insert(name, reference);
    }
}

/// Reads `environments`.
pub(super) fn environments(node: &Node<'_>, draft: &mut Draft, problems: &mut Problems) {
    for (name, node) in node.entries("environments by name", EnvironmentName::parse, problems) {
        let Some(fields) = node.fields(&tables::ENVIRONMENT, problems) else {
            continue;
        };
        let references = match fields.at("secrets") {
            Some(node) => references(&node, &tables::OVERRIDE, draft, problems),
            None => BTreeMap::new(),
        };
        draft.environments.insert(name, references);
    }
}

fn references(
    node: &Node<'_>,
    table: &Table,
    draft: &mut Draft,
    problems: &mut Problems,
) -> BTreeMap<SecretName, Reference> {
    let mut references = BTreeMap::new();
    for (name, node) in node.entries("refs by name", SecretName::parse, problems) {
        if let Some(fields) = node.fields(table, problems) {
            references.insert(name, reference(&fields, draft, problems));
        }
    }
    if references.len() > SECRETS_MAX {
        let problem = format!("{} refs are too many: {SECRETS_MAX} at most", references.len());
        problems.add(&node.at, problem, "remove those that nothing uses");
    }
    references
}

fn reference(fields: &Fields<'_>, draft: &mut Draft, problems: &mut Problems) -> Reference {
    let provider = alias(fields, problems);
    let target = place(fields, "target", problems);
    let path = place(fields, "path", problems);
    draft.origins.push(Origin {
        at: fields.place().clone(),
        provider: provider.clone(),
        path: path.clone(),
        target: target.clone(),
    });
    let service = fields.at("service");
    let deprecation = fields.at("deprecationDate");
    Reference {
        provider,
        path,
        target,
        required: fields.at("required").and_then(|node| scalar::flag(&node, problems)),
        fallback: fields
            .at("fallback")
            .map(|node| fallback(&node, draft, problems))
            .unwrap_or_default(),
        expires_at: fields.at("expiresAt").and_then(|node| scalar::date(&node, problems)),
        service: service
            .and_then(|node| scalar::text(&node, SERVICE_BYTES_MAX, problems))
            .map(str::to_owned),
        deprecation_date: deprecation.and_then(|node| scalar::date(&node, problems)),
        rotation: fields.at("rotation").and_then(|node| rotation::policy(&node, problems)),
    }
}

fn fallback(node: &Node<'_>, draft: &mut Draft, problems: &mut Problems) -> Vec<Source> {
    let items = node.items("objects with `provider` and `target`", FALLBACKS_MAX, problems);
    let mut sources = Vec::new();
    for node in items.unwrap_or_default() {
        let Some(fields) = node.fields(&tables::FALLBACK, problems) else {
            continue;
        };
        let target = place(&fields, "target", problems);
        if fields.at("provider").is_none() {
            let fix = "add `\"provider\": \"ALIAS\"`";
            problems.add(&node.at, "the fallback names no `provider`", fix);
        }
        let Some(provider) = alias(&fields, problems) else {
            continue;
        };
        draft.origins.push(Origin {
            at: fields.place().clone(),
            provider: Some(provider.clone()),
            path: None,
            target: target.clone(),
        });
        sources.push(Source { provider, target, path: None });
    }
    sources
}

fn alias(fields: &Fields<'_>, problems: &mut Problems) -> Option<ProviderAlias> {
    scalar::name(&fields.at("provider")?, ProviderAlias::parse, problems)
}

fn place(fields: &Fields<'_>, key: &str, problems: &mut Problems) -> Option<String> {
    let node = fields.at(key)?;
    if node.value.as_str().is_some_and(super::literal::like_credential) {
        let problem = "a credential stands where its place belongs";
        let fix = "store it with `secretref put NAME`, and rotate it: it was in a file";
        problems.add(&node.at, problem, fix);
        return None;
    }
    scalar::text(&node, TARGET_BYTES_MAX, problems).map(str::to_owned)
}
