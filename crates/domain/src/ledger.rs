//! What the authority log folds to: every secret, agent, ref, token and administrator, as the
//! broker believes them. It holds no value and no key.
//!
//! One fold serves every reader: authorising a send, listing, status. There are no tables beside
//! the log that could say something else.

mod admins;
mod channels;
mod conditions;
mod desired;
mod findings;
mod fold;
mod groups;
mod rotations;
mod sources;

pub use admins::Admin;
pub use channels::ChannelAddress;
pub use desired::{Desired, DesiredSecret, DesiredTarget, Missing};
pub use findings::{Finding, FindingCode};
pub use fold::{FoldError, Touched};
pub use sources::{Link, Resolution, Resolved, SourceFault, SourceState};

use crate::{
    agent::AgentSpec,
    alert::{AlertChannel, ChannelName},
    change::{CertificateSlot, SecretMetadata, Serial, ValueTraits},
    clock::Timestamp,
    group::{Effective, GroupSpec},
    id::{AdminId, AgentId, Digest, InstanceId, RotationId, SecretId},
    limit::RECOVERY_SECONDS_MAX,
    name::{AgentName, EnvironmentName, GroupName, ProviderAlias, RotatorAlias, SecretName},
    reference::{ProviderSpec, Reference},
    rotation::{Rotation, RotatorSpec},
    version::{Revision, Version},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
};

/// The folded log.
#[derive(Debug, Clone)]
pub struct Ledger {
    revision: Revision,
    active_environment: EnvironmentName,
    environments: BTreeMap<EnvironmentName, Environment>,
    providers: BTreeMap<ProviderAlias, ProviderSpec>,
    references: BTreeMap<(EnvironmentName, SecretName), Reference>,
    /// What the places of each ref's chain answered last.
    sources: BTreeMap<(EnvironmentName, SecretName), sources::Places>,
    secrets: HashMap<SecretId, Secret>,
    secret_names: BTreeMap<(EnvironmentName, SecretName), SecretId>,
    groups: BTreeMap<(EnvironmentName, GroupName), GroupSpec>,
    channels: BTreeMap<(EnvironmentName, ChannelName), AlertChannel>,
    rotators: BTreeMap<RotatorAlias, RotatorSpec>,
    /// The rotations that are under way, and the last ones that are over.
    rotations: BTreeMap<RotationId, Rotation>,
    /// The rotation that is under way of each secret; derived.
    rotating: HashMap<SecretId, RotationId>,
    agents: HashMap<AgentId, Agent>,
    agent_names: BTreeMap<(EnvironmentName, AgentName), AgentId>,
    /// When agents were removed whose certificates may still be about.
    removed: BTreeMap<AgentId, Timestamp>,
    /// Which agents are bound to a store secret; derived.
    subscribers: HashMap<(EnvironmentName, SecretName), BTreeSet<AgentId>>,
    /// The same the other way round, so that one agent is taken out without a look at all.
    subscriptions: HashMap<AgentId, BTreeSet<(EnvironmentName, SecretName)>>,
    tokens: HashMap<Digest, Token>,
    admins: BTreeMap<AdminId, Admin>,
}

/// One environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Provider of refs that name none.
    pub active_provider: ProviderAlias,
}

/// One secret.
#[derive(Debug, Clone)]
pub struct Secret {
    /// Identity.
    pub id: SecretId,
    /// Environment.
    pub environment: EnvironmentName,
    /// Name.
    pub name: SecretName,
    /// Metadata.
    pub metadata: SecretMetadata,
    /// The version that agents receive.
    pub current: Version,
    /// Versions that are kept, at most [`crate::limit::VERSIONS_MAX`].
    pub versions: BTreeMap<Version, SecretVersion>,
    /// When it was first written.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was deleted, if it is.
    pub deleted_at: Option<Timestamp>,
}

/// One version of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretVersion {
    /// Fingerprint of the sealed value.
    pub digest: Digest,
    /// Length of the value in bytes.
    pub size: usize,
    /// When it was committed.
    pub created_at: Timestamp,
    /// When the value stops being valid.
    pub expires_at: Option<Timestamp>,
    /// The older version whose value this is.
    pub activated_from: Option<Version>,
    /// Whether its key is shredded.
    pub destroyed: bool,
    /// Whether it has not been current yet: a rotation decides who gets it.
    pub staged: bool,
    /// What else is known of the value.
    pub traits: ValueTraits,
}

