//! What is odd or wrong about the refs and bindings of an environment. It stops nothing: an agent
//! that gets what it needs gets it, whatever is found here.

use super::{Agent, Ledger, Missing, Resolution};
use crate::{
    clock::Timestamp,
    id::{AgentId, Digest},
    name::{AgentName, EnvironmentName, SecretName},
};
use std::collections::{BTreeMap, BTreeSet};

/// Something odd or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind it is.
    pub code: FindingCode,
    /// The ref or secret that it is about.
    pub subject: Option<SecretName>,
    /// Agents that it concerns.
    pub agents: BTreeSet<AgentName>,
    /// What is so, one line.
    pub message: String,
    /// The command, or the change, that helps.
    pub fix: String,
}

/// What kind of finding it is. The words are stable: scripts rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingCode {
    /// A bound ref comes to nothing.
    UnresolvedRef,
    /// A ref gives the last value that was seen, since no place answers.
    StaleRef,
    /// A ref's value comes from another place than the first of its chain.
    FallbackRef,
    /// No agent, provider or channel uses the ref.
    UnusedRef,
    /// The ref, or the binding, is past its deprecation date, and still bound.
    DeprecatedRef,
    /// A bound ref's value never expires.
    NoExpiry,
    /// A tool is bound that is not among its agent's capabilities, so it gets nothing.
    CapabilityMissing,
    /// An agent with bindings has no sidecar.
    AgentWithoutSidecar,
    /// Several secrets have one value.
    EqualValues,
    /// A value looks like an example.
    PlaceholderValue,
}

impl FindingCode {
    /// Every code with its word, the worst first.
    pub const ALL: [(&'static str, Self); 10] = [
        ("unresolved-ref", Self::UnresolvedRef),
        ("stale-ref", Self::StaleRef),
        ("fallback-ref", Self::FallbackRef),
        ("unused-ref", Self::UnusedRef),
        ("deprecated-ref", Self::DeprecatedRef),
        ("no-expiry", Self::NoExpiry),
        ("capability-missing", Self::CapabilityMissing),
        ("agent-without-sidecar", Self::AgentWithoutSidecar),
        ("equal-values", Self::EqualValues),
        ("placeholder-value", Self::PlaceholderValue),
    ];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, code)| *code == self).map_or("", |(word, _)| word)
    }

    /// Whether an agent goes without something.
    #[must_use]
    pub fn is_error(self) -> bool {
        self == Self::UnresolvedRef
    }
}

impl Ledger {
    /// Everything that is odd or wrong about an environment at a time, by code and subject.
    #[must_use]
    pub fn findings(
        &self,
        environment: &EnvironmentName,
        now: Timestamp,
        has_sidecar: impl Fn(AgentId) -> bool,
    ) -> Vec<Finding> {
        let bound = self.bound_refs(environment);
        let mut findings = self.unused(environment, &bound);
        for (name, agents) in &bound {
            findings.extend(self.of_ref(environment, name, agents, now));
        }
        for agent in self.agents_after(environment, None).filter(|agent| agent.active) {
            findings.extend(self.of_agent(agent, now, &has_sidecar));
        }
        findings.extend(self.of_values(environment));
        merge_unresolved(&mut findings);
        findings.sort_by(|one, other| {
            (one.code, &one.subject, &one.agents).cmp(&(other.code, &other.subject, &other.agents))
        });
        findings
    }

    /// Who is bound to each ref, whether or not he may have it.
    #[must_use]
    pub fn bound_refs(
        &self,
        environment: &EnvironmentName,
    ) -> BTreeMap<SecretName, BTreeSet<AgentName>> {
        let mut bound: BTreeMap<SecretName, BTreeSet<AgentName>> = BTreeMap::new();
        for agent in self.agents_after(environment, None) {
            for (_, _, credential) in agent.effective().credentials() {
                let agents = bound.entry(credential.secret_ref.clone()).or_default();
                agents.insert(agent.name.clone());
            }
        }
        bound
    }

