//! Applying manifests: all of it or nothing.

use super::{
    Custody, CustodyError,
    plan::{Committed, Effects, Ground, Plan, Planned, RequestKey, event},
};
use secretref_domain::{
    audit::Event,
    caller::Caller,
    change::{Change, Record},
    id::AgentId,
    ledger::{Desired, Ledger},
    manifest::Manifest,
    name::{AgentName, EnvironmentName, SecretName},
    policy::Action,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What an apply wants.
pub struct Apply {
    /// The manifest, parsed.
    pub manifest: Manifest,
    /// Environment that it goes to; absent: the one that it names, else the active one.
    pub environment: Option<EnvironmentName>,
    /// Says what would change and changes nothing.
    pub validate_only: bool,
    /// Refuses refs that cannot be resolved.
    pub strict: bool,
    /// Removes what the manifest does not name.
    pub prune: bool,
}

/// What an apply did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Applied {
    /// Environment that it went to.
    pub environment: EnvironmentName,
    /// Everything that the manifest names, and what was removed.
    pub changes: Vec<AppliedChange>,
    /// Refs of the applied agents that have no value.
    pub unresolved: Vec<Unresolved>,
    /// What looks like a mistake and stops nothing.
    pub warnings: Vec<String>,
}

/// What an apply did with one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedChange {
    /// Kind of the thing.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What was done: `created`, `updated`, `unchanged`, `removed`.
    pub action: String,
}

/// A ref without a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unresolved {
    /// The ref.
    pub reference: SecretName,
    /// Agents that are bound to it.
    pub agents: BTreeSet<AgentName>,
    /// Why it has no value.
    pub reason: String,
    /// The command that helps.
    pub fix: String,
    /// Whether an agent cannot work without it.
    pub required: bool,
}

impl Custody {
    /// Applies a manifest.
    ///
    /// # Errors
    /// [`CustodyError`]; nothing is changed then.
    pub async fn apply(
        &self,
        caller: &Caller,
        apply: Apply,
        request: Option<RequestKey>,
    ) -> Result<Committed<Applied>, CustodyError> {
        let mut record = event(caller, "manifest.apply");
        record.object_kind = "manifest";
        record.request_id = request.map(|request| request.id.to_string()).unwrap_or_default();
        self.permit(caller, Action::AgentWrite, || record.clone()).await?;
        let plan: Plan<Applied> = Box::new(move |ground| plan(ground, &apply, &record));
        self.writer.change(request, plan).await
    }
}

fn plan(
    ground: &Ground<'_>,
    apply: &Apply,
    record: &Event,
) -> Result<Planned<Applied>, CustodyError> {
    let mut draft = Draft::new(ground, apply);
    draft.environments();
    draft.providers();
    draft.references();
    draft.agents();
    if apply.prune {
        draft.prune();
    }
    let after = draft.after()?;
    let unresolved = draft.unresolved(&after);
    if apply.strict
        && let Some(first) = unresolved.first()
    {
        return Err(CustodyError::Precondition {
            code: "UNRESOLVED_REFS",
            message: format!(
                "{} refs cannot be resolved, the first: {:?}: {}",
                unresolved.len(),
                first.reference.as_str(),
                first.reason
            ),
            fix: first.fix.clone(),
        });
    }
    let answer = Applied {
        environment: draft.environment,
        changes: draft.applied,
        unresolved,
        warnings: apply.manifest.warnings.clone(),
    };
    let effects = if apply.validate_only || draft.changes.is_empty() {
        Effects::default()
    } else {
        let events = events(&answer, record);
        Effects { changes: draft.changes, events, ..Effects::default() }
    };
    Ok(Planned { effects, answer })
}

fn events(applied: &Applied, record: &Event) -> Vec<Event> {
    let changed = applied.changes.iter().filter(|change| change.action != "unchanged");
    let event = |change: &AppliedChange| Event {
        environment: applied.environment.to_string(),
        object: change.name.clone(),
        object_kind: match change.kind.as_str() {
            "agent" => "agent",
            "ref" => "ref",
            "provider" => "provider",
            _ => "environment",
        },
        reason: change.action.clone(),
        ..record.clone()
    };
    changed.map(event).collect()
}

/// An apply in the making.
struct Draft<'a> {
    ground: &'a Ground<'a>,
    manifest: &'a Manifest,
    environment: EnvironmentName,
    changes: Vec<Change>,
    applied: Vec<AppliedChange>,
}

impl<'a> Draft<'a> {
    fn new(ground: &'a Ground<'a>, apply: &'a Apply) -> Self {
        let named = apply.environment.as_ref().or(apply.manifest.environment.as_ref());
        let environment = named.unwrap_or_else(|| ground.ledger.active_environment()).clone();
        let manifest = &apply.manifest;
        Self { ground, manifest, environment, changes: Vec::new(), applied: Vec::new() }
    }

