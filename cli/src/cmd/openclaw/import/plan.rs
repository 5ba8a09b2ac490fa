//! `OpenClaw`'s own plan, which `openclaw secrets apply` takes (`gateway/secrets-plan-contract` of
//! its docs). It has refs and no values.

use super::scheme::{Scheme, Step};
use crate::failure::{Exit, Failure};
use secretref_domain::openclaw::targets::{Path as Way, Segment, Target};
use serde_json::{Value, json};
use std::{io::Write, path::Path};

/// The plan: what is moved, and the provider that it is moved to.
pub(super) fn document(scheme: &Scheme<'_>, alias: &str, definition: &Value) -> Value {
    let moved = scheme.steps.iter().filter_map(|(place, step)| match step {
        Step::Move { name, .. } => Some((place, name)),
        Step::Keep { .. } | Step::Leave(_) => None,
    });
    let targets: Vec<Value> = moved
        .map(|(place, name)| {
            let path = &place.found.path;
            let mut target = json!({
                "type": kind(&place.target),
                "path": path.to_string(),
                "pathSegments": segments(path),
                "ref": {"source": "exec", "provider": alias, "id": name},
            });
            if let Some(agent) = &place.file.agent {
                target["agentId"] = agent.as_str().into();
            }
            if let (Some(provider), true) = (owner(path), place.target.path.starts_with(MODELS)) {
                target["providerId"] = provider.into();
            }
            target
        })
        .collect();
    json!({
        "version": 1,
        "protocolVersion": 1,
        "generatedAt": jiff::Timestamp::now().to_string(),
        "generatedBy": "manual",
        "providerUpserts": {alias: definition},
        "targets": targets,
        "options": {"scrubEnv": true, "scrubAuthProfilesForProviderTargets": false},
    })
}

/// Writes it, whole or not at all.
pub(super) fn write(path: &Path, plan: &Value) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        let what = format!("{} cannot be written: {error}", path.display());
        Failure::new(Exit::Refused, what, "name another with --plan-out, and run this again")
    };
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    writeln!(file, "{plan:#}").map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// What `OpenClaw` calls a target: its path, but for profiles.
fn kind(target: &Target) -> String {
    match target.path.as_str() {
        "profiles.*.key" => "auth-profiles.api_key.key".to_owned(),
        "profiles.*.token" => "auth-profiles.token.token".to_owned(),
        path => path.to_owned(),
    }
}

fn segments(path: &Way) -> Vec<String> {
    let segment = |it: &Segment| match it {
        Segment::Key(key) => key.clone(),
        Segment::Index(index) => index.to_string(),
    };
    path.0.iter().map(segment).collect()
}

/// The name of a model provider, of a path below it.
fn owner(path: &Way) -> Option<&str> {
    match path.0.get(2)? {
        Segment::Key(key) => Some(key),
        Segment::Index(_) => None,
    }
}

const MODELS: &str = "models.providers.*.";
