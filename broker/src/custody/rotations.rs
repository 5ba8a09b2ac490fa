//! Rotations: begun, taken from one phase to the next, given up. Each phase is a record of the
//! authority log; what has to become true with it, a version that is staged, current or shredded,
//! is part of the same batch.

mod consumers;
mod events;
mod lease;
mod select;
mod trials;

use events::{rotation_event, step_event, told};
pub use lease::{Lease, Work};
pub(super) use select::rotatable;
pub use trials::ToTest;

use super::{
    Body, Custody, CustodyError, Place,
    expiry::own_expiry,
    plan::{Committed, Effects, Ground, Plan, Planned, event},
    secrets::{NewVersion, Rotated},
};
use secretref_domain::{
    caller::Caller,
    change::Change,
    clock::Timestamp,
    id::{RotationId, SecretId},
    ledger::Ledger,
    limit::REASON_BYTES_MAX,
    name::{EnvironmentName, RotatorAlias, SecretName},
    policy::Action,
    reference::ProviderKind,
    rotation::{Asked, Happened, Phase, Rotation, RotatorSpec, Trigger, waves},
    value::SecretValue,
    version::Version,
};
use std::sync::Arc;
use tokio::sync::watch;
use uuid::Uuid;

/// A rotation that is to begin.
#[derive(Debug, Clone)]
pub struct Begin {
    /// Environment; absent means the active one.
    pub environment: Option<EnvironmentName>,
    /// The ref.
    pub reference: SecretName,
    /// What for, at most 512 bytes.
    pub reason: String,
    /// What sets it off.
    pub trigger: Trigger,
    /// Without windows and without overlap.
    pub force: bool,
    /// Whether the service can hold two credentials at once.
    pub overlaps: bool,
}

/// What a step of a rotation came to.
pub struct Turn {
    /// The rotation.
    pub rotation: RotationId,
    /// The phase that the step was done in: where it is another by now, somebody else was faster.
    pub phase: Phase,
    /// What happened.
    pub happened: Happened,
}

impl Custody {
    /// Begins a rotation of a ref's first place.
    ///
    /// # Errors
    /// [`CustodyError`]; nothing is begun then.
    pub async fn begin_rotation(
        &self,
        caller: &Caller,
        begin: Begin,
    ) -> Result<Committed<Rotation>, CustodyError> {
        let environment = self.environment(begin.environment.clone());
        let record = rotation_event(caller, "rotation.begin", &environment, &begin.reference);
        self.permit(caller, Action::RotationWrite, || record.clone()).await?;
        if begin.reason.len() > REASON_BYTES_MAX {
            let problem = format!("it is longer than {REASON_BYTES_MAX} bytes");
            return Err(CustodyError::invalid("reason", problem));
        }
        let touched = self.touched_by(&environment, &begin.reference).await?;
        let by = caller.to_string();
        let plan: Plan<Rotation> = Box::new(move |ground| {
            let (policy, secret) = rotatable(ground.ledger, &environment, &begin.reference)?;
            let rotation = Rotation {
                id: RotationId(Uuid::now_v7()),
                environment: environment.clone(),
                reference: begin.reference.clone(),
                secret: secret.id,
                name: secret.name.clone(),
                rotator: policy.rotator.clone(),
                old: secret.current,
                new: None,
                phase: Phase::Minting,
                asked: Asked {
                    by,
                    reason: begin.reason,
                    trigger: begin.trigger,
                    force: begin.force,
                },
                began_at: ground.at,
                since: ground.at,
                overlap_seconds: policy.overlap_seconds,
                overlaps: begin.overlaps,
                waves: waves(touched, policy.restarts_at_once),
                evicted: std::collections::BTreeSet::new(),
                proofs: Vec::new(),
                trouble: None,
            };
            let mut record = record;
            (record.object_id, record.version) = (secret.id.0, secret.current.get());
            record.reason.clone_from(&rotation.asked.reason);
            let mut effects = Effects { events: vec![record], ..Effects::default() };
            effects.changes.push(set(&rotation));
            Ok(Planned { effects, answer: rotation })
        });
        self.writer.change(None, plan).await
    }