/// One agent.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Identity.
    pub id: AgentId,
    /// Environment.
    pub environment: EnvironmentName,
    /// Name.
    pub name: AgentName,
    /// What it is, without its groups: see [`Agent::effective`].
    pub spec: AgentSpec,
    /// What it comes to with its groups; kept, as every push asks. None where it names no group.
    grouped: Option<Box<Effective>>,
    /// Whether it may come in: it is neither revoked nor quarantined.
    pub active: bool,
    /// Since when it is quarantined, if it is.
    pub quarantined_at: Option<Timestamp>,
    /// Its instances.
    pub instances: BTreeMap<InstanceId, Instance>,
    /// When it was first applied.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// One instance of an agent, with two certificate slots: the one that it renewed with last, and
/// the one that it got for it, so that a lost answer costs nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// When it enrolled.
    pub enrolled_at: Timestamp,
    /// The certificate that it used last for a renewal, or its first.
    pub current: CertificateSlot,
    /// The certificate that it got for that renewal.
    pub next: Option<CertificateSlot>,
}

impl Instance {
    /// When the newest certificate ends.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        let next = self.next.as_ref().map_or(self.current.not_after, |slot| slot.not_after);
        next.max(self.current.not_after)
    }

    /// Whether a certificate is one of the two that may be used.
    #[must_use]
    pub fn holds(&self, serial: &Serial) -> bool {
        self.current.serial == *serial
            || self.next.as_ref().is_some_and(|slot| slot.serial == *serial)
    }
}

/// A join token that can still matter: unspent, or spent so lately that it may be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Agent that it enrols.
    pub agent: AgentId,
    /// Until when it can be used.
    pub expires_at: Timestamp,
    /// Whether it lets a revoked agent in again.
    pub readmit: bool,
    /// What it was spent on.
    pub spent: Option<Spent>,
}

/// What a token was spent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// When.
    pub at: Timestamp,
    /// The instance that came to be.
    pub instance: InstanceId,
    /// Its public key.
    pub key: Digest,
}

impl Default for Ledger {
    fn default() -> Self {
        let name =
            |given| EnvironmentName::parse(given).unwrap_or_else(|_| unreachable!("a constant"));
        Self {
            revision: Revision::default(),
            active_environment: name("default"),
            environments: BTreeMap::new(),
            providers: BTreeMap::new(),
            references: BTreeMap::new(),
            sources: BTreeMap::new(),
            secrets: HashMap::new(),
            secret_names: BTreeMap::new(),
            groups: BTreeMap::new(),
            channels: BTreeMap::new(),
            rotators: BTreeMap::new(),
            rotations: BTreeMap::new(),
            rotating: HashMap::new(),
            agents: HashMap::new(),
            agent_names: BTreeMap::new(),
            removed: BTreeMap::new(),
            subscribers: HashMap::new(),
            subscriptions: HashMap::new(),
            tokens: HashMap::new(),
            admins: BTreeMap::new(),
        }
    }
}

impl Ledger {
    /// Revision of the last record that was folded.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The environment that requests without one mean.
    #[must_use]
    pub fn active_environment(&self) -> &EnvironmentName {
        &self.active_environment
    }

    /// Provider of an environment's refs that name none.
    #[must_use]
    pub fn active_provider(&self, environment: &EnvironmentName) -> ProviderAlias {
        self.environments.get(environment).map_or_else(
            || ProviderAlias::parse("store").unwrap_or_else(|_| unreachable!("a constant")),
            |environment| environment.active_provider.clone(),
        )
    }

    /// Settings of an environment, where a manifest named it.
    #[must_use]
    pub fn environment(&self, name: &EnvironmentName) -> Option<&Environment> {
        self.environments.get(name)
    }

    /// A provider.
    #[must_use]
    pub fn provider(&self, alias: &ProviderAlias) -> Option<&ProviderSpec> {
        self.providers.get(alias)
    }

    /// A ref of an environment.
    #[must_use]
    pub fn reference(
        &self,
        environment: &EnvironmentName,
        name: &SecretName,
    ) -> Option<&Reference> {
        self.references.get(&(environment.clone(), name.clone()))
    }

    /// All refs of an environment, by name.
    pub fn references(
        &self,
        environment: &EnvironmentName,
    ) -> impl Iterator<Item = (&SecretName, &Reference)> {
        self.references
            .iter()
            .filter(move |((of, _), _)| of == environment)
            .map(|((_, name), reference)| (name, reference))
    }

