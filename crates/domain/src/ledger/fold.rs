//! Folding: one record after another. Only verified records come here, written by a broker that
//! had checked them, so a record that does not fit means that the log is not whole.

use super::{Agent, Environment, Instance, Ledger, Secret, SecretVersion, Spent, Token};
use crate::{
    agent::AgentSpec,
    change::{CertificateSlot, Change, Record, Serial},
    clock::Timestamp,
    id::{AgentId, Digest, InstanceId, SecretId},
    limit::{RECOVERY_SECONDS_MAX, REMOVED_SECONDS_KEPT, TOKEN_REPEAT_SECONDS_MAX, VERSIONS_MAX},
    name::{EnvironmentName, SecretName},
    version::{Revision, Version},
};
use std::collections::{BTreeMap, BTreeSet};

/// A record that does not fit what came before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the authority log is not whole: a record speaks of {kind} {id}, which is not there")]
pub struct FoldError {
    kind: &'static str,
    id: String,
}

/// Whom a record concerns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Agents whose set may have changed.
    pub agents: BTreeSet<AgentId>,
    /// Agents that are no longer admitted.
    pub revoked: BTreeSet<AgentId>,
    /// Instances that are no longer admitted.
    pub revoked_instances: BTreeSet<(AgentId, InstanceId)>,
}

impl Touched {
    /// Adds whom another record concerns.
    pub fn merge(&mut self, other: Self) {
        self.agents.extend(other.agents);
        self.revoked.extend(other.revoked);
        self.revoked_instances.extend(other.revoked_instances);
    }
}

impl Ledger {
    /// Folds one record of a revision and says whom it concerns.
    ///
    /// # Errors
    /// [`FoldError`] where it does not fit; the ledger is then not to be used.
    pub fn fold(&mut self, revision: Revision, record: &Record) -> Result<Touched, FoldError> {
        let at = record.at;
        let touched = match &record.change {
            Change::SecretPut { .. }
            | Change::VersionPromoted { .. }
            | Change::VersionDestroyed { .. }
            | Change::SecretDeleted { .. } => self.fold_secret(at, &record.change)?,
            Change::EnvironmentSet { .. }
            | Change::EnvironmentActivated { .. }
            | Change::ReferenceSet { .. }
            | Change::ReferenceRemoved { .. }
            | Change::ProviderSet { .. } => self.fold_reference(&record.change),
            Change::SourceObserved { environment, reference, source, observed } => {
                self.fold_source(at, environment, reference, source, observed)
            }
            Change::RotatorSet { .. } | Change::RotationSet { .. } => {
                self.fold_rotation(&record.change)
            }
            Change::GroupSet { .. } | Change::GroupRemoved { .. } => {
                self.fold_group(&record.change)
            }
            Change::ChannelSet { .. } | Change::ChannelRemoved { .. } => {
                self.fold_channel(&record.change)
            }
            Change::AgentSet { .. }
            | Change::AgentRemoved { .. }
            | Change::AgentRevoked { .. }
            | Change::AgentQuarantined { .. }
            | Change::AgentReleased { .. }
            | Change::InstanceRevoked { .. } => self.fold_agent(at, &record.change)?,
            Change::TokenMinted { .. }
            | Change::InstanceEnrolled { .. }
            | Change::CertificateRenewed { .. }
            | Change::AdminSet { .. }
            | Change::AdminRevoked { .. } => self.fold_identity(at, &record.change)?,
        };
        self.revision = revision;
        Ok(touched)
    }

    fn fold_secret(&mut self, at: Timestamp, change: &Change) -> Result<Touched, FoldError> {
        let secret = match change {
            Change::SecretPut { environment, secret, name, .. } => {
                self.secret_names.entry((environment.clone(), name.clone())).or_insert(*secret);
                self.fold_put(at, change);
                *secret
            }
            Change::VersionPromoted { secret, version } => {
                let found = self.secret_mut(*secret)?;
                found.updated_at = at;
                found.current = *version;
                let promoted = found.versions.get_mut(version);
                promoted.ok_or_else(|| missing("version", version))?.staged = false;
                *secret
            }
            Change::VersionDestroyed { secret, version } => {
                let found = self.secret_mut(*secret)?;
                found.updated_at = at;
                if let Some(version) = found.versions.get_mut(version) {
                    version.destroyed = true;
                }
                *secret
            }
            Change::SecretDeleted { secret, deleted } => {
                let found = self.secret_mut(*secret)?;
                found.updated_at = at;
                found.deleted_at = deleted.then_some(at);
                *secret
            }
            _ => return Ok(Touched::default()),
        };
        let found = &self.secrets[&secret];
        let agents = self.subscribers(&found.environment, &found.name).collect();
        Ok(Touched { agents, ..Touched::default() })
    }