    /// Seals the credential that a rotation minted, as a version that is not current yet.
    ///
    /// # Errors
    /// [`CustodyError`]; `ROTATION_MOVED` where it is no longer waited for.
    pub async fn rotation_minted(
        &self,
        id: RotationId,
        value: SecretValue,
        expires_at: Option<Timestamp>,
        handle: Option<String>,
    ) -> Result<Rotation, CustodyError> {
        let caller = self.stepping().await?;
        let custody = self.clone();
        let plan: Plan<Rotation> = Box::new(move |ground| {
            let rotation = found(ground.ledger, id)?;
            let secret = ground.ledger.secret(rotation.secret).ok_or_else(|| gone(id))?;
            let lived = secret.versions.get(&rotation.old).and_then(|old| {
                Some(ground.at.plus_millis(old.expires_at?.millis_since(old.created_at)))
            });
            // What nobody says and nothing shows is as long as it was before.
            let shown = || own_expiry(&value).map(|own| own.at);
            let expires_at = expires_at.or_else(shown).or(lived);
            let new = NewVersion {
                secret: Some(secret),
                environment: rotation.environment.clone(),
                name: rotation.name.clone(),
                value,
                expires_at,
                activated_from: None,
                metadata: secret.metadata.clone(),
                origin: secret.versions.get(&rotation.old).and_then(|it| it.traits.origin.clone()),
                rotated: Some(Rotated { handle }),
            };
            let record = step_event(&caller, "rotation.mint", rotation);
            let sealed = custody.plan_version(ground, new, record)?;
            let version = sealed.answer.1.version;
            let next = moved(rotation, &Phase::Minting, Happened::Minted(version), ground.at)?;
            let mut effects = sealed.effects;
            effects.changes.push(set(&next));
            Ok(Planned { effects, answer: next })
        });
        Ok(self.writer.change(None, plan).await?.answer)
    }

    /// Takes a rotation to its next phase.
    ///
    /// # Errors
    /// [`CustodyError`]; `ROTATION_MOVED` where it is in another phase by now.
    pub async fn rotation_happened(&self, turn: Turn) -> Result<Rotation, CustodyError> {
        let caller = self.stepping().await?;
        self.turn(caller, turn).await
    }

    /// Gives a rotation up: everybody goes back to the old credential.
    ///
    /// # Errors
    /// [`CustodyError`]; a precondition where the old one is being revoked already.
    pub async fn abort_rotation(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        reference: &SecretName,
        reason: &str,
    ) -> Result<Rotation, CustodyError> {
        let rotation = self.rotation_under_way(caller, environment, reference).await?;
        let why = match reason {
            "" => format!("by {caller}"),
            reason => format!("by {caller}: {reason}"),
        };
        let happened = Happened::Aborted(why);
        let turn = Turn { rotation: rotation.id, phase: rotation.phase.clone(), happened };
        self.turn(caller.clone(), turn).await
    }

    /// Says that an instance never comes back, so that no rotation of a ref waits for it.
    ///
    /// # Errors
    /// [`CustodyError`].
    pub async fn evict_from_rotation(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        reference: &SecretName,
        instance: secretref_domain::id::InstanceId,
    ) -> Result<Rotation, CustodyError> {
        let rotation = self.rotation_under_way(caller, environment, reference).await?;
        let happened = Happened::Evicted(instance);
        let turn = Turn { rotation: rotation.id, phase: rotation.phase.clone(), happened };
        self.turn(caller.clone(), turn).await
    }