    /// Refs that nobody is bound to, and that neither a provider nor another ref's chain needs.
    fn unused(
        &self,
        environment: &EnvironmentName,
        bound: &BTreeMap<SecretName, BTreeSet<AgentName>>,
    ) -> Vec<Finding> {
        let of_providers: BTreeSet<SecretName> =
            self.providers.values().flat_map(|spec| spec.own_refs()).collect();
        let used = |name: &SecretName| {
            bound.contains_key(name)
                || of_providers.contains(name)
                || self.is_channels(environment, name)
        };
        let unused = self.references(environment).filter(|(name, _)| !used(name));
        unused
            .map(|(name, _)| Finding {
                code: FindingCode::UnusedRef,
                subject: Some(name.clone()),
                agents: BTreeSet::new(),
                message: "no agent is bound to it (delete after migration)".to_owned(),
                fix: format!("remove {name:?} from the refMap and apply again with --prune"),
            })
            .collect()
    }

    /// Whether an alert channel's address is this ref.
    fn is_channels(&self, environment: &EnvironmentName, name: &SecretName) -> bool {
        let mut channels = self.channels(environment);
        channels.any(|(_, channel)| channel.secret_ref.as_ref() == Some(name))
    }

    fn of_ref(
        &self,
        environment: &EnvironmentName,
        name: &SecretName,
        agents: &BTreeSet<AgentName>,
        now: Timestamp,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut find = |code, message: String, fix: String| {
            let (subject, agents) = (Some(name.clone()), agents.clone());
            findings.push(Finding { code, subject, agents, message, fix });
        };
        let reference = self.reference(environment, name);
        let Resolution::Secret(resolved) = self.resolve(environment, name, None) else {
            return findings;
        };
        let secret = self.secret_named(environment, &resolved.secret);
        let dates = [
            reference.and_then(|it| it.deprecation_date),
            secret.and_then(|it| it.metadata.deprecation_date),
        ];
        if let Some(date) = dates.into_iter().flatten().find(|date| *date <= now) {
            let fix = format!("bind the agents to what replaces {name:?}, then remove the ref");
            find(FindingCode::DeprecatedRef, format!("deprecated since {date}, and bound"), fix);
        }
        let provider = resolved.source.provider.as_str();
        if let Some(stale) = &resolved.stale {
            let message = format!(
                "the last value that was seen in {provider:?}: it {} since {}",
                stale.failing.message, stale.since
            );
            find(FindingCode::StaleRef, message, stale.failing.fix.clone());
        } else if let Some(first) = &resolved.fallback_of {
            let message = format!("its value comes from {provider:?}, fallback of {first:?}");
            find(FindingCode::FallbackRef, message, format!("secretref provider check {first}"));
        }
        let version = secret.and_then(|secret| secret.versions.get(&secret.current));
        let ends = reference.is_some_and(|it| it.expires_at.is_some());
        if version.is_some_and(|version| version.expires_at.is_none()) && !ends {
            let fix = match resolved.secret.copied_ref() {
                None => {
                    format!("put it with --expires-at or --ttl, or set `expiresAt` of ref {name:?}")
                }
                Some(_) => format!("set `expiresAt` in {provider:?}, or of ref {name:?}"),
            };
            find(FindingCode::NoExpiry, "its value never expires".to_owned(), fix);
        }
        findings
    }

