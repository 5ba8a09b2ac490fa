//! What an agent is owed: its bindings, resolved to versions of store secrets.

use super::{Agent, Ledger, Resolution, Resolved, Secret, SecretVersion};
use crate::{
    agent::{AgentSettings, OnRotate},
    clock::Timestamp,
    id::{AgentId, Digest, SecretId},
    name::{CredentialKey, EnvVar, EnvironmentName, FileName, ProviderAlias, SecretName, ToolName},
    version::Version,
};
use std::collections::BTreeMap;

/// Everything that an agent is owed now, and what it is bound to and cannot have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// Secrets, ordered by name.
    pub secrets: Vec<DesiredSecret>,
    /// Bindings without a value, in the order of tool and key.
    pub missing: Vec<Missing>,
    /// What concerns the agent as a whole.
    pub settings: AgentSettings,
}

/// One secret that an agent is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredSecret {
    /// Identity.
    pub secret: SecretId,
    /// Name in the store.
    pub name: SecretName,
    /// Version.
    pub version: Version,
    /// Fingerprint of the sealed value.
    pub digest: Digest,
    /// When the value stops being valid.
    pub expires_at: Option<Timestamp>,
    /// How long it may be kept without a sign of the broker, in milliseconds: the shortest that a
    /// binding asks for.
    pub stale_max_ms: Option<i64>,
    /// Where it goes.
    pub targets: Vec<DesiredTarget>,
}

/// Where a secret goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredTarget {
    /// Ref that binds it.
    pub reference: SecretName,
    /// Tool that needs it.
    pub tool: ToolName,
    /// Key of the credential in the tool.
    pub key: CredentialKey,
    /// File that it becomes.
    pub file: FileName,
    /// Environment variable that it becomes.
    pub env_var: Option<EnvVar>,
    /// Mode of the file.
    pub mode: Option<u32>,
    /// Owner of the file.
    pub owner: Option<String>,
    /// Template of the file.
    pub template: Option<String>,
    /// What happens to the agent when the value changes.
    pub on_rotate: Option<OnRotate>,
    /// Whether the agent cannot work without it.
    pub required: bool,
    /// Where its value comes from; none where it has none.
    pub source: Option<Resolved>,
}

/// A binding without a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Where it would go.
    pub target: DesiredTarget,
    /// Why it has no value, in words.
    pub reason: String,
    /// The command that helps.
    pub fix: String,
    /// Whether the agent may not have it, rather than that there is nothing.
    pub denied: bool,
}

impl Ledger {
    /// Everything that an agent is owed at a time; nothing where it is unknown or revoked. With
    /// `only`, from this provider alone.
    #[must_use]
    pub fn desired(&self, agent: AgentId, now: Timestamp, only: Option<&ProviderAlias>) -> Desired {
        match self.agents.get(&agent).filter(|agent| agent.active) {
            Some(agent) => self.desired_when_active(agent, now, only),
            None => Desired::default(),
        }
    }

    /// What an agent would be owed at a time if it were active.
    #[must_use]
    pub fn desired_when_active(
        &self,
        agent: &Agent,
        now: Timestamp,
        only: Option<&ProviderAlias>,
    ) -> Desired {
        let mut secrets: BTreeMap<SecretName, DesiredSecret> = BTreeMap::new();
        let mut missing = Vec::new();
        for (mut target, stale_max_ms) in self.targets(agent) {
            match self.value_of(agent, &target, stale_max_ms, now, only) {
                Ok((live, source)) => {
                    target.source = source;
                    let owed =
                        secrets.entry(live.secret.name.clone()).or_insert_with(|| owed(&live));
                    owed.stale_max_ms = earlier(owed.stale_max_ms, stale_max_ms);
                    owed.expires_at = earlier(owed.expires_at, live.expires_at);
                    owed.targets.push(target);
                }
                Err((reason, fix, denied)) => {
                    missing.push(Missing { target, reason, fix, denied });
                }
            }
        }
        let settings = agent.spec.settings();
        Desired { secrets: secrets.into_values().collect(), missing, settings }
    }

    /// Whether a secret is part of what an agent is owed at a time.
    #[must_use]
    pub fn owes(&self, agent: &Agent, secret: SecretId, now: Timestamp) -> bool {
        let Some(secret) = self.secret(secret).filter(|secret| secret.deleted_at.is_none()) else {
            return false;
        };
        let number = self.version_for(agent, secret);
        let Some(version) = secret.versions.get(&number).filter(|it| !it.destroyed) else {
            return false;
        };
        agent.active
            && agent.environment == secret.environment
            && agent.effective().credentials().any(|(tool, _, credential)| {
                let reference = &credential.secret_ref;
                let Resolution::Secret(resolved) =
                    self.resolve(&agent.environment, reference, None)
                else {
                    return false;
                };
                let stale_max_ms = credential.stale_max_ms;
                let end = self.expiry(agent, reference, version, &resolved, stale_max_ms);
                agent.effective().may_use(tool)
                    && resolved.secret == secret.name
                    && end.is_none_or(|end| now < end)
            })
    }

    /// Whether an agent is bound to a store secret at all, whether or not it may have it now.
    #[must_use]
    pub fn binds(&self, agent: AgentId, name: &SecretName) -> bool {
        self.agents.get(&agent).is_some_and(|agent| {
            self.subscribers(&agent.environment, name).any(|subscriber| subscriber == agent.id)
        })
    }

