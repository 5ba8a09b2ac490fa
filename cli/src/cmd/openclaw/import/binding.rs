//! The agent that `OpenClaw` is, with what it had before and one tool more.

use super::scheme::Scheme;
use crate::{
    cmd::request_id,
    connect::{Session, ask_twice, ask_twice_status},
    failure::{Exit, Failure},
};
use secretref_domain::{
    agent::{AgentSpec, Credential, ToolBinding},
    manifest::render,
    name::{CredentialKey, EnvVar, FileName, GroupName, SecretName, ToolName},
    openclaw::naming::credential_key,
};
use secretref_proto::v1;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use tonic::Code;

/// A manifest that binds what is imported; none where nothing is.
pub(super) struct Binding(Option<v1::ApplyManifestRequest>);

impl Binding {
    /// Works it out, and asks the broker whether it would be applied. An apply replaces an agent
    /// whole, and not all of one can be asked for: one with more is refused.
    pub(super) async fn of(
        session: &Session<'_>,
        agent: &str,
        scheme: &Scheme<'_>,
    ) -> Result<Self, Failure> {
        if scheme.names().is_empty() {
            return Ok(Self(None));
        }
        let held = held(session, agent).await?;
        let mut spec = match &held {
            None => AgentSpec::default(),
            Some(held) => whole(session, agent, held, scheme).await?,
        };
        let tool = tool();
        let binding = spec.tools.entry(tool.clone()).or_default();
        bind(binding, scheme);
        if let Some(capabilities) = &mut spec.capabilities
            && !capabilities.contains(&tool)
        {
            capabilities.push(tool);
        }
        let request = request(session, agent, &spec);
        apply(session, v1::ApplyManifestRequest { validate_only: true, ..request.clone() }).await?;
        Ok(Self(Some(v1::ApplyManifestRequest { request_id: request_id(), ..request })))
    }

    /// Applies it.
    pub(super) async fn apply(self, session: &Session<'_>) -> Result<(), Failure> {
        let Some(request) = self.0 else { return Ok(()) };
        let answer = apply(session, request).await?;
        answer.warnings.iter().for_each(|warning| session.out.warning(warning));
        crate::cmd::apply::lines(&answer, false).iter().for_each(|line| session.out.note(line));
        Ok(())
    }
}

/// The agent as the broker has it.
async fn held(session: &Session<'_>, agent: &str) -> Result<Option<v1::Agent>, Failure> {
    let client = session.agents().await?;
    let request =
        v1::GetAgentRequest { name: agent.to_owned(), environment: session.environment() };
    let answer = ask_twice_status(|| {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.get_agent(request).await }
    })
    .await;
    match answer {
        Ok(answer) => Ok(answer.agent),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status.into()),
    }
}

/// The agent's whole description, if what can be asked for is all of it: then to apply it would
/// change nothing.
async fn whole(
    session: &Session<'_>,
    agent: &str,
    held: &v1::Agent,
    scheme: &Scheme<'_>,
) -> Result<AgentSpec, Failure> {
    let silent = described(held);
    let listed = held.capabilities.iter().filter_map(|name| ToolName::parse(name).ok());
    let spoken = AgentSpec { capabilities: Some(listed.collect()), ..silent.clone() };
    for spec in [silent, spoken] {
        let request =
            v1::ApplyManifestRequest { validate_only: true, ..request(session, agent, &spec) };
        let answer = apply(session, request).await?;
        if answer.changes.iter().all(|change| change.action == "unchanged") {
            return Ok(spec);
        }
    }
    let mut binding = ToolBinding::default();
    bind(&mut binding, scheme);
    let alone = AgentSpec { tools: [(tool(), binding)].into(), ..AgentSpec::default() };
    let bindings = render::agent(&alone)["tool-bindings"].clone();
    let what = format!(
        "agent {agent} has settings that only its manifest knows, and an apply would drop them"
    );
    let fix = format!(
        "name another with --agent, or add to the tool-bindings of its manifest: {bindings}"
    );
    Err(Failure::new(Exit::Refused, what, fix))
}

fn described(held: &v1::Agent) -> AgentSpec {
    let mut spec = AgentSpec {
        display_name: held.display_name.clone(),
        description: held.description.clone(),
        runtime: held.runtime.clone(),
        groups: held.groups.iter().filter_map(|name| GroupName::parse(name).ok()).collect(),
        ..AgentSpec::default()
    };
    for one in held.bindings.iter().filter(|one| one.group.is_empty()) {
        let parsed = (
            ToolName::parse(&one.tool),
            CredentialKey::parse(&one.key),
            SecretName::parse(&one.secret_ref),
        );
        let (Ok(tool), Ok(key), Ok(secret)) = parsed else { continue };
        let mut credential = Credential::of(secret);
        credential.env_var = EnvVar::parse(&one.env_var).ok();
        let file = FileName::parse(&one.file).ok();
        credential.file = file.filter(|file| *file != credential.file_name(&key));
        let binding = spec.tools.entry(tool).or_default();
        binding.required = (!one.required).then_some(false);
        binding.credentials.insert(key, credential);
    }
    spec
}

/// Adds each secret to the tool; what it has of others stays.
fn bind(binding: &mut ToolBinding, scheme: &Scheme<'_>) {
    let bound: BTreeSet<SecretName> =
        binding.credentials.values().map(|it| it.secret_ref.clone()).collect();
    for name in scheme.names() {
        if !bound.contains(name) {
            binding.credentials.insert(credential_key(name), Credential::of(name.clone()));
        }
    }
}

fn request(session: &Session<'_>, agent: &str, spec: &AgentSpec) -> v1::ApplyManifestRequest {
    let agents: Map<String, Value> =
        [(agent.to_owned(), render::agent(spec))].into_iter().collect();
    let content = json!({"agents": agents}).to_string().into_bytes();
    let file = v1::ManifestFile { name: "openclaw.json".to_owned(), content };
    v1::ApplyManifestRequest {
        files: vec![file],
        environment: session.environment(),
        ..v1::ApplyManifestRequest::default()
    }
}

async fn apply(
    session: &Session<'_>,
    request: v1::ApplyManifestRequest,
) -> Result<v1::ApplyManifestResponse, Failure> {
    let client = session.agents().await?;
    ask_twice(|| {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.apply_manifest(request).await }
    })
    .await
}

fn tool() -> ToolName {
    ToolName::parse(TOOL).unwrap_or_else(|_| unreachable!("the name is part of this program"))
}

/// The tool of the agent that `OpenClaw`'s credentials are of.
const TOOL: &str = "openclaw";
