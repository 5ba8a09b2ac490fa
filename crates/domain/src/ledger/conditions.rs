//! What is so in an environment and people should know of. It stops nothing.

mod providers;
mod rotations;

use super::{Agent, Ledger, Missing, Resolution, Secret};
use crate::{
    alert::Severity,
    clock::Timestamp,
    condition::{Behind, Bounds, Condition, ConditionKey, ConditionKind, Seen, TrailAlarm},
    name::{AgentName, EnvironmentName, SecretName},
};
use std::collections::{BTreeMap, BTreeSet};

impl Ledger {
    /// Everything that is so in an environment at a time.
    #[must_use]
    pub fn conditions(
        &self,
        environment: &EnvironmentName,
        seen: &Seen,
        bounds: &Bounds,
        now: Timestamp,
    ) -> Vec<Condition> {
        let mut found = self.conditions_of_providers(environment, bounds, now);
        for name in self.watched(environment) {
            found.extend(self.conditions_of(environment, &name, seen, bounds, now));
        }
        for agent in self.agents_after(environment, None) {
            found.extend(self.conditions_of_agent(agent, seen, now));
        }
        found
    }

    /// The names whose conditions [`Ledger::conditions_of`] says: refs, what is bound without
    /// being one, and secrets that no ref gives.
    #[must_use]
    pub fn watched(&self, environment: &EnvironmentName) -> BTreeSet<SecretName> {
        let refs = self.references(environment).map(|(name, _)| name.clone());
        let mut names: BTreeSet<SecretName> =
            refs.chain(self.bound_refs(environment).into_keys()).collect();
        let given: BTreeSet<SecretName> = names
            .iter()
            .flat_map(|name| self.chain(environment, name))
            .filter_map(|link| link.secret)
            .collect();
        let others = self.secrets_after(environment, None).map(|secret| &secret.name);
        let others = others.filter(|name| name.copied_ref().is_none() && !given.contains(*name));
        names.extend(others.cloned().collect::<Vec<_>>());
        names
    }

    /// What is so of a ref: its value, its rotation, and those who have it.
    #[must_use]
    pub fn conditions_of(
        &self,
        environment: &EnvironmentName,
        name: &SecretName,
        seen: &Seen,
        bounds: &Bounds,
        now: Timestamp,
    ) -> Vec<Condition> {
        let mut found = Vec::new();
        found.extend(self.rotation_failed(environment, name));
        found.extend(self.rotation_stuck(environment, name, seen, bounds, now));
        let Resolution::Secret(resolved) = self.resolve(environment, name, None) else {
            return found;
        };
        let secret = self.secret_named(environment, &resolved.secret);
        let Some(secret) = secret.filter(|secret| secret.deleted_at.is_none()) else {
            return found;
        };
        found.extend(self.of_expiry(environment, name, secret, bounds, now));
        let rotates = self.policy(environment, name).is_some();
        if let Some(refusal) = seen.refused.get(&secret.id).filter(|_| rotates) {
            found.push(Condition {
                key: of_ref(ConditionKind::Refused, environment, name),
                severity: Severity::Error,
                since: refusal.since,
                ends: None,
                message: format!("its service refuses it: {}", refusal.message),
                fix: self.renewal(environment, name, secret),
            });
        }
        found.extend(self.never_used(environment, name, secret, seen, bounds, now));
        found.extend(self.lagging(environment, name, secret, seen, bounds, now));
        found
    }

    /// What is so of an agent: bindings that it may not have, or that come to nothing, and what its
    /// sidecars find wrong with the audit trail.
    #[must_use]
    pub fn conditions_of_agent(
        &self,
        agent: &Agent,
        seen: &Seen,
        now: Timestamp,
    ) -> Vec<Condition> {
        if !agent.active {
            return Vec::new();
        }
        let missing = self.desired_when_active(agent, now, None).missing;
        let of = |missing: Missing| {
            let kind =
                if missing.denied { ConditionKind::Denied } else { ConditionKind::Unresolved };
            let key = ConditionKey {
                reference: Some(missing.target.reference),
                agent: Some(agent.name.clone()),
                tool: Some(missing.target.tool),
                ..ConditionKey::of(kind, agent.environment.clone())
            };
            let required = missing.target.required;
            Condition {
                key,
                severity: if required { Severity::Error } else { Severity::Warning },
                since: agent.updated_at,
                ends: None,
                message: missing.reason,
                fix: self.whole(&agent.environment, missing.fix),
            }
        };
        let alarmed = seen.alarms.get(&agent.id).and_then(|alarms| alarmed(agent, alarms));
        alarmed.into_iter().chain(missing.into_iter().map(of)).collect()
    }

    fn of_expiry(
        &self,
        environment: &EnvironmentName,
        name: &SecretName,
        secret: &Secret,
        bounds: &Bounds,
        now: Timestamp,
    ) -> Option<Condition> {
        let version = secret.versions.get(&secret.current).filter(|it| !it.destroyed)?;
        let reference = self.reference(environment, name);
        let end = version.expires_at.or(reference.and_then(|it| it.expires_at))?;
        let fix = self.renewal(environment, name, secret);
        if end <= now {
            return Some(Condition {
                key: of_ref(ConditionKind::Expired, environment, name),
                severity: Severity::Error,
                since: end,
                ends: Some(end),
                message: format!("its value expired at {end}"),
                fix,
            });
        }
        let before = reference.and_then(|it| it.rotation.as_ref());
        let before = before.map(|it| it.before_expiry_seconds).filter(|seconds| *seconds > 0);
        // Whoever rotates by itself is given half of its time before anybody is disturbed.
        let soon = match before.filter(|_| bounds.trusts_rotation) {
            Some(before) => bounds.expiring_seconds.min(before / 2),
            None => bounds.expiring_seconds,
        };
        let since = end.plus_seconds(-soon).max(version.created_at);
        let late = match before {
            Some(_) => "; it is rotated by itself before, and was not yet",
            None => "",
        };
        (end.plus_seconds(-soon) <= now).then(|| Condition {
            key: of_ref(ConditionKind::Expiring, environment, name),
            severity: Severity::Warning,
            since,
            ends: Some(end),
            message: format!("its value is valid until {end}{late}"),
            fix,
        })
    }