    fn targets(&self, agent: &Agent) -> Vec<(DesiredTarget, Option<i64>)> {
        let spec = agent.effective();
        spec.credentials()
            .map(|(tool, key, credential)| {
                let reference = self.reference(&agent.environment, &credential.secret_ref);
                let said = reference.and_then(|reference| reference.required);
                let target = DesiredTarget {
                    reference: credential.secret_ref.clone(),
                    tool: tool.clone(),
                    key: key.clone(),
                    file: credential.file_name(key),
                    env_var: credential.env_var.clone(),
                    mode: credential.mode,
                    owner: credential.owner.clone(),
                    template: credential.template.clone(),
                    on_rotate: credential.on_rotate.clone(),
                    required: spec.requires(tool, said),
                    source: None,
                };
                (target, credential.stale_max_ms)
            })
            .collect()
    }

    fn value_of(
        &self,
        agent: &Agent,
        target: &DesiredTarget,
        stale_max_ms: Option<i64>,
        now: Timestamp,
        only: Option<&ProviderAlias>,
    ) -> Result<(Live<'_>, Option<Resolved>), (String, String, bool)> {
        let tool = &target.tool;
        if !agent.effective().may_use(tool) {
            return Err((
                format!("capability {tool:?} missing"),
                format!(
                    "add {tool:?} to the capabilities of agent {:?} and apply again",
                    agent.name.as_str()
                ),
                true,
            ));
        }
        let resolved = match self.resolve(&agent.environment, &target.reference, only) {
            Resolution::Secret(resolved) => resolved,
            Resolution::Unresolved { reason, fix } => return Err((reason, fix, false)),
        };
        let name = &resolved.secret;
        let put = |reason: String| (reason, format!("secretref put {name}"), false);
        let secret = self.kept(&agent.environment, name).map_err(|(why, fix)| (why, fix, false))?;
        let number = self.version_for(agent, secret);
        let version = secret
            .versions
            .get(&number)
            .filter(|version| !version.destroyed)
            .ok_or_else(|| put(format!("secret {name:?} has no current version")))?;
        let expires_at = self.expiry(agent, &target.reference, version, &resolved, stale_max_ms);
        match expires_at {
            Some(end) if end <= now => Err(ended(&resolved, version, end)),
            _ => Ok((Live { secret, number, version, expires_at }, Some(resolved))),
        }
    }

    /// A secret of an environment that is there and not deleted; else why not, and what helps.
    pub(super) fn kept(
        &self,
        environment: &EnvironmentName,
        name: &SecretName,
    ) -> Result<&Secret, (String, String)> {
        let Some(secret) = self.secret_named(environment, name) else {
            let reason = format!("secret {name:?} is not in the store");
            return Err((reason, format!("secretref put {name}")));
        };
        match secret.deleted_at {
            None => Ok(secret),
            Some(_) => {
                let fix = format!("secretref undelete {name}");
                Err((format!("secret {name:?} is deleted"), fix))
            }
        }
    }

    /// When a version that comes by a ref stops being valid: the ref has a say where the version
    /// has none, and what was seen last is kept only for as long as its binding allows.
    fn expiry(
        &self,
        agent: &Agent,
        reference: &SecretName,
        version: &SecretVersion,
        resolved: &Resolved,
        stale_max_ms: Option<i64>,
    ) -> Option<Timestamp> {
        let reference = self.reference(&agent.environment, reference);
        let end = version.expires_at.or(reference.and_then(|reference| reference.expires_at));
        let stale = resolved.stale.as_ref().zip(stale_max_ms);
        earlier(end, stale.map(|(stale, most)| stale.since.plus_millis(most)))
    }
}

/// Why a value that there was is none any more.
fn ended(resolved: &Resolved, version: &SecretVersion, end: Timestamp) -> (String, String, bool) {
    let (name, provider) = (&resolved.secret, &resolved.source.provider);
    match &resolved.stale {
        Some(stale) if version.expires_at.is_none_or(|expiry| end < expiry) => (
            format!(
                "provider {:?} {} since {}, which is longer than `maxStale` allows",
                provider.as_str(),
                stale.failing.message,
                stale.since
            ),
            stale.failing.fix.clone(),
            false,
        ),
        _ if name.copied_ref().is_some() => (
            format!("what provider {:?} holds expired at {end}", provider.as_str()),
            format!("renew it in {provider}: it is taken over by itself"),
            false,
        ),
        _ => {
            let reason = format!("secret {name:?} expired at {end}");
            (reason, format!("secretref put {name}"), false)
        }
    }
}

/// A version that may be handed out.
struct Live<'l> {
    secret: &'l Secret,
    number: Version,
    version: &'l SecretVersion,
    expires_at: Option<Timestamp>,
}

/// The lesser of two limits, where there are any.
fn earlier<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn owed(live: &Live<'_>) -> DesiredSecret {
    DesiredSecret {
        secret: live.secret.id,
        name: live.secret.name.clone(),
        version: live.number,
        digest: live.version.digest,
        expires_at: live.version.expires_at,
        stale_max_ms: None,
        targets: Vec::new(),
    }
}
