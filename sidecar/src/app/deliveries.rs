//! Each way by which the agent gets a secret, and what is known of it.

use super::place::There;
use crate::{
    config::Choice,
    link::report::{Way, delivery},
    sinks::{
        hooks::effect,
        process::{Has, plan::variable},
    },
    snapshot::{Snapshot, Target},
};
use secretref_domain::{agent::OnRotate, name::SecretName};
use secretref_proto::v1::{Delivery, Evidence, RotationEffect};

/// What the ways of a set are told by.
pub(super) struct Ways<'a> {
    /// The set that is in place.
    pub(super) snapshot: &'a Snapshot,
    /// The files that are in place.
    pub(super) there: &'a [There],
    /// What a program has, where one runs.
    pub(super) has: Option<&'a Has>,
    /// Which credentials the program gets; `None` where the sidecar runs none.
    pub(super) choice: Option<&'a Choice>,
}

impl Ways<'_> {
    /// The ways of one secret.
    pub(super) fn of(&self, name: &SecretName) -> Vec<Delivery> {
        let files = self.there.iter().filter(|there| there.secret == *name).map(|there| {
            let There { file, version, since, .. } = there;
            let target = self.targets(name).iter().find(|target| target.file == *file);
            let effect = target.map_or(RotationEffect::Nothing, |target| self.effect(target));
            let (file, version) = (file.as_str(), version.get());
            delivery(Way::File, file, version, Evidence::Written, Some(*since), effect)
        });
        files.chain(self.variables(name)).collect()
    }

    /// Why the program has not got a secret that it should have as a variable; `None` where it
    /// has, and where it is signalled, so that it reads its file.
    pub(super) fn lag(&self, name: &SecretName) -> Option<&'static str> {
        let wanted = self.snapshot.entry(name)?.version.get();
        let ways = self.variables(name);
        let behind = ways
            .iter()
            .find(|way| way.version != wanted && way.effect() != RotationEffect::Signal)?;
        Some(match behind.version {
            0 => "no program runs that could have it",
            _ => "the program keeps the value that it was started with",
        })
    }

    /// Whether the program passed its gate with what it was told of last.
    pub(super) fn is_gated(&self) -> bool {
        self.has.is_some_and(|has| has.gated)
    }

    fn variables(&self, name: &SecretName) -> Vec<Delivery> {
        let Some(choice) = self.choice else { return Vec::new() };
        let targets = self.targets(name).iter();
        let variables = targets.filter_map(|target| Some((variable(choice, target)?, target)));
        variables
            .map(|(variable, target)| {
                let place = variable.as_str();
                let there = self.has.and_then(|has| {
                    let (secret, version) = has.variables.get(&variable)?;
                    (secret == name).then_some((has, *version))
                });
                let effect = self.effect(target);
                let (version, evidence, since) = match there {
                    Some((has, version)) if has.gated => {
                        (version.get(), Evidence::Gated, Some(has.since))
                    }
                    Some((has, version)) => (version.get(), Evidence::Written, Some(has.since)),
                    None => (0, Evidence::Unspecified, None),
                };
                delivery(Way::Environment, place, version, evidence, since, effect)
            })
            .collect()
    }

    /// What the next rotation does to the agent's process.
    fn effect(&self, target: &Target) -> RotationEffect {
        let hook = effect::of(target.on_rotate.as_deref());
        let said = target.on_rotate.clone().and_then(|text| OnRotate::try_from(text).ok());
        let Some(choice) = self.choice else { return hook };
        let as_variable = variable(choice, target).is_some();
        let said = choice.on_rotate.clone().or(said);
        match said {
            Some(OnRotate::Restart) => self.restart(),
            None if as_variable => self.restart(),
            Some(OnRotate::Signal(_)) => RotationEffect::Signal,
            _ => hook,
        }
    }

    fn restart(&self) -> RotationEffect {
        match self.snapshot.settings().process.hand_over {
            true => RotationEffect::HandOver,
            false => RotationEffect::Restart,
        }
    }

    fn targets(&self, name: &SecretName) -> &[Target] {
        self.snapshot.entry(name).map(|held| &*held.targets).unwrap_or_default()
    }
}
