//! What stands now and people ought to know before an agent goes without: values that end,
//! rotations that do not get anywhere, providers that fail.
//!
//! Each is an [`Alert`] whose words stay the same for as long as it stands, so that it is known
//! again: whoever watches compares what stands now with what stood before.

use super::{Ledger, Resolution};
use crate::{
    alert::{Alert, AlertKind},
    clock::Timestamp,
    fault::Fault,
    id::SecretId,
    name::{EnvironmentName, SecretName},
    rotation::{Phase, Rotation},
};
use std::collections::{BTreeMap, BTreeSet};

/// How far ahead an end is told of where nobody says: a week.
pub const EXPIRING_SECONDS_DEFAULT: i64 = 7 * 86_400;
/// How far ahead the end of a value is told of that is rotated by itself: what has not been done by
/// then is not going as it should.
const EXPIRING_ROTATED_SECONDS_MAX: i64 = 86_400;
/// How long a rotation may stay in a phase, beyond the overlap that it was given.
const STUCK_AFTER_SECONDS: i64 = 3_600;

impl Ledger {
    /// What stands in an environment at a time, ordered; an end is told of `expiring_seconds`
    /// ahead.
    #[must_use]
    pub fn conditions(
        &self,
        environment: &EnvironmentName,
        now: Timestamp,
        expiring_seconds: i64,
    ) -> BTreeSet<Alert> {
        let mut names: BTreeSet<SecretName> = self.bound_refs(environment).into_keys().collect();
        names.extend(self.references(environment).map(|(name, _)| name.clone()));
        let mut found = BTreeSet::new();
        for name in &names {
            found.extend(self.ending(environment, name, now, expiring_seconds));
            found.extend(self.failing(environment, name));
        }
        found.extend(self.newest_rotations(environment).filter_map(|it| self.hindered(it, now)));
        found
    }

    /// The end of a ref's value, where it is near or over.
    fn ending(
        &self,
        environment: &EnvironmentName,
        name: &SecretName,
        now: Timestamp,
        expiring_seconds: i64,
    ) -> Option<Alert> {
        let Resolution::Secret(resolved) = self.resolve(environment, name, None) else {
            return None;
        };
        let secret = self.secret_named(environment, &resolved.secret)?;
        let version = secret.versions.get(&secret.current)?;
        let reference = self.reference(environment, name);
        let end = version.expires_at.or_else(|| reference?.expires_at)?;
        let rotation = reference.and_then(|it| it.rotation.as_ref());
        let by_itself = rotation.is_some_and(|it| it.before_expiry_seconds > 0);
        let ahead = match by_itself {
            true => expiring_seconds.min(EXPIRING_ROTATED_SECONDS_MAX),
            false => expiring_seconds,
        };
        let fix = match (rotation, resolved.secret.copied_ref()) {
            (Some(_), _) => format!("secretref rotate {name}"),
            (None, None) => format!("secretref put {}", resolved.secret),
            (None, Some(_)) => format!("put a new value in provider {}", resolved.source.provider),
        };
        let (kind, reason) = match end {
            end if end <= now => (AlertKind::Expired, format!("its value ended {end}")),
            end if end <= now.plus_seconds(ahead) => {
                (AlertKind::Expiring, format!("its value ends {end}"))
            }
            _ => return None,
        };
        Some(Alert { reference: Some(name.clone()), reason, fix, ..of(kind, environment) })
    }

    /// Each place of a ref's chain that fails. Where it is the provider that fails, and not the one
    /// thing in it, the alert is the same for each of its refs.
    fn failing(&self, environment: &EnvironmentName, name: &SecretName) -> Vec<Alert> {
        let fails = |link: super::Link| {
            let state = self.source_state(environment, name, &link.source)?;
            let failing = &state.fault.as_ref()?.failing;
            let whole =
                matches!(failing.fault, Fault::Unreachable | Fault::Sealed | Fault::TimedOut);
            let reason = match whole {
                true => format!("it is {}", failing.fault),
                false => format!("{}: {}", failing.fault, failing.message),
            };
            Some(Alert {
                reference: (!whole).then(|| name.clone()),
                provider: Some(link.source.provider.clone()),
                reason,
                fix: format!("secretref provider check {}", link.source.provider),
                ..of(AlertKind::ProviderDegraded, environment)
            })
        };
        self.chain(environment, name).into_iter().filter_map(fails).collect()
    }

    /// The newest rotation of each secret of an environment.
    fn newest_rotations(&self, environment: &EnvironmentName) -> impl Iterator<Item = &Rotation> {
        let mut newest: BTreeMap<SecretId, &Rotation> = BTreeMap::new();
        for rotation in self.rotations().filter(|it| it.environment == *environment) {
            newest.insert(rotation.secret, rotation);
        }
        newest.into_values()
    }

    fn hindered(&self, rotation: &Rotation, now: Timestamp) -> Option<Alert> {
        let name = &rotation.reference;
        let alert = |kind, reason: String, fix: String| Alert {
            reference: Some(name.clone()),
            reason,
            fix,
            ..of(kind, &rotation.environment)
        };
        match &rotation.phase {
            Phase::Failed { why } if !self.was_put_since(rotation) => {
                let fix = format!("secretref rotate {name}");
                Some(alert(AlertKind::RotationFailed, why.clone(), fix))
            }
            phase if phase.is_over() => None,
            phase => {
                let from = match phase {
                    Phase::Draining { until } => rotation.since.max(*until),
                    _ => rotation.since,
                };
                let reason = format!("it is {} since {}", phase.as_str(), rotation.since);
                let fix = format!("secretref rotate status {name}");
                let stuck = from.plus_seconds(STUCK_AFTER_SECONDS) <= now;
                stuck.then(|| alert(AlertKind::RotationStuck, reason, fix))
            }
        }
    }

    /// Whether somebody put a value since a rotation began: that is the end of it. The old value
    /// that came back is nobody's.
    fn was_put_since(&self, rotation: &Rotation) -> bool {
        let Some(secret) = self.secret(rotation.secret) else { return true };
        let current = secret.versions.get(&secret.current);
        let came_back = current.is_some_and(|it| it.activated_from == Some(rotation.old));
        secret.current != rotation.old && Some(secret.current) != rotation.new && !came_back
    }
}

fn of(kind: AlertKind, environment: &EnvironmentName) -> Alert {
    Alert {
        kind,
        environment: environment.clone(),
        agent: None,
        tool: None,
        reference: None,
        provider: None,
        reason: String::new(),
        fix: String::new(),
    }
}