    fn fold_put(&mut self, at: Timestamp, change: &Change) {
        let Change::SecretPut {
            environment,
            secret,
            name,
            version,
            digest,
            size,
            expires_at,
            activated_from,
            metadata,
            traits,
            staged,
        } = change
        else {
            return;
        };
        let found = self.secrets.entry(*secret).or_insert_with(|| Secret {
            id: *secret,
            environment: environment.clone(),
            name: name.clone(),
            metadata: metadata.clone(),
            current: *version,
            versions: BTreeMap::new(),
            created_at: at,
            updated_at: at,
            deleted_at: None,
        });
        found.metadata = metadata.clone();
        if !staged {
            found.current = *version;
        }
        found.updated_at = at;
        found.versions.insert(
            *version,
            SecretVersion {
                digest: *digest,
                size: *size,
                created_at: at,
                expires_at: *expires_at,
                activated_from: *activated_from,
                destroyed: false,
                staged: *staged,
                traits: traits.clone(),
            },
        );
        while found.versions.len() > VERSIONS_MAX
            && let Some(oldest) = found.oldest()
        {
            found.versions.remove(&oldest);
        }
    }

    fn fold_reference(&mut self, change: &Change) -> Touched {
        let agents = match change {
            Change::EnvironmentSet { environment, active_provider } => {
                let settings = Environment { active_provider: active_provider.clone() };
                self.environments.insert(environment.clone(), settings);
                self.forget_sources(environment, None);
                self.agents_of(environment, None)
            }
            Change::EnvironmentActivated { environment } => {
                self.active_environment = environment.clone();
                BTreeSet::new()
            }
            Change::ReferenceSet { environment, name, reference } => {
                let key = (environment.clone(), name.clone());
                self.references.insert(key, reference.clone());
                self.forget_sources(environment, Some(name));
                self.agents_of(environment, Some(name))
            }
            Change::ReferenceRemoved { environment, name } => {
                self.references.remove(&(environment.clone(), name.clone()));
                self.forget_sources(environment, Some(name));
                self.agents_of(environment, Some(name))
            }
            Change::ProviderSet { alias, spec } => {
                self.providers.insert(alias.clone(), spec.clone());
                self.agents.keys().copied().collect()
            }
            _ => BTreeSet::new(),
        };
        for agent in &agents {
            self.index(*agent);
        }
        Touched { agents, ..Touched::default() }
    }

    fn fold_agent(&mut self, at: Timestamp, change: &Change) -> Result<Touched, FoldError> {
        let mut touched = Touched::default();
        match change {
            Change::AgentSet { environment, agent, name, spec } => {
                self.unname(*agent);
                self.agent_names.insert((environment.clone(), name.clone()), *agent);
                let found = self.agents.entry(*agent).or_insert_with(|| Agent {
                    id: *agent,
                    environment: environment.clone(),
                    name: name.clone(),
                    spec: AgentSpec::clone(spec),
                    grouped: None,
                    active: true,
                    quarantined_at: None,
                    instances: BTreeMap::new(),
                    created_at: at,
                    updated_at: at,
                });
                // An agent that moves to another environment is the same one.
                found.environment = environment.clone();
                found.name = name.clone();
                found.spec = AgentSpec::clone(spec);
                found.updated_at = at;
                self.regroup(*agent);
                self.index(*agent);
                touched.agents.insert(*agent);
            }
            Change::AgentRemoved { agent } => {
                self.unname(*agent);
                self.agents.remove(agent).ok_or_else(|| missing("agent", agent))?;
                self.tokens.retain(|_, token| token.agent != *agent);
                self.unindex(*agent);
                self.removed.retain(|_, gone| at < gone.plus_seconds(REMOVED_SECONDS_KEPT));
                self.removed.insert(*agent, at);
                touched.revoked.insert(*agent);
            }
            Change::AgentRevoked { agent } => {
                let found = self.agent_mut(*agent)?;
                found.active = false;
                found.quarantined_at = None;
                found.instances.clear();
                found.updated_at = at;
                self.tokens.retain(|_, token| token.agent != *agent);
                touched.revoked.insert(*agent);
            }
            Change::AgentQuarantined { agent } => {
                let found = self.agent_mut(*agent)?;
                found.active = false;
                found.quarantined_at = Some(at);
                found.updated_at = at;
                self.tokens.retain(|_, token| token.agent != *agent);
                touched.revoked.insert(*agent);
            }
            Change::AgentReleased { agent } => {
                let found = self.agent_mut(*agent)?;
                // What was revoked since stays so.
                found.active |= found.quarantined_at.take().is_some();
                found.updated_at = at;
                touched.agents.insert(*agent);
            }
            Change::InstanceRevoked { agent, instance } => {
                self.agent_mut(*agent)?.instances.remove(instance);
                touched.revoked_instances.insert((*agent, *instance));
            }
            _ => {}
        }
        Ok(touched)
    }

