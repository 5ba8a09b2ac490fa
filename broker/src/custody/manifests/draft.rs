//! An apply in the making: every thing that the manifest names, compared with what is kept.

mod channels;

use super::{Applied, AppliedChange, Apply, Unresolved, groups::Touched};
use crate::custody::{CustodyError, Itinerary, plan::Ground};
use secretref_domain::{
    agent::AgentSpec,
    change::{Change, Record},
    clock::Timestamp,
    id::AgentId,
    ledger::{Desired, Ledger},
    manifest::{Manifest, differences, render},
    name::{AgentName, EnvironmentName, GroupName, ProviderAlias, SecretName},
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Keys that one thing's differences list.
const DIFFERENCES_OF_ONE_MAX: usize = 100;
/// Keys that the differences of one apply list in all.
const DIFFERENCES_MAX: usize = 2_000;

/// An apply in the making.
pub(super) struct Draft<'a> {
    ground: &'a Ground<'a>,
    manifest: &'a Manifest,
    environment: EnvironmentName,
    prunes: bool,
    changes: Vec<Change>,
    applied: Vec<AppliedChange>,
    /// Keys that differences may still list; none are worked out unless they are asked for.
    differences_left: Option<usize>,
}

/// One thing that is named, before and after.
struct Thing<'t> {
    kind: &'static str,
    name: String,
    /// The keys that lead to it in a manifest.
    place: &'t [&'t str],
    before: Option<Value>,
    after: Option<Value>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(ground: &'a Ground<'a>, apply: &'a Apply) -> Self {
        let named = apply.environment.as_ref().or(apply.manifest.environment.as_ref());
        Self {
            ground,
            manifest: &apply.manifest,
            environment: named.unwrap_or_else(|| ground.ledger.active_environment()).clone(),
            changes: Vec::new(),
            applied: Vec::new(),
            prunes: apply.prune,
            differences_left: apply.validate_only.then_some(DIFFERENCES_MAX),
        }
    }

    /// Works through everything that the manifest names.
    pub(super) fn fill(&mut self) {
        self.environments();
        self.providers();
        self.rotators();
        self.references();
        self.groups();
        self.agents();
        self.channels();
        if self.prunes {
            self.prune();
        }
    }

    /// The places that would be asked anew: those of refs that the manifest names or binds, and
    /// those that it moves or whose provider it sets otherwise.
    pub(super) fn itinerary(&self) -> Result<Itinerary, CustodyError> {
        let before = Itinerary::of(self.ground.ledger);
        let mut after = Itinerary::of(&self.after()?);
        let credentials = self.manifest.agents.values().flat_map(AgentSpec::credentials);
        let mut named: BTreeSet<&SecretName> =
            credentials.map(|(_, _, credential)| &credential.secret_ref).collect();
        named.extend(self.manifest.references.keys());
        named.extend(self.manifest.environments.values().flat_map(BTreeMap::keys));
        let Itinerary { places, providers } = &mut after;
        places.retain(|place| {
            let alias = &place.source.provider;
            named.contains(&place.reference)
                || !before.places.contains(place)
                || before.providers.get(alias) != providers.get(alias)
        });
        Ok(after)
    }

    /// What is to be written, and what to answer.
    pub(super) fn finish(self, unresolved: Vec<Unresolved>) -> (Vec<Change>, Applied) {
        let applied = Applied {
            environment: self.environment,
            changes: self.applied,
            unresolved,
            warnings: self.manifest.warnings.clone(),
        };
        (self.changes, applied)
    }

    /// Notes what is done with a thing, and the change that does it, where anything is.
    fn note(&mut self, thing: Thing<'_>, change: Change) {
        let Thing { kind, name, place, before, after } = thing;
        let action = match (&before, &after) {
            (None, _) => "created",
            (Some(_), None) => "removed",
            (Some(before), Some(after)) if before == after => "unchanged",
            (Some(_), Some(_)) => "updated",
        };
        if action != "unchanged" {
            self.changes.push(change);
        }
        let (differences, more_differences) = self.differences(place, &before, &after);
        let (kind, action) = (kind.to_owned(), action.to_owned());
        self.applied.push(AppliedChange { kind, name, action, differences, more_differences });
    }

    fn differences(
        &mut self,
        place: &[&str],
        before: &Option<Value>,
        after: &Option<Value>,
    ) -> (Vec<secretref_domain::manifest::Difference>, usize) {
        let Some(left) = &mut self.differences_left else { return (Vec::new(), 0) };
        let mut found = differences(place, before.as_ref(), after.as_ref());
        let shown = found.len().min(DIFFERENCES_OF_ONE_MAX).min(*left);
        let more = found.len() - shown;
        found.truncate(shown);
        *left -= shown;
        (found, more)
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
            // A manifest can say the active provider of its own environment only.
            let settings = |provider: &ProviderAlias| match ours {
                true => json!({"active-provider": provider.as_str()}),
                false => json!({}),
            };
            let gateway = ["openclaw", "gateway", "secrets"];
            let thing = Thing {
                kind: "environment",
                name: environment.to_string(),
                place: if ours { &gateway } else { &["environments", environment.as_str()] },
                before: before.map(|before| settings(&before.active_provider)),
                after: Some(settings(&active_provider)),
            };
            let change =
                Change::EnvironmentSet { environment: environment.clone(), active_provider };
            self.note(thing, change);
        }
        self.activation();
    }

    fn activation(&mut self) {
        let before = self.ground.ledger.active_environment();
        let Some(environment) = self.manifest.environment.as_ref().filter(|it| *it != before)
        else {
            return;
        };
        let thing = Thing {
            kind: "environment",
            name: environment.to_string(),
            place: &["openclaw", "gateway", "environment"],
            before: Some(before.as_str().into()),
            after: Some(environment.as_str().into()),
        };
        self.note(thing, Change::EnvironmentActivated { environment: environment.clone() });
        if let Some(last) = self.applied.last_mut() {
            last.action = "activated".into();
        }
    }

    fn providers(&mut self) {
        for (alias, spec) in &self.manifest.providers {
            let thing = Thing {
                kind: "provider",
                name: alias.to_string(),
                place: &["secrets", "providers", alias.as_str()],
                before: self.ground.ledger.provider(alias).map(render::provider),
                after: Some(render::provider(spec)),
            };
            let change = Change::ProviderSet { alias: alias.clone(), spec: spec.clone() };
            self.note(thing, change);
        }
    }

    fn rotators(&mut self) {
        for (alias, spec) in &self.manifest.rotators {
            let thing = Thing {
                kind: "rotator",
                name: alias.to_string(),
                place: &["secrets", "rotators", alias.as_str()],
                before: self.ground.ledger.rotator(alias).map(render::rotator),
                after: Some(render::rotator(spec)),
            };
            let change = Change::RotatorSet { alias: alias.clone(), spec: spec.clone() };
            self.note(thing, change);
        }
    }

    fn references(&mut self) {
        let others = self.manifest.environments.keys().cloned();
        let environments: BTreeSet<_> = others.chain([self.environment.clone()]).collect();
        for environment in environments {
            for (name, reference) in self.manifest.references_in(&environment) {
                let before = self.ground.ledger.reference(&environment, &name);
                let before = before.map(render::reference);
                let after = Some(render::reference(&reference));
                self.note_reference(&environment, &name, before, after, {
                    let (environment, name) = (environment.clone(), name.clone());
                    Change::ReferenceSet { environment, name, reference }
                });
            }
        }
    }

    fn note_reference(
        &mut self,
        environment: &EnvironmentName,
        name: &SecretName,
        before: Option<Value>,
        after: Option<Value>,
        change: Change,
    ) {
        let ours = *environment == self.environment;
        let here = ["refMap", name.as_str()];
        let there = ["environments", environment.as_str(), "secrets", name.as_str()];
        let place: &[&str] = if ours { &here } else { &there };
        let shown = if ours { name.to_string() } else { format!("{environment}:{name}") };
        self.note(Thing { kind: "ref", name: shown, place, before, after }, change);
    }

    fn groups(&mut self) {
        for (name, spec) in &self.manifest.groups {
            let environment = self.environment.clone();
            let before = self.ground.ledger.group(&environment, name).map(render::group);
            let (name, spec) = (name.clone(), spec.clone());
            let after = Some(render::group(&spec));
            let change = Change::GroupSet { environment, name: name.clone(), spec };
            self.note_group(&name, before, after, change);
        }
    }

    fn note_group(
        &mut self,
        name: &GroupName,
        before: Option<Value>,
        after: Option<Value>,
        change: Change,
    ) {
        let place = &["groups", name.as_str()];
        self.note(Thing { kind: "group", name: name.to_string(), place, before, after }, change);
    }

    fn agents(&mut self) {
        for (name, spec) in &self.manifest.agents {
            let before = self.ground.ledger.agent_named(&self.environment, name);
            let agent = before.map_or_else(|| AgentId(Uuid::now_v7()), |before| before.id);
            let thing = Thing {
                kind: "agent",
                name: name.to_string(),
                place: &["agents", name.as_str()],
                before: before.map(|before| render::agent(&before.spec)),
                after: Some(render::agent(spec)),
            };
            let change = Change::AgentSet {
                environment: self.environment.clone(),
                agent,
                name: name.clone(),
                spec: Box::new(spec.clone()),
            };
            self.note(thing, change);
        }
    }

    /// Whom the changes concern.
    pub(super) fn touched(&self) -> Touched<'_> {
        let (mut set, mut removed) = (BTreeSet::new(), BTreeSet::new());
        for change in &self.changes {
            match change {
                Change::GroupSet { name, .. } => set.insert(name),
                Change::GroupRemoved { name, .. } => removed.insert(name),
                _ => false,
            };
        }
        let agents = self.manifest.agents.keys().collect();
        Touched { environment: &self.environment, agents, set, removed }
    }

    /// Removes agents, groups, refs and channels of the environment that the manifest does not
    /// name. Secrets and their values stay, as do providers and other environments.
    fn prune(&mut self) {
        self.prune_channels();
        let ledger = self.ground.ledger;
        let environment = self.environment.clone();
        let kept = self.manifest.references_in(&environment);
        for agent in ledger.agents_after(&environment, None) {
            if !self.manifest.agents.contains_key(&agent.name) {
                let thing = Thing {
                    kind: "agent",
                    name: agent.name.to_string(),
                    place: &["agents", agent.name.as_str()],
                    before: Some(render::agent(&agent.spec)),
                    after: None,
                };
                self.note(thing, Change::AgentRemoved { agent: agent.id });
            }
        }
        for (name, spec) in ledger.groups(&environment) {
            if !self.manifest.groups.contains_key(name) {
                let (environment, before) = (environment.clone(), Some(render::group(spec)));
                let change = Change::GroupRemoved { environment, name: name.clone() };
                self.note_group(name, before, None, change);
            }
        }
        for (name, reference) in ledger.references(&environment) {
            if !kept.contains_key(name) {
                let before = Some(render::reference(reference));
                let change = {
                    let (environment, name) = (environment.clone(), name.clone());
                    Change::ReferenceRemoved { environment, name }
                };
                self.note_reference(&environment, name, before, None, change);
            }
        }
    }

    /// The ledger as it would be.
    pub(super) fn after(&self) -> Result<Ledger, CustodyError> {
        let mut after = self.ground.ledger.clone();
        fold(&mut after, &self.changes, self.ground.at)?;
        Ok(after)
    }

    /// Refs of the manifest's agents and channels that would have no value.
    pub(super) fn unresolved(&self, after: &Ledger) -> Vec<Unresolved> {
        let agents = self.manifest.agents.keys().cloned().collect();
        let mut found = unresolved(after, &self.environment, &agents, self.ground.at);
        self.unresolved_channels(after, &mut found);
        found.into_values().collect()
    }
}

