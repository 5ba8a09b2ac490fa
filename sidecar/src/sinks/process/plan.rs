//! What a set means to a program: its variables, what it is to be told of, and whether all is
//! there that it cannot work without. Pure.

use super::{
    decide::{Place, Reaction, Want, Wants},
    environment::{self, fingerprint},
};
use crate::{
    config::Choice,
    snapshot::{Snapshot, Target},
};
use secretref_domain::{
    agent::{AgentSettings, OnRotate},
    name::{EnvVar, SecretName},
    value::SecretValue,
    version::Version,
};
use secretref_proto::v1::MissingRef;
use std::{collections::BTreeMap, ffi::OsString, sync::Arc};

/// One variable that a program is to have.
#[derive(Clone)]
pub struct Variable {
    /// Secret that it comes from.
    pub secret: SecretName,
    /// Version.
    pub version: Version,
    /// What a change of it means.
    pub reaction: Reaction,
    pub(super) value: Arc<SecretValue>,
}

/// What a set means to a program.
#[derive(Clone, Default)]
pub struct Plan {
    /// Its variables.
    pub variables: BTreeMap<EnvVar, Variable>,
    /// What it is to be told of.
    pub wants: Wants,
    /// Why it cannot be started, one line for each ref, each with its fix.
    pub lacking: Vec<String>,
    /// Whether it can be started: a set came, nothing lacks, and no lease of a variable lapsed.
    pub ready: bool,
    /// How it is run.
    pub settings: Arc<AgentSettings>,
}

impl Plan {
    /// The plan of a set. `missing` are the refs of the same manifest that have no value;
    /// `command` is what is run.
    #[must_use]
    pub fn new(
        snapshot: &Snapshot,
        missing: &[MissingRef],
        choice: &Choice,
        command: Vec<OsString>,
    ) -> Self {
        let settings = Arc::clone(snapshot.settings());
        let inherit = settings.process.inherit.clone();
        let wants = Wants { places: BTreeMap::new(), command, inherit };
        let mut plan = Self { wants, settings, ..Self::default() };
        let mut lapsed = false;
        let mut known = Known::new();
        for (name, held) in snapshot.entries() {
            for target in held.targets.iter() {
                let variable = variable(choice, target);
                lapsed |= variable.is_some() && held.value.is_none();
                if let Some(value) = &held.value {
                    let of_target = variable.clone().map(|it| (it, target.reference.clone()));
                    known.extend(of_target);
                    plan.add(choice, target, variable, (name, held.version, value));
                }
            }
        }
        plan.lacking = lacking_of(&known, missing, choice, lapsed);
        plan.ready = !snapshot.epoch().is_empty() && plan.lacking.is_empty() && !lapsed;
        plan
    }

    fn add(
        &mut self,
        choice: &Choice,
        target: &Target,
        variable: Option<EnvVar>,
        (name, version, value): (&SecretName, Version, &Arc<SecretValue>),
    ) {
        let fingerprint = fingerprint(value);
        let said = choice.on_rotate.clone().or_else(|| on_rotate(target));
        let as_variable = variable.is_some();
        let named = |default| said.clone().map_or(default, |said| reaction(&said));
        if let Some(variable) = variable {
            let reaction = named(Reaction::Restart);
            let held = Variable {
                secret: name.clone(),
                version,
                reaction: reaction.clone(),
                value: Arc::clone(value),
            };
            let want = Want { fingerprint, reaction };
            self.wants.places.insert(Place::Variable(variable.clone()), want);
            self.variables.insert(variable, held);
        }
        // A file that is a variable too is swapped in any case: what the variable asks for is all
        // that the program is told.
        let reaction = match as_variable {
            true => Reaction::Nothing,
            false => named(Reaction::Nothing),
        };
        let want = Want { fingerprint, reaction };
        self.wants.places.insert(Place::File(target.file.clone()), want);
    }
}

/// Which ref each variable of a program would come from: the secret behind it may be a copy, with a
/// name of its own.
type Known = BTreeMap<EnvVar, String>;

/// What a program cannot be started without, of a set whose values are still to come; one line for
/// each ref, each with its fix.
#[must_use]
pub fn lacking<'t>(
    targets: impl Iterator<Item = &'t [Target]>,
    missing: &[MissingRef],
    choice: &Choice,
) -> Vec<String> {
    let mut known = Known::new();
    for target in targets.flatten() {
        known.extend(variable(choice, target).map(|it| (it, target.reference.clone())));
    }
    lacking_of(&known, missing, choice, false)
}

