//! The manifest that binds imported secrets to a tool.

use super::Planned;
use crate::failure::Failure;
use secretref_domain::{
    agent::{AgentSpec, Credential, ToolBinding},
    limit::BINDINGS_MAX,
    manifest::render,
    name::{AgentName, CredentialKey, ToolName},
    reference::Reference,
};
use serde_json::{Map, Value, json};

/// One agent with one tool, each credential in the variable that it came from; and the refs.
pub(super) fn manifest(
    agent: &AgentName,
    tool: &ToolName,
    service: Option<&str>,
    planned: &[Planned],
) -> Result<String, Failure> {
    if planned.len() > BINDINGS_MAX {
        let what = format!("{} credentials are too many: {BINDINGS_MAX} at most", planned.len());
        return Err(Failure::usage(what, "import the file in parts, or without --agent"));
    }
    let mut binding = ToolBinding::default();
    let mut references = Map::new();
    let reference = Reference {
        provider: "store".parse().ok(),
        service: service.map(str::to_owned),
        ..Reference::default()
    };
    for Planned { secret, variable } in planned {
        let key = CredentialKey::parse(variable.name.as_str()).map_err(|error| {
            let fix = "rename the variable, or import without --agent";
            Failure::usage(error.to_string(), fix)
        })?;
        let mut credential = Credential::of(secret.clone());
        credential.env_var = Some(variable.name.clone());
        binding.credentials.insert(key, credential);
        references.insert(secret.to_string(), render::reference(&reference));
    }
    let spec = AgentSpec { tools: [(tool.clone(), binding)].into(), ..AgentSpec::default() };
    let agents: Map<String, Value> =
        [(agent.to_string(), render::agent(&spec))].into_iter().collect();
    let manifest = json!({"agents": agents, "refMap": references});
    Ok(format!("{manifest:#}"))
}