    fn fold_identity(&mut self, at: Timestamp, change: &Change) -> Result<Touched, FoldError> {
        match change {
            Change::TokenMinted { token, agent, expires_at, readmit } => {
                // Nothing asks for a token that can neither be used nor repeated any more.
                self.tokens.retain(|_, token| {
                    let end = token.spent.as_ref().map_or(token.expires_at, |spent| spent.at);
                    at < end.plus_seconds(TOKEN_REPEAT_SECONDS_MAX)
                });
                let (agent, expires_at, readmit) = (*agent, *expires_at, *readmit);
                self.tokens.insert(*token, Token { agent, expires_at, readmit, spent: None });
            }
            Change::InstanceEnrolled { token, agent, instance, certificate } => {
                self.enrol(at, *token, *agent, *instance, certificate)?;
            }
            Change::CertificateRenewed { agent, instance, by, certificate } => {
                let found = self
                    .agent_mut(*agent)?
                    .instances
                    .get_mut(instance)
                    .ok_or_else(|| missing("instance", instance))?;
                renew(found, by, certificate);
            }
            Change::AdminSet { admin, name, roles, certificate } => {
                self.set_admin(at, *admin, name, roles, certificate);
            }
            Change::AdminRevoked { admin } => {
                self.admins.remove(admin).ok_or_else(|| missing("administrator", admin))?;
            }
            _ => {}
        }
        Ok(Touched::default())
    }

    fn enrol(
        &mut self,
        at: Timestamp,
        token: Digest,
        agent: AgentId,
        instance: InstanceId,
        certificate: &CertificateSlot,
    ) -> Result<(), FoldError> {
        let spent = Spent { at, instance, key: certificate.key };
        let found = self.tokens.get_mut(&token).ok_or_else(|| missing("token", &token))?;
        found.spent = Some(spent);
        let readmit = found.readmit;
        let found = self.agent_mut(agent)?;
        if readmit && found.quarantined_at.take().is_some() {
            // It begins anew: whoever has a certificate from before is not who has the token.
            found.instances.clear();
        }
        found.active |= readmit;
        // An instance that can no longer renew can no longer matter.
        found.instances.retain(|_, held| at < held.not_after().plus_seconds(RECOVERY_SECONDS_MAX));
        let (current, enrolled_at) = (certificate.clone(), at);
        found.instances.insert(instance, Instance { enrolled_at, current, next: None });
        Ok(())
    }

    pub(super) fn agents_of(
        &self,
        environment: &EnvironmentName,
        bound_to: Option<&SecretName>,
    ) -> BTreeSet<AgentId> {
        let bound = |agent: &&Agent| {
            agent.environment == *environment
                && bound_to.is_none_or(|name| {
                    agent.effective().credentials().any(|(_, _, it)| it.secret_ref == *name)
                })
        };
        self.agents.values().filter(bound).map(|agent| agent.id).collect()
    }

    /// Takes an agent's name away, unless another agent has it by now.
    fn unname(&mut self, agent: AgentId) {
        let Some(found) = self.agents.get(&agent) else { return };
        let key = (found.environment.clone(), found.name.clone());
        if self.agent_names.get(&key) == Some(&agent) {
            self.agent_names.remove(&key);
        }
    }

    pub(super) fn index(&mut self, agent: AgentId) {
        self.unindex(agent);
        let Some(found) = self.agents.get(&agent) else { return };
        let environment = found.environment.clone();
        let names: BTreeSet<(EnvironmentName, SecretName)> = found
            .effective()
            .credentials()
            .flat_map(|(_, _, it)| self.chain(&environment, &it.secret_ref))
            .filter_map(|link| Some((environment.clone(), link.secret?)))
            .collect();
        for key in &names {
            self.subscribers.entry(key.clone()).or_default().insert(agent);
        }
        self.subscriptions.insert(agent, names);
    }

    fn unindex(&mut self, agent: AgentId) {
        for key in self.subscriptions.remove(&agent).unwrap_or_default() {
            if let Some(agents) = self.subscribers.get_mut(&key) {
                agents.remove(&agent);
                if agents.is_empty() {
                    self.subscribers.remove(&key);
                }
            }
        }
    }

    fn secret_mut(&mut self, id: SecretId) -> Result<&mut Secret, FoldError> {
        self.secrets.get_mut(&id).ok_or_else(|| missing("secret", &id))
    }

    fn agent_mut(&mut self, id: AgentId) -> Result<&mut Agent, FoldError> {
        self.agents.get_mut(&id).ok_or_else(|| missing("agent", &id))
    }
}

/// Two slots: a renewal with the newer certificate proves that its answer arrived, and makes it
/// the current one; a renewal with the current one means that the answer was lost, and replaces it.
fn renew(instance: &mut Instance, by: &Serial, certificate: &CertificateSlot) {
    if let Some(next) = instance.next.take()
        && next.serial == *by
    {
        instance.current = next;
    }
    instance.next = Some(certificate.clone());
}

fn missing(kind: &'static str, id: &impl ToString) -> FoldError {
    FoldError { kind, id: id.to_string() }
}

impl Secret {
    /// The version that the next put pushes out, where there are as many as are kept.
    #[must_use]
    pub fn pushed_out(&self) -> Option<Version> {
        (self.versions.len() >= VERSIONS_MAX).then(|| self.oldest()).flatten()
    }

    /// The oldest version that is not the current one.
    fn oldest(&self) -> Option<Version> {
        self.versions.keys().copied().find(|version| *version != self.current)
    }

    /// The newest version, current or not.
    #[must_use]
    pub fn newest(&self) -> Version {
        self.versions.last_key_value().map_or(self.current, |(version, _)| *version)
    }
}