/// Refs of agents that would have no value.
pub(in crate::custody) fn unresolved(
    after: &Ledger,
    environment: &EnvironmentName,
    agents: &BTreeSet<AgentName>,
    at: Timestamp,
) -> BTreeMap<SecretName, Unresolved> {
    let mut found: BTreeMap<SecretName, Unresolved> = BTreeMap::new();
    for name in agents {
        let Some(agent) = after.agent_named(environment, name) else { continue };
        let Desired { missing, .. } = after.desired_when_active(agent, at, None);
        for missing in missing.into_iter().filter(|missing| !missing.denied) {
            let reference = missing.target.reference.clone();
            let entry = found.entry(reference.clone()).or_insert_with(|| Unresolved {
                reference,
                agents: BTreeSet::new(),
                channels: BTreeSet::new(),
                reason: missing.reason,
                fix: missing.fix,
                required: false,
            });
            entry.agents.insert(name.clone());
            entry.required |= missing.target.required;
        }
    }
    found
}

/// Folds changes that are not written yet.
pub(in crate::custody) fn fold(
    ledger: &mut Ledger,
    changes: &[Change],
    at: Timestamp,
) -> Result<(), CustodyError> {
    let revision = ledger.revision().next();
    for change in changes {
        let record = Record { at, change: change.clone(), trace: None };
        let folded = ledger.fold(revision, &record);
        folded.map_err(|error| CustodyError::Internal(error.to_string()))?;
    }
    Ok(())
}