    /// All secrets of all environments, deleted ones too.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.secrets.values()
    }

    /// A secret by its identity.
    #[must_use]
    pub fn secret(&self, id: SecretId) -> Option<&Secret> {
        self.secrets.get(&id)
    }

    /// A secret by its name, deleted or not.
    #[must_use]
    pub fn secret_named(
        &self,
        environment: &EnvironmentName,
        name: &SecretName,
    ) -> Option<&Secret> {
        let id = self.secret_names.get(&(environment.clone(), name.clone()))?;
        self.secrets.get(id)
    }

    /// The secrets of an environment after a name, ordered by name, deleted ones too.
    pub fn secrets_after(
        &self,
        environment: &EnvironmentName,
        after: Option<&SecretName>,
    ) -> impl Iterator<Item = &Secret> {
        self.secret_names
            .iter()
            .filter(move |((of, name), _)| of == environment && after.is_none_or(|a| name > a))
            .filter_map(|(_, id)| self.secrets.get(id))
    }

    /// How many secrets an environment has, deleted ones too.
    #[must_use]
    pub fn secret_count(&self, environment: &EnvironmentName) -> usize {
        self.secret_names.keys().filter(|(of, _)| of == environment).count()
    }

    /// An agent by its identity.
    #[must_use]
    pub fn agent(&self, id: AgentId) -> Option<&Agent> {
        self.agents.get(&id)
    }

    /// Whether an agent was removed, as far back as a certificate of it may still be about: who is
    /// removed is told apart from who never was.
    #[must_use]
    pub fn was_removed(&self, id: AgentId) -> bool {
        self.removed.contains_key(&id)
    }

    /// An agent by its name.
    #[must_use]
    pub fn agent_named(&self, environment: &EnvironmentName, name: &AgentName) -> Option<&Agent> {
        let id = self.agent_names.get(&(environment.clone(), name.clone()))?;
        self.agents.get(id)
    }

    /// The agents of an environment after a name, ordered by name.
    pub fn agents_after(
        &self,
        environment: &EnvironmentName,
        after: Option<&AgentName>,
    ) -> impl Iterator<Item = &Agent> {
        self.agent_names
            .iter()
            .filter(move |((of, name), _)| of == environment && after.is_none_or(|a| name > a))
            .filter_map(|(_, id)| self.agents.get(id))
    }

    /// All providers that are set up, by alias.
    pub fn providers(&self) -> impl Iterator<Item = (&ProviderAlias, &ProviderSpec)> {
        self.providers.iter()
    }

    /// Every environment that has anything, by name.
    #[must_use]
    pub fn environments(&self) -> BTreeSet<EnvironmentName> {
        let named = self.environments.keys().chain([&self.active_environment]);
        let of_references = self.references.keys().map(|(of, _)| of);
        let of_agents = self.agent_names.keys().map(|(of, _)| of);
        let of_secrets = self.secret_names.keys().map(|(of, _)| of);
        named.chain(of_references).chain(of_agents).chain(of_secrets).cloned().collect()
    }

    /// The agents of every environment after one of them, ordered by environment and name.
    pub fn fleet_after(
        &self,
        after: Option<&(EnvironmentName, AgentName)>,
    ) -> impl Iterator<Item = &Agent> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rest =
            self.agent_names.range::<(EnvironmentName, AgentName), _>((start, Bound::Unbounded));
        rest.filter_map(|(_, id)| self.agents.get(id))
    }

    /// The agents that are bound to a store secret, revoked ones and those without the capability
    /// too: [`Ledger::owes`] says whether one gets it.
    pub fn subscribers(
        &self,
        environment: &EnvironmentName,
        name: &SecretName,
    ) -> impl Iterator<Item = AgentId> {
        self.subscribers.get(&(environment.clone(), name.clone())).into_iter().flatten().copied()
    }

    /// A join token.
    #[must_use]
    pub fn token(&self, token: &Digest) -> Option<&Token> {
        self.tokens.get(token)
    }

    /// The instance behind a certificate, where it may be used: the agent is active, the
    /// certificate is one of the instance's two, and it ends after `now`; with `recovering`, it
    /// may have ended up to 7 days ago.
    #[must_use]
    pub fn admitted(
        &self,
        agent: AgentId,
        instance: InstanceId,
        serial: &Serial,
        now: Timestamp,
        recovering: bool,
    ) -> Option<(&Agent, &Instance)> {
        let agent = self.agents.get(&agent).filter(|agent| agent.active)?;
        let instance = agent.instances.get(&instance).filter(|held| held.holds(serial))?;
        let slot = match &instance.next {
            Some(next) if next.serial == *serial => next,
            _ => &instance.current,
        };
        let grace = if recovering { RECOVERY_SECONDS_MAX } else { 0 };
        (now < slot.not_after.plus_seconds(grace)).then_some((agent, instance))
    }
}

#[cfg(test)]
mod tests;