    fn of_agent(
        &self,
        agent: &Agent,
        now: Timestamp,
        has_sidecar: &impl Fn(AgentId) -> bool,
    ) -> Vec<Finding> {
        let name = agent.name.as_str();
        let only = || BTreeSet::from([agent.name.clone()]);
        let spec = agent.effective();
        let mut findings = Vec::new();
        for tool in spec.tools.keys().filter(|tool| !spec.may_use(tool)) {
            findings.push(Finding {
                code: FindingCode::CapabilityMissing,
                subject: None,
                agents: only(),
                message: format!("tool {tool:?} is bound and not a capability: it gets nothing"),
                fix: format!("add {tool:?} to the capabilities of agent {name:?}, or unbind it"),
            });
        }
        for (tool, _, credential) in spec.credentials() {
            let deprecated = credential.deprecation_date.filter(|date| *date <= now);
            if let Some(date) = deprecated {
                findings.push(Finding {
                    code: FindingCode::DeprecatedRef,
                    subject: Some(credential.secret_ref.clone()),
                    agents: only(),
                    message: format!("its binding to tool {tool:?} is deprecated since {date}"),
                    fix: format!("bind tool {tool:?} of agent {name:?} to what replaces it"),
                });
            }
        }
        if spec.credentials().next().is_some() && !has_sidecar(agent.id) {
            findings.push(Finding {
                code: FindingCode::AgentWithoutSidecar,
                subject: None,
                agents: only(),
                message: "no sidecar of it is connected".to_owned(),
                fix: format!("secretref run --agent {name}, or start its sidecar"),
            });
        }
        let desired = self.desired_when_active(agent, now, None);
        let missing = desired.missing.into_iter().filter(|missing| !missing.denied);
        findings.extend(missing.map(|Missing { target, reason, fix, .. }| Finding {
            code: FindingCode::UnresolvedRef,
            subject: Some(target.reference),
            agents: only(),
            message: reason,
            fix,
        }));
        findings
    }

    fn of_values(&self, environment: &EnvironmentName) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut same: BTreeMap<Digest, Vec<&SecretName>> = BTreeMap::new();
        for secret in self.secrets_after(environment, None) {
            let version = secret.versions.get(&secret.current).filter(|it| !it.destroyed);
            let Some(version) = version.filter(|_| secret.deleted_at.is_none()) else { continue };
            if version.traits.placeholder {
                findings.push(Finding {
                    code: FindingCode::PlaceholderValue,
                    subject: Some(secret.name.clone()),
                    agents: BTreeSet::new(),
                    message: format!("the value of {} looks like an example", secret.current),
                    fix: put_anew(&secret.name),
                });
            }
            if let Some(mark) = version.traits.mark {
                same.entry(mark).or_default().push(&secret.name);
            }
        }
        for names in same.values() {
            // The copies of one ref in several places are meant to be equal.
            let mut refs: BTreeSet<SecretName> = names
                .iter()
                .map(|name| name.copied_ref().unwrap_or_else(|| (*name).clone()))
                .collect();
            let first = refs.pop_first();
            let Some(first) = first.filter(|_| !refs.is_empty()) else { continue };
            let others: Vec<String> =
                refs.iter().map(|name| format!("{:?}", name.as_str())).collect();
            findings.push(Finding {
                code: FindingCode::EqualValues,
                subject: Some(first.clone()),
                agents: BTreeSet::new(),
                message: format!("it has the same value as {}", others.join(", ")),
                fix: format!("keep {first:?} alone, and map the other refs to it"),
            });
        }
        findings
    }
}

fn put_anew(name: &SecretName) -> String {
    match name.copied_ref() {
        None => format!("secretref put {name}"),
        Some(_) => format!("write the real one to the provider of {name}"),
    }
}

/// One finding for each ref that comes to nothing, with everybody who goes without.
fn merge_unresolved(findings: &mut Vec<Finding>) {
    let mut merged: BTreeMap<(Option<SecretName>, String), Finding> = BTreeMap::new();
    let all = std::mem::take(findings);
    for finding in all {
        if finding.code != FindingCode::UnresolvedRef {
            findings.push(finding);
            continue;
        }
        let key = (finding.subject.clone(), finding.message.clone());
        match merged.get_mut(&key) {
            Some(other) => other.agents.extend(finding.agents),
            None => drop(merged.insert(key, finding)),
        }
    }
    findings.extend(merged.into_values());
}
