//! Rotations that failed, those that stand still, and credentials that are to be tested.

use super::of_ref;
use crate::{
    alert::Severity,
    clock::Timestamp,
    condition::{Bounds, Condition, ConditionKind, Seen, Trial},
    id::SecretId,
    ledger::Ledger,
    name::{EnvironmentName, SecretName},
    rotation::{Phase, Rotation, RotationPolicy, RotatorKind, Waiting},
};
use std::collections::HashMap;

impl Ledger {
    /// The refs whose credential is to be tested at its service at a time: once in so many
    /// seconds, and sooner where another one has come than the one that was refused. `jitter`
    /// gives each secret a number between 0 and 1 of its own.
    #[must_use]
    pub fn due_trials(
        &self,
        trials: &HashMap<SecretId, Trial>,
        every_seconds: i64,
        jitter: impl Fn(SecretId) -> f64,
        now: Timestamp,
    ) -> Vec<(EnvironmentName, SecretName)> {
        let is_due = |environment: &EnvironmentName, name: &SecretName| {
            let policy = self.policy(environment, name)?;
            let kind = self.rotator(&policy.rotator)?.kind;
            let secret = self.rotated_secret(environment, name)?;
            let version = secret.versions.get(&secret.current)?;
            // What is made at random works nowhere but here; and a rotation tests by itself.
            if kind == RotatorKind::Random || self.rotation_of(secret.id).is_some() {
                return None;
            }
            #[expect(clippy::cast_possible_truncation, reason = "a part of some days")]
            #[expect(clippy::cast_precision_loss, reason = "a part of some days")]
            let part = |of: f64| (every_seconds as f64 * of) as i64;
            let own = jitter(secret.id).clamp(0.0, 1.0);
            let due = match trials.get(&secret.id) {
                None => version.created_at.plus_seconds(part(own)),
                Some(trial) if trial.refused.is_some() && trial.version != secret.current => now,
                Some(trial) => trial.at.plus_seconds(part(0.9 + own / 10.0)),
            };
            (due <= now).then_some(())
        };
        let all = self.references.keys();
        let due = all.filter(|(environment, name)| is_due(environment, name).is_some());
        due.cloned().collect()
    }

    /// How a ref is rotated, where it is.
    pub(super) fn policy(
        &self,
        environment: &EnvironmentName,
        name: &SecretName,
    ) -> Option<&RotationPolicy> {
        self.reference(environment, name)?.rotation.as_ref()
    }

    /// The last rotation of a ref that is over failed, and nobody has put another value since.
    pub(super) fn rotation_failed(
        &self,
        environment: &EnvironmentName,
        name: &SecretName,
    ) -> Option<Condition> {
        // One that is not rotated any more has no rotation to fail.
        self.policy(environment, name)?;
        let mut over = self.rotations_of(environment, name).filter(|it| it.phase.is_over());
        let last = over.next()?;
        let Phase::Failed { why } = &last.phase else { return None };
        let secret = self.secret(last.secret)?;
        let current = secret.versions.get(&secret.current)?;
        // Going back is done when it begins to be withdrawn, which is before it has failed.
        if secret.deleted_at.is_some() || current.created_at > last.since {
            return None;
        }
        let failed = |it: &&Rotation| matches!(it.phase, Phase::Failed { .. });
        let since = over.take_while(failed).last().map_or(last.since, |first| first.since);
        Some(Condition {
            key: of_ref(ConditionKind::RotationFailed, environment, name),
            severity: Severity::Error,
            since,
            ends: None,
            message: format!("its rotation failed, and everybody is on the old one: {why}"),
            fix: self.whole(environment, format!("secretref rotate {name}")),
        })
    }

    pub(super) fn rotation_stuck(
        &self,
        environment: &EnvironmentName,
        name: &SecretName,
        seen: &Seen,
        bounds: &Bounds,
        now: Timestamp,
    ) -> Option<Condition> {
        let secret = self.rotated_secret(environment, name)?;
        let rotation = self.rotation_of(secret.id).filter(|it| it.reference == *name)?;
        let since = match rotation.phase {
            // So long it is meant to stand still.
            Phase::Draining { until } => until.max(rotation.since),
            _ => rotation.since,
        };
        if now < since.plus_seconds(bounds.stuck_seconds) {
            return None;
        }
        let waits = seen.waits.get(&rotation.id).map(Vec::as_slice).unwrap_or_default();
        let waits = match (&rotation.trouble, waits) {
            (Some(trouble), _) => trouble.message.clone(),
            (None, []) => "a broker that goes on with it".to_owned(),
            (None, [first, rest @ ..]) => {
                let more = if rest.is_empty() {
                    String::new()
                } else {
                    format!(", and {} more", rest.len())
                };
                format!("{}{more}", who_is_waited_for(first))
            }
        };
        let phase = rotation.phase.as_str();
        Some(Condition {
            key: of_ref(ConditionKind::RotationStuck, environment, name),
            severity: Severity::Warning,
            since,
            ends: None,
            message: format!(
                "its rotation is {phase} since {}; it waits for: {waits}",
                rotation.since
            ),
            fix: self.whole(environment, format!("secretref rotate status {name}")),
        })
    }

    /// The rotations of a ref, the newest first.
    fn rotations_of<'l>(
        &'l self,
        environment: &EnvironmentName,
        name: &SecretName,
    ) -> impl Iterator<Item = &'l Rotation> {
        let (environment, name) = (environment.clone(), name.clone());
        let all = self.rotations().rev();
        all.filter(move |it| it.environment == environment && it.reference == name)
    }
}

fn who_is_waited_for(waiting: &Waiting) -> String {
    match (&waiting.agent, waiting.instance) {
        (Some(agent), Some(instance)) => {
            format!("agent {agent} (instance {instance}), which {}", waiting.what)
        }
        (Some(agent), None) => format!("agent {agent}, which {}", waiting.what),
        _ => waiting.what.clone(),
    }
}