/// What it cannot be started without. Of a ref without a value nobody says which variable it would
/// be: where only some are wanted, each of those has to be there.
fn lacking_of(known: &Known, missing: &[MissingRef], choice: &Choice, lapsed: bool) -> Vec<String> {
    let chosen = |missing: &&MissingRef| {
        choice.refs.is_empty()
            || choice.refs.iter().any(|(name, _)| name.as_str() == missing.secret_ref)
    };
    let missing: Vec<&MissingRef> = missing.iter().filter(chosen).collect();
    let say = |missing: &&MissingRef| {
        let MissingRef { secret_ref, reason, fix, tool, .. } = missing;
        let of_tool = match tool.as_str() {
            "" => String::new(),
            tool => format!(" (tool {tool})"),
        };
        format!("ref {secret_ref:?}{of_tool} is not resolvable: {reason}. Fix: {fix}")
    };
    let Some(only) = &choice.only_env else {
        let required = missing.iter().filter(|missing| missing.required);
        return required.map(say).chain(unbound(known, &missing, choice, lapsed)).collect();
    };
    let absent = only.iter().filter(|name| !known.contains_key(*name));
    let mut lines: Vec<String> = absent
        .filter(|_| !lapsed)
        .map(|name| {
            format!(
                "variable {:?} is no credential of the agent that has a value. Fix: bind it with \
                 `envVar` in the agent's manifest, or correct --only-env",
                name.as_str()
            )
        })
        .collect();
    if !lines.is_empty() {
        lines.extend(missing.iter().map(say));
    }
    lines
}

/// Refs that were asked for by name and are not the agent's at all.
fn unbound(known: &Known, missing: &[&MissingRef], choice: &Choice, lapsed: bool) -> Vec<String> {
    let is_known = |wanted: &SecretName, variable: Option<&EnvVar>| {
        lapsed
            || missing.iter().any(|missing| missing.secret_ref == wanted.as_str())
            || variable.is_some_and(|variable| known.contains_key(variable))
            || known.values().any(|reference| reference == wanted.as_str())
    };
    let asked = choice.refs.iter();
    let unknown = asked.filter(|(name, variable)| !is_known(name, variable.as_ref()));
    unknown
        .map(|(name, _)| {
            format!(
                "ref {:?} is no variable of the agent. Fix: bind it in the agent's manifest, or \
                 name its variable with --env",
                name.as_str()
            )
        })
        .collect()
}

/// Values of a set that cannot be variables, and why.
#[must_use]
pub fn unfit(snapshot: &Snapshot, choice: &Choice) -> BTreeMap<SecretName, String> {
    let held = snapshot.entries().filter_map(|(name, held)| {
        let mut targets = held.targets.iter();
        let why = environment::unfit(held.value.as_ref()?)?;
        targets.any(|target| variable(choice, target).is_some()).then(|| (name.clone(), why.into()))
    });
    held.collect()
}

/// The variable that a target becomes; `None` where it is not wanted as one.
#[must_use]
pub fn variable(choice: &Choice, target: &Target) -> Option<EnvVar> {
    let chosen = choice.refs.iter().find(|(name, _)| name.as_str() == target.reference);
    let variable = match chosen {
        None if !choice.refs.is_empty() => return None,
        Some((_, Some(named))) => Some(named.clone()),
        _ => target.env_var.clone(),
    };
    variable.filter(|name| choice.only_env.as_ref().is_none_or(|only| only.contains(name)))
}

fn on_rotate(target: &Target) -> Option<OnRotate> {
    OnRotate::try_from(target.on_rotate.clone()?).ok()
}

/// What a credential's `onRotate` means to a program that the sidecar runs; the others are hooks.
fn reaction(said: &OnRotate) -> Reaction {
    match said {
        OnRotate::Restart => Reaction::Restart,
        OnRotate::Signal(signal) => Reaction::Signal(signal.clone()),
        OnRotate::SignalFile { .. }
        | OnRotate::Http(_)
        | OnRotate::Exec(_)
        | OnRotate::OpenClaw
        | OnRotate::OpenClawProgram(_)
        | OnRotate::None => Reaction::Nothing,
    }
}

#[cfg(test)]
mod tests;