    /// Gives nobody time any more in the rotation of a ref that is under way, where one is that can
    /// be hurried: whoever may be on the old credential is still waited for. Returns it.
    ///
    /// # Errors
    /// [`CustodyError`].
    pub async fn hurry_rotation(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        reference: &SecretName,
    ) -> Result<Option<RotationId>, CustodyError> {
        let rotation = match self.rotation_under_way(caller, environment, reference).await {
            Ok(rotation) => rotation,
            Err(CustodyError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (id, phase) = (rotation.id, rotation.phase.clone());
        if !phase.can_turn_back() {
            return Ok(Some(id));
        }
        let turn = Turn { rotation: id, phase, happened: Happened::Hurried };
        match self.turn(caller.clone(), turn).await {
            // It went on by itself meanwhile.
            Ok(_) | Err(CustodyError::Precondition { code: "ROTATION_MOVED", .. }) => Ok(Some(id)),
            Err(error) => Err(error),
        }
    }

    async fn rotation_under_way(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        reference: &SecretName,
    ) -> Result<Rotation, CustodyError> {
        let environment = self.environment(environment);
        let record = || rotation_event(caller, "rotation.change", &environment, reference);
        self.permit(caller, Action::RotationWrite, record).await?;
        let ledger = self.shared.ledger();
        let mut all = ledger.rotations().rev();
        let ours = |it: &&Rotation| {
            it.environment == environment && it.reference == *reference && !it.phase.is_over()
        };
        all.find(ours).cloned().ok_or_else(|| CustodyError::NotFound {
            kind: "rotation under way of ref",
            name: reference.to_string(),
            fix: "secretref rotate history".to_owned(),
        })
    }

    /// All rotations that are known, the newest first.
    ///
    /// # Errors
    /// A denial.
    pub async fn rotations(&self, caller: &Caller) -> Result<Vec<Rotation>, CustodyError> {
        let record = || event(caller, "rotation.list");
        self.permit(caller, Action::MetadataRead, record).await?;
        Ok(self.shared.ledger().rotations().rev().cloned().collect())
    }

    /// The rotations that are under way.
    #[must_use]
    pub fn rotations_under_way(&self) -> Vec<Rotation> {
        let ledger = self.shared.ledger();
        ledger.rotations().filter(|it| !it.phase.is_over()).cloned().collect()
    }

    /// A rotation as it is now.
    #[must_use]
    pub fn rotation(&self, id: RotationId) -> Option<Rotation> {
        self.shared.ledger().rotation(id).cloned()
    }

    /// The current version of a secret.
    #[must_use]
    pub fn current_version(&self, secret: SecretId) -> Option<Version> {
        self.shared.ledger().secret(secret).map(|secret| secret.current)
    }

    /// A rotator that is set up.
    #[must_use]
    pub fn rotator(&self, alias: &RotatorAlias) -> Option<RotatorSpec> {
        self.shared.ledger().rotator(alias).cloned()
    }

    /// When the value of a version stops being valid.
    #[must_use]
    pub fn version_expiry(&self, secret: SecretId, version: Version) -> Option<Timestamp> {
        let ledger = self.shared.ledger();
        ledger.secret(secret)?.versions.get(&version)?.expires_at
    }

    /// The place that the value of a rotation belongs to; none where that is the store.
    #[must_use]
    pub fn rotation_place(&self, rotation: &Rotation) -> Option<Place> {
        let ledger = self.shared.ledger();
        let chain = ledger.chain(&rotation.environment, &rotation.reference);
        let link = chain.into_iter().find(|it| it.secret.as_ref() == Some(&rotation.name))?;
        (link.kind != Some(ProviderKind::Store)).then(|| Place {
            environment: rotation.environment.clone(),
            reference: rotation.reference.clone(),
            source: link.source,
        })
    }

    /// Number of the last round of sidecars' results that was saved, now and from now on.
    #[must_use]
    pub fn reports_saved(&self) -> watch::Receiver<u64> {
        self.shared.results.saved()
    }

    /// A credential that a rotation is about, and the service's own word for it; the read is
    /// recorded before the value is there.
    ///
    /// # Errors
    /// [`CustodyError`].
    pub async fn rotation_credential(
        &self,
        rotation: &Rotation,
        version: Version,
        why: &str,
    ) -> Result<(Arc<Body>, Option<String>), CustodyError> {
        let caller = self.stepping().await?;
        let handle = {
            let ledger = self.shared.ledger();
            let secret = ledger.secret(rotation.secret).ok_or_else(|| gone(rotation.id))?;
            let version = secret.versions.get(&version);
            version.and_then(|version| version.traits.handle.clone())
        };
        let body = self.body(&caller, rotation.secret, version).await?;
        let mut record = step_event(&caller, "secret.use", rotation);
        record.version = version.get();
        why.clone_into(&mut record.reason);
        self.writer.note(vec![record]).await?;
        Ok((body, handle))
    }

    async fn stepping(&self) -> Result<Caller, CustodyError> {
        let caller = Caller::Broker { id: self.broker() };
        self.permit(&caller, Action::RotationStep, || event(&caller, "rotation.step")).await?;
        Ok(caller)
    }

    async fn turn(&self, caller: Caller, turn: Turn) -> Result<Rotation, CustodyError> {
        let back = self.value_to_go_back_to(&turn).await?;
        let custody = self.clone();
        let plan: Plan<Rotation> = Box::new(move |ground| {
            let rotation = found(ground.ledger, turn.rotation)?;
            let next = moved(rotation, &turn.phase, turn.happened.clone(), ground.at)?;
            let mut effects = Effects::default();
            if let Some(back) = back {
                effects.extend(custody.plan_return(ground, &caller, rotation, back)?);
            }
            if turn.happened == Happened::Promoted
                && let Some(version) = rotation.new
            {
                let secret = rotation.secret;
                effects.changes.push(Change::VersionPromoted { secret, version });
            }
            if let Some(ended) = ended(ground.ledger, &next) {
                let secret = rotation.secret;
                effects.changes.push(Change::VersionDestroyed { secret, version: ended });
                effects.shredded.push((secret, ended));
            }
            effects.changes.push(set(&next));
            effects.events.extend(told(&caller, &next, &turn.happened));
            Ok(Planned { effects, answer: next })
        });
        Ok(self.writer.change(None, plan).await?.answer)
    }

    /// The old value, where a turn takes the new one back from agents that may have it.
    async fn value_to_go_back_to(&self, turn: &Turn) -> Result<Option<SecretValue>, CustodyError> {
        if !matches!(turn.happened, Happened::Refused(_) | Happened::Aborted(_)) {
            return Ok(None);
        }
        let caller = self.stepping().await?;
        let (secret, old) = {
            let ledger = self.shared.ledger();
            let rotation = found(&ledger, turn.rotation)?;
            let current = ledger.secret(rotation.secret).map(|secret| secret.current);
            // What somebody put meanwhile is what everybody gets then.
            let ours = current == Some(rotation.old) || current == rotation.new;
            if !rotation.was_released() || !ours {
                return Ok(None);
            }
            (rotation.secret, rotation.old)
        };
        self.open_value(&caller, secret, old).await.map(Some)
    }

    /// The old value comes back as a version of its own: nobody ever goes to a lower one.
    fn plan_return(
        &self,
        ground: &Ground<'_>,
        caller: &Caller,
        rotation: &Rotation,
        value: SecretValue,
    ) -> Result<Effects, CustodyError> {
        let secret = ground.ledger.secret(rotation.secret).ok_or_else(|| gone(rotation.id))?;
        let old = secret.versions.get(&rotation.old);
        let new = NewVersion {
            secret: Some(secret),
            environment: rotation.environment.clone(),
            name: rotation.name.clone(),
            value,
            expires_at: old.and_then(|old| old.expires_at),
            activated_from: Some(rotation.old),
            metadata: secret.metadata.clone(),
            origin: old.and_then(|old| old.traits.origin.clone()),
            rotated: None,
        };
        let record = step_event(caller, "secret.activate", rotation);
        Ok(self.plan_version(ground, new, record)?.effects)
    }
}

fn found(ledger: &Ledger, id: RotationId) -> Result<&Rotation, CustodyError> {
    ledger.rotation(id).ok_or_else(|| gone(id))
}

fn gone(id: RotationId) -> CustodyError {
    CustodyError::NotFound {
        kind: "rotation",
        name: id.to_string(),
        fix: "secretref rotate history".to_owned(),
    }
}

/// The rotation after something happened in a phase, where it is still in that one.
fn moved(
    rotation: &Rotation,
    phase: &Phase,
    happened: Happened,
    at: Timestamp,
) -> Result<Rotation, CustodyError> {
    if rotation.phase != *phase {
        return Err(CustodyError::Precondition {
            code: "ROTATION_MOVED",
            message: format!("the rotation is {} by now", rotation.phase.as_str()),
            fix: format!("secretref rotate status {}", rotation.reference),
        });
    }
    rotation.after(happened, at).map_err(|impossible| CustodyError::Precondition {
        code: "ROTATION_PHASE",
        message: format!("{impossible}"),
        fix: format!("secretref rotate status {}", rotation.reference),
    })
}

/// The version whose credential is of no use any more, once a rotation is over.
fn ended(ledger: &Ledger, rotation: &Rotation) -> Option<Version> {
    let version = match rotation.phase {
        Phase::Finished => rotation.old,
        Phase::Failed { .. } | Phase::Aborted { .. } => rotation.new?,
        _ => return None,
    };
    let secret = ledger.secret(rotation.secret)?;
    let kept = secret.versions.get(&version).is_some_and(|version| !version.destroyed);
    (kept && version != secret.current).then_some(version)
}

fn set(rotation: &Rotation) -> Change {
    Change::RotationSet { rotation: Box::new(rotation.clone()) }
}
