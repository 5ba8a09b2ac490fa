//! What an agent is owed: its bindings, resolved to versions of store secrets.

use super::{Agent, Ledger, Secret, SecretVersion};
use crate::{
    agent::{AgentSettings, OnRotate},
    clock::Timestamp,
    id::{AgentId, Digest, SecretId},
    name::{CredentialKey, EnvVar, EnvironmentName, FileName, ProviderAlias, SecretName, ToolName},
    reference::ProviderKind,
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

/// What a ref comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// A secret in the store.
    Store(SecretName),
    /// Nothing.
    Unresolved {
        /// Why, in words.
        reason: String,
        /// The command that helps.
        fix: String,
    },
}

impl Ledger {
    /// Everything that an agent is owed at a time; nothing where it is unknown or revoked.
    #[must_use]
    pub fn desired(&self, agent: AgentId, now: Timestamp) -> Desired {
        match self.agents.get(&agent).filter(|agent| agent.active) {
            Some(agent) => self.desired_when_active(agent, now),
            None => Desired::default(),
        }
    }

    /// What an agent would be owed at a time if it were active.
    #[must_use]
    pub fn desired_when_active(&self, agent: &Agent, now: Timestamp) -> Desired {
        let mut secrets: BTreeMap<SecretName, DesiredSecret> = BTreeMap::new();
        let mut missing = Vec::new();
        for (target, stale_max_ms) in self.targets(agent) {
            match self.value_of(agent, &target, now) {
                Ok(live) => {
                    let owed = secrets
                        .entry(live.secret.name.clone())
                        .or_insert_with(|| owed(live.secret, live.version));
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
        let Some(version) = secret.versions.get(&secret.current).filter(|it| !it.destroyed) else {
            return false;
        };
        agent.active
            && agent.environment == secret.environment
            && agent.effective().credentials().any(|(tool, _, credential)| {
                let reference = &credential.secret_ref;
                agent.effective().may_use(tool)
                    && self.store_target(&agent.environment, reference).as_ref()
                        == Some(&secret.name)
                    && self.expiry(agent, reference, version).is_none_or(|end| now < end)
            })
    }

    /// Whether an agent is bound to a store secret at all, whether or not it may have it now.
    #[must_use]
    pub fn binds(&self, agent: AgentId, name: &SecretName) -> bool {
        self.agents.get(&agent).is_some_and(|agent| {
            self.subscribers(&agent.environment, name).any(|subscriber| subscriber == agent.id)
        })
    }

    /// What a ref of an environment comes to.
    #[must_use]
    pub fn resolve(&self, environment: &EnvironmentName, name: &SecretName) -> Resolution {
        let reference = self.reference(environment, name);
        let alias = reference
            .and_then(|reference| reference.provider.clone())
            .unwrap_or_else(|| self.active_provider(environment));
        match self.provider_kind(&alias) {
            Some(ProviderKind::Store) => {
                let target = reference.and_then(|reference| reference.target.as_deref());
                match target.map_or_else(|| Ok(name.clone()), SecretName::parse) {
                    Ok(target) => Resolution::Store(target),
                    Err(error) => Resolution::Unresolved {
                        reason: format!("its target cannot be in the store: {error}"),
                        fix: format!("name a secret of the store as the target of ref {name:?}"),
                    },
                }
            }
            Some(kind) => Resolution::Unresolved {
                reason: format!(
                    "provider {alias:?} is of type `{}`, which this broker does not serve yet",
                    kind.as_str()
                ),
                fix: format!(
                    "set `\"provider\": \"store\"` for ref {name:?} and apply again, then run \
                     `secretref put {name}`"
                ),
            },
            None => Resolution::Unresolved {
                reason: format!("provider {alias:?} is not set up"),
                fix: format!("name it under `secrets.providers.{alias}` and apply again"),
            },
        }
    }

    /// The store secret that a ref comes to, where it comes to one.
    #[must_use]
    pub fn store_target(
        &self,
        environment: &EnvironmentName,
        name: &SecretName,
    ) -> Option<SecretName> {
        match self.resolve(environment, name) {
            Resolution::Store(target) => Some(target),
            Resolution::Unresolved { .. } => None,
        }
    }

    fn provider_kind(&self, alias: &ProviderAlias) -> Option<ProviderKind> {
        match self.providers.get(alias) {
            Some(spec) => Some(spec.kind),
            None => ProviderKind::parse(alias.as_str()),
        }
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
                };
                (target, credential.stale_max_ms)
            })
            .collect()
    }

    fn value_of(
        &self,
        agent: &Agent,
        target: &DesiredTarget,
        now: Timestamp,
    ) -> Result<Live<'_>, (String, String, bool)> {
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
        let name = match self.resolve(&agent.environment, &target.reference) {
            Resolution::Store(name) => name,
            Resolution::Unresolved { reason, fix } => return Err((reason, fix, false)),
        };
        let put = |reason: String| (reason, format!("secretref put {name}"), false);
        let secret = self
            .secret_named(&agent.environment, &name)
            .ok_or_else(|| put(format!("secret {name:?} is not in the store")))?;
        if secret.deleted_at.is_some() {
            return Err((
                format!("secret {name:?} is deleted"),
                format!("secretref undelete {name}"),
                false,
            ));
        }
        let version = secret
            .versions
            .get(&secret.current)
            .filter(|version| !version.destroyed)
            .ok_or_else(|| put(format!("secret {name:?} has no current version")))?;
        let expires_at = self.expiry(agent, &target.reference, version);
        match expires_at {
            Some(end) if end <= now => Err(put(format!("secret {name:?} expired at {end}"))),
            _ => Ok(Live { secret, version, expires_at }),
        }
    }

    /// When a version that comes by a ref stops being valid: the ref has a say where the version
    /// has none.
    fn expiry(
        &self,
        agent: &Agent,
        reference: &SecretName,
        version: &SecretVersion,
    ) -> Option<Timestamp> {
        let reference = self.reference(&agent.environment, reference);
        version.expires_at.or(reference.and_then(|reference| reference.expires_at))
    }
}

/// A version that may be handed out.
struct Live<'l> {
    secret: &'l Secret,
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

fn owed(secret: &Secret, version: &SecretVersion) -> DesiredSecret {
    DesiredSecret {
        secret: secret.id,
        name: secret.name.clone(),
        version: secret.current,
        digest: version.digest,
        expires_at: version.expires_at,
        stale_max_ms: None,
        targets: Vec::new(),
    }
}