    fn never_used(
        &self,
        environment: &EnvironmentName,
        name: &SecretName,
        secret: &Secret,
        seen: &Seen,
        bounds: &Bounds,
        now: Timestamp,
    ) -> Option<Condition> {
        if seen.taken.contains(&secret.id) {
            return None;
        }
        let binds = |agent: &&Agent| {
            let mut credentials = agent.effective().credentials();
            agent.active && credentials.any(|(_, _, it)| it.secret_ref == *name)
        };
        let subscribers = self.subscribers(environment, &secret.name);
        let agents: Vec<&Agent> =
            subscribers.filter_map(|id| self.agent(id)).filter(binds).collect();
        let bound = agents.iter().map(|agent| agent.created_at).min()?;
        let since = bound.max(secret.created_at);
        let names: Vec<&str> = agents.iter().map(|agent| agent.name.as_str()).collect();
        (since.plus_seconds(bounds.unused_seconds) <= now).then(|| Condition {
            key: of_ref(ConditionKind::NeverUsed, environment, name),
            severity: Severity::Warning,
            since,
            ends: None,
            message: format!("no instance has ever taken it; bound by {}", listed(&names)),
            fix: format!("start the agents that are bound to {name:?}, or unbind and delete it"),
        })
    }

    fn lagging(
        &self,
        environment: &EnvironmentName,
        name: &SecretName,
        secret: &Secret,
        seen: &Seen,
        bounds: &Bounds,
        now: Timestamp,
    ) -> Vec<Condition> {
        let mut of: BTreeMap<&AgentName, Vec<&Behind>> = BTreeMap::new();
        for one in seen.behind.get(&secret.id).into_iter().flatten() {
            let Some(agent) = self.agent(one.agent) else { continue };
            let mut credentials = agent.effective().credentials();
            if credentials.any(|(_, _, it)| it.secret_ref == *name) {
                of.entry(&agent.name).or_default().push(one);
            }
        }
        let lags = |(agent, mut all): (&AgentName, Vec<&Behind>)| {
            let key = ConditionKey {
                agent: Some(agent.clone()),
                ..of_ref(ConditionKind::ConsumerLagging, environment, name)
            };
            let known = seen.told.contains(&key);
            all.retain(|it| known || it.since.plus_seconds(bounds.lagging_seconds) <= now);
            let first = all.iter().min_by_key(|it| (it.since, it.instance))?;
            let count = counted(all.len(), "instance");
            let (instance, stands) = (first.instance, &first.stands);
            Some(Condition {
                key,
                severity: Severity::Warning,
                since: first.since,
                ends: None,
                message: format!(
                    "{count} connected and not on {}: {instance} {stands}",
                    secret.current
                ),
                fix: self.whole(environment, format!("secretref status --agent {agent} --secrets")),
            })
        };
        of.into_iter().filter_map(lags).collect()
    }

    /// The command that gives a ref another value.
    fn renewal(&self, environment: &EnvironmentName, name: &SecretName, secret: &Secret) -> String {
        let rotates = self.policy(environment, name).is_some();
        let provider =
            secret.versions.get(&secret.current).and_then(|it| it.traits.origin.as_ref());
        match (rotates, provider) {
            (true, _) => self.whole(environment, format!("secretref rotate {name}")),
            (false, Some(origin)) => {
                format!("renew it in {}: it is taken over by itself", origin.source.provider)
            }
            (false, None) => self.whole(environment, format!("secretref put {}", secret.name)),
        }
    }

    /// A command as it has to be typed: whoever reads it does not know which environment is meant.
    fn whole(&self, environment: &EnvironmentName, fix: String) -> String {
        let elsewhere = environment != self.active_environment();
        match elsewhere && fix.starts_with("secretref ") {
            true => format!("{fix} --environment {environment}"),
            false => fix,
        }
    }
}

fn alarmed(agent: &Agent, alarms: &[TrailAlarm]) -> Option<Condition> {
    let first = alarms.iter().min_by_key(|alarm| (alarm.since, alarm.instance))?;
    let more = match alarms.len() - 1 {
        0 => String::new(),
        more => format!("; and {more} more of its instances find something"),
    };
    Some(Condition {
        key: ConditionKey {
            agent: Some(agent.name.clone()),
            ..ConditionKey::of(ConditionKind::TrailAlarm, agent.environment.clone())
        },
        severity: Severity::Error,
        since: first.since,
        ends: None,
        message: format!(
            "its instance {} finds the audit trail altered: {}{more}",
            first.instance, first.what
        ),
        fix: "secretref audit verify; see docs/audit.md".to_owned(),
    })
}

fn of_ref(kind: ConditionKind, environment: &EnvironmentName, name: &SecretName) -> ConditionKey {
    let reference = Some(name.clone());
    ConditionKey { reference, ..ConditionKey::of(kind, environment.clone()) }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// The first few names, and how many more there are.
fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(NAMES_SHOWN_MAX).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_SHOWN_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Names that one message has.
const NAMES_SHOWN_MAX: usize = 3;
