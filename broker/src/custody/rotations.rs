//! Rotations: begun, taken from one phase to the next, given up. Each phase is a record of the
//! authority log; what has to become true with it, a version that is staged, current or shredded,
//! is part of the same batch.

mod consumers;
mod lease;

pub use lease::Lease;

use super::{
    Body, Custody, CustodyError,
    plan::{Committed, Effects, Ground, Plan, Planned, event},
    secrets::{NewVersion, Rotated},
};
use secretref_domain::{
    audit::Event,
    caller::Caller,
    change::Change,
    clock::Timestamp,
    id::{RotationId, SecretId},
    ledger::{Ledger, Secret},
    limit::REASON_BYTES_MAX,
    name::{EnvironmentName, SecretName},
    policy::Action,
    reference::ProviderKind,
    rotation::{Asked, Happened, Phase, Rotation, RotationPolicy, Touch, Trigger, waves},
    value::SecretValue,
    version::Version,
};
use std::sync::Arc;
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

    /// What a rotation of a ref would do to whom.
    ///
    /// # Errors
    /// [`CustodyError`] where it cannot be rotated.
    pub async fn plan_rotation(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        reference: &SecretName,
    ) -> Result<(RotationPolicy, Vec<Touch>), CustodyError> {
        let environment = self.environment(environment);
        let record = || rotation_event(caller, "rotation.plan", &environment, reference);
        self.permit(caller, Action::MetadataRead, record).await?;
        let policy = {
            let ledger = self.shared.ledger();
            rotatable(&ledger, &environment, reference)?.0.clone()
        };
        Ok((policy, self.touched_by(&environment, reference).await?))
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
            let new = NewVersion {
                secret: Some(secret),
                environment: rotation.environment.clone(),
                name: rotation.name.clone(),
                value,
                // What nobody says and nothing shows is as long as it was before.
                expires_at: expires_at.or(lived),
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

    /// The refs that are due to be rotated by themselves now.
    #[must_use]
    pub fn due_rotations(&self) -> Vec<(EnvironmentName, SecretName, Trigger)> {
        // Each secret has a number of its own, the same for every broker: its identity ends in
        // random bytes.
        let jitter = |secret: SecretId| {
            let [.., first, second] = secret.0.into_bytes();
            f64::from(u16::from_be_bytes([first, second])) / f64::from(u16::MAX)
        };
        self.shared.ledger().due_rotations(self.now(), jitter)
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
            effects.events.push(told(&caller, &next, &turn.happened));
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

/// How a ref is rotated, and the secret that is.
fn rotatable<'l>(
    ledger: &'l Ledger,
    environment: &EnvironmentName,
    reference: &SecretName,
) -> Result<(&'l RotationPolicy, &'l Secret), CustodyError> {
    let refused = |code: &'static str, message: String, fix: String| CustodyError::Precondition {
        code,
        message,
        fix,
    };
    let policy = ledger.reference(environment, reference).and_then(|it| it.rotation.as_ref());
    let policy = policy.ok_or_else(|| {
        let message = format!("ref {reference:?} names no rotator");
        let fix = format!("add `\"rotation\": {{\"rotator\": \"ALIAS\"}}` to refMap.{reference}");
        refused("NO_ROTATOR", message, fix)
    })?;
    if ledger.rotator(&policy.rotator).is_none() {
        let message = format!("rotator {:?} of ref {reference:?} is not there", policy.rotator);
        let fix = format!("set `secrets.rotators.{}` and apply again", policy.rotator);
        return Err(refused("NO_ROTATOR", message, fix));
    }
    let secret = ledger.rotated_secret(environment, reference).ok_or_else(|| {
        let message = format!("ref {reference:?} has no value yet that could be replaced");
        refused("NO_VALUE", message, format!("secretref put {reference}"))
    })?;
    let first = ledger.chain(environment, reference).into_iter().next();
    if let Some((link, kind)) = first.and_then(|link| Some((link.source.clone(), link.kind?)))
        && matches!(kind, ProviderKind::Env | ProviderKind::Exec)
    {
        let (alias, kind) = (link.provider, kind.as_str());
        let message = format!(
            "ref {reference:?} belongs to provider {alias:?}, and a provider of type {kind} cannot \
             be written: what is rotated here would be undone by it"
        );
        let fix = "rotate it at its source, or move the ref to the store".to_owned();
        return Err(refused("PROVIDER_READ_ONLY", message, fix));
    }
    if let Some(rotation) = ledger.rotation_of(secret.id) {
        let (by, phase) = (&rotation.asked.by, rotation.phase.as_str());
        let message = format!("ref {reference:?} is being rotated already ({phase}, by {by})");
        let fix = format!("secretref rotate status {reference}");
        return Err(refused("ROTATION_UNDER_WAY", message, fix));
    }
    Ok((policy, secret))
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

fn rotation_event(
    caller: &Caller,
    action: &'static str,
    environment: &EnvironmentName,
    reference: &SecretName,
) -> Event {
    let mut record = event(caller, action);
    (record.environment, record.object) = (environment.to_string(), reference.to_string());
    record.object_kind = "ref";
    record
}

fn step_event(caller: &Caller, action: &'static str, rotation: &Rotation) -> Event {
    let mut record = event(caller, action);
    record.environment = rotation.environment.to_string();
    record.object = rotation.name.to_string();
    record.object_kind = "secret";
    record.object_id = rotation.secret.0;
    record.reason = format!("rotation {}", rotation.id);
    record
}

/// What the trail says of a turn.
fn told(caller: &Caller, rotation: &Rotation, happened: &Happened) -> Event {
    let action = match happened {
        Happened::Minted(_) => "rotation.mint",
        Happened::Set => "rotation.set",
        Happened::Tested => "rotation.test",
        Happened::WaveProven => "rotation.wave",
        Happened::Promoted => "rotation.promote",
        Happened::Drained(_) => "rotation.drain",
        Happened::Revoked => "rotation.revoke",
        Happened::Troubled(_) => "rotation.trouble",
        Happened::Refused(_) => "rotation.fail",
        Happened::Aborted(_) => "rotation.abort",
        Happened::Evicted(_) => "rotation.evict",
    };
    let mut record = step_event(caller, action, rotation);
    let withdrawn = matches!(
        rotation.phase,
        Phase::Failed { .. } | Phase::Aborted { .. } | Phase::Withdrawing { .. }
    );
    let version = if withdrawn { rotation.new } else { rotation.new.or(Some(rotation.old)) };
    record.version = version.map_or(0, Version::get);
    let why = match happened {
        Happened::Refused(why) | Happened::Aborted(why) => why.clone(),
        Happened::Troubled(trouble) => trouble.message.clone(),
        Happened::Evicted(instance) => format!("instance {instance} is not waited for"),
        Happened::Drained(proofs) => format!("{} proven", proofs.len()),
        Happened::Revoked => match rotation.phase {
            Phase::Finished => format!("{} is revoked", rotation.old),
            _ => "the new one is revoked".to_owned(),
        },
        _ => rotation.phase.as_str().to_owned(),
    };
    record.reason = format!("rotation {}: {why}", rotation.id);
    record.reason.truncate(cut_at(&record.reason, REASON_BYTES_MAX));
    record
}

fn cut_at(text: &str, most: usize) -> usize {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}