    fn note(&mut self, kind: &str, name: impl ToString, before: Option<bool>, change: Change) {
        let action = match before {
            None => "created",
            Some(false) => "updated",
            Some(true) => "unchanged",
        };
        if before != Some(true) {
            self.changes.push(change);
        }
        let (kind, name, action) = (kind.to_owned(), name.to_string(), action.to_owned());
        self.applied.push(AppliedChange { kind, name, action });
    }

    fn environments(&mut self) {
        let mut named: BTreeSet<_> = self.manifest.environments.keys().cloned().collect();
        named.extend(self.manifest.active_provider.is_some().then(|| self.environment.clone()));
        for environment in named {
            let before = self.ground.ledger.environment(&environment);
            let ours = environment == self.environment;
            let active_provider = match &self.manifest.active_provider {
                Some(provider) if ours => provider.clone(),
                _ => self.ground.ledger.active_provider(&environment),
            };
            let same = before.map(|before| before.active_provider == active_provider);
            let change =
                Change::EnvironmentSet { environment: environment.clone(), active_provider };
            self.note("environment", environment, same, change);
        }
        if let Some(environment) = &self.manifest.environment
            && environment != self.ground.ledger.active_environment()
        {
            self.changes.push(Change::EnvironmentActivated { environment: environment.clone() });
            let (kind, name) = ("environment".to_owned(), environment.to_string());
            self.applied.push(AppliedChange { kind, name, action: "activated".into() });
        }
    }

    fn providers(&mut self) {
        for (alias, spec) in &self.manifest.providers {
            let same = self.ground.ledger.provider(alias).map(|before| before == spec);
            let change = Change::ProviderSet { alias: alias.clone(), spec: spec.clone() };
            self.note("provider", alias, same, change);
        }
    }

    fn references(&mut self) {
        let others = self.manifest.environments.keys().cloned();
        let environments: BTreeSet<_> = others.chain([self.environment.clone()]).collect();
        for environment in environments {
            for (name, reference) in self.manifest.references_in(&environment) {
                let before = self.ground.ledger.reference(&environment, &name);
                let same = before.map(|before| *before == reference);
                let shown = if environment == self.environment {
                    name.to_string()
                } else {
                    format!("{environment}:{name}")
                };
                let environment = environment.clone();
                self.note(
                    "ref",
                    shown,
                    same,
                    Change::ReferenceSet { environment, name, reference },
                );
            }
        }
    }

    fn agents(&mut self) {
        for (name, spec) in &self.manifest.agents {
            let before = self.ground.ledger.agent_named(&self.environment, name);
            let agent = before.map_or_else(|| AgentId(Uuid::now_v7()), |before| before.id);
            let same = before.map(|before| before.spec == *spec);
            let change = Change::AgentSet {
                environment: self.environment.clone(),
                agent,
                name: name.clone(),
                spec: spec.clone(),
            };
            self.note("agent", name, same, change);
        }
    }

    fn prune(&mut self) {
        let ledger = self.ground.ledger;
        let kept = self.manifest.references_in(&self.environment);
        for agent in ledger.agents_after(&self.environment, None) {
            if !self.manifest.agents.contains_key(&agent.name) {
                self.changes.push(Change::AgentRemoved { agent: agent.id });
                self.applied.push(removed("agent", &agent.name));
            }
        }
        for (name, _) in ledger.references(&self.environment) {
            if !kept.contains_key(name) {
                let environment = self.environment.clone();
                self.changes.push(Change::ReferenceRemoved { environment, name: name.clone() });
                self.applied.push(removed("ref", name));
            }
        }
    }

    /// The ledger as it would be.
    fn after(&self) -> Result<Ledger, CustodyError> {
        let mut after = self.ground.ledger.clone();
        let revision = after.revision().next();
        for change in &self.changes {
            let record = Record { at: self.ground.at, change: change.clone() };
            after
                .fold(revision, &record)
                .map_err(|error| CustodyError::Internal(error.to_string()))?;
        }
        Ok(after)
    }

    fn unresolved(&self, after: &Ledger) -> Vec<Unresolved> {
        let mut found: BTreeMap<SecretName, Unresolved> = BTreeMap::new();
        for name in self.manifest.agents.keys() {
            let agent = after.agent_named(&self.environment, name);
            let Some(agent) = agent else { continue };
            let Desired { missing, .. } = after.desired_when_active(agent, self.ground.at);
            for missing in missing.into_iter().filter(|missing| !missing.denied) {
                let reference = missing.target.reference.clone();
                let entry = found.entry(reference.clone()).or_insert_with(|| Unresolved {
                    reference,
                    agents: BTreeSet::new(),
                    reason: missing.reason,
                    fix: missing.fix,
                    required: false,
                });
                entry.agents.insert(name.clone());
                entry.required |= missing.target.required;
            }
        }
        found.into_values().collect()
    }
}

fn removed(kind: &str, name: &impl ToString) -> AppliedChange {
    AppliedChange { kind: kind.into(), name: name.to_string(), action: "removed".into() }
}
