//! Rotations: which are under way, and which version of a secret an agent gets meanwhile.

use super::{Agent, Ledger, Secret, Touched};
use crate::{
    change::Change,
    clock::Timestamp,
    id::{RotationId, SecretId},
    limit::ROTATIONS_KEPT_MAX,
    name::{EnvironmentName, RotatorAlias, SecretName},
    reference::Reference,
    rotation::{Phase, Rotation, RotationPolicy, RotatorSpec, Trigger, rest_seconds},
    service,
    version::Version,
};

impl Ledger {
    /// A rotator.
    #[must_use]
    pub fn rotator(&self, alias: &RotatorAlias) -> Option<&RotatorSpec> {
        self.rotators.get(alias)
    }

    /// All rotators that are set up, by alias.
    pub fn rotators(&self) -> impl Iterator<Item = (&RotatorAlias, &RotatorSpec)> {
        self.rotators.iter()
    }

    /// A rotation, under way or over.
    #[must_use]
    pub fn rotation(&self, id: RotationId) -> Option<&Rotation> {
        self.rotations.get(&id)
    }

    /// All rotations that are known, the oldest first: those under way, and the last ones that are
    /// over.
    pub fn rotations(&self) -> impl DoubleEndedIterator<Item = &Rotation> {
        self.rotations.values()
    }

    /// The rotation of a secret that is under way.
    #[must_use]
    pub fn rotation_of(&self, secret: SecretId) -> Option<&Rotation> {
        self.rotations.get(self.rotating.get(&secret)?)
    }

    /// The version of a secret that an agent is to have: the current one, unless a rotation gives
    /// it the next already.
    #[must_use]
    pub fn version_for(&self, agent: &Agent, secret: &Secret) -> Version {
        let next = self.rotation_of(secret.id).and_then(|it| it.released_to(agent.id));
        // Whatever was put meanwhile is newer.
        next.filter(|next| *next > secret.current).unwrap_or(secret.current)
    }

    /// The refs that are due to be rotated by themselves at a time, each with its policy and what
    /// sets it off. `jitter` gives each secret a number between 0 and 1 of its own. One whose last
    /// rotation came to nothing rests first.
    pub fn due_rotations(
        &self,
        now: Timestamp,
        jitter: impl Fn(SecretId) -> f64,
    ) -> Vec<(EnvironmentName, SecretName, Trigger)> {
        let due =
            |((environment, name), reference): (&(EnvironmentName, SecretName), &Reference)| {
                let policy: &RotationPolicy = reference.rotation.as_ref()?;
                let secret = self.rotated_secret(environment, name)?;
                if self.rotating.contains_key(&secret.id) {
                    return None;
                }
                let version = secret.versions.get(&secret.current)?;
                let ends = version.expires_at.or(reference.expires_at);
                let trigger = policy.due(version.created_at, ends, jitter(secret.id), now)?;
                let rests = self.rests_until(secret.id).is_some_and(|until| now < until);
                (!rests).then(|| (environment.clone(), name.clone(), trigger))
            };
        self.references.iter().filter_map(due).collect()
    }

    /// Until when no rotation of a secret begins by itself, where the last ones came to nothing.
    fn rests_until(&self, secret: SecretId) -> Option<Timestamp> {
        let newest_first = self.rotations.values().rev().filter(|it| it.secret == secret);
        let mut in_vain =
            newest_first.take_while(|it| it.phase.is_over() && it.phase != Phase::Finished);
        let last = in_vain.next()?;
        Some(last.since.plus_seconds(rest_seconds(1 + in_vain.count())))
    }

    /// The secret behind a ref that a rotation of it replaces: that of the first place of its
    /// chain. None where it has no live version.
    #[must_use]
    pub fn rotated_secret(
        &self,
        environment: &EnvironmentName,
        reference: &SecretName,
    ) -> Option<&Secret> {
        let first = self.chain(environment, reference).into_iter().next()?;
        let secret = self.secret_named(environment, &first.secret?)?;
        let live = secret.versions.get(&secret.current).is_some_and(|it| !it.destroyed);
        (live && secret.deleted_at.is_none()).then_some(secret)
    }

    /// The service of a ref: what its manifest says, else what its secret says, else what the
    /// shape of its value says, else the first word of its name.
    #[must_use]
    pub fn service_of<'l>(
        &'l self,
        environment: &EnvironmentName,
        reference: &'l SecretName,
    ) -> &'l str {
        let said = self.reference(environment, reference).and_then(|it| it.service.as_deref());
        let secret = self.rotated_secret(environment, reference);
        let named = secret.map(|it| it.metadata.service.as_str()).filter(|it| !it.is_empty());
        let version = secret.and_then(|it| it.versions.get(&it.current));
        let shape = version.and_then(|it| it.traits.service.as_deref());
        said.or(named).or(shape).unwrap_or_else(|| service::of_name(reference))
    }

    pub(super) fn fold_rotation(&mut self, change: &Change) -> Touched {
        match change {
            Change::RotatorSet { alias, spec } => {
                self.rotators.insert(alias.clone(), spec.clone());
                Touched::default()
            }
            Change::RotationSet { rotation } => {
                let id = rotation.id;
                self.rotations.insert(id, Rotation::clone(rotation));
                if rotation.phase.is_over() {
                    self.rotating.remove(&rotation.secret);
                    self.forget_rotations();
                } else {
                    self.rotating.insert(rotation.secret, id);
                }
                let agents = self.subscribers(&rotation.environment, &rotation.name).collect();
                Touched { agents, ..Touched::default() }
            }
            _ => Touched::default(),
        }
    }

    /// The log has them all; here the last ones are kept.
    fn forget_rotations(&mut self) {
        while self.rotations.len() > ROTATIONS_KEPT_MAX {
            let mut over = self.rotations.iter().filter(|(_, it)| it.phase.is_over());
            let Some(oldest) = over.next().map(|(id, _)| *id) else { return };
            self.rotations.remove(&oldest);
        }
    }
}
