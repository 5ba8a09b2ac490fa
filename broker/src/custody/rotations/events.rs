//! What the trail says of rotations.

use crate::custody::{RECIPIENTS_MAX, plan::event};
use secretref_domain::{
    audit::{Event, Recipient},
    caller::Caller,
    limit::REASON_BYTES_MAX,
    name::{EnvironmentName, SecretName},
    rotation::{Happened, Phase, Proof, Rotation},
    version::Version,
};

pub(super) fn rotation_event(
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

pub(super) fn step_event(caller: &Caller, action: &'static str, rotation: &Rotation) -> Event {
    let mut record = event(caller, action);
    record.environment = rotation.environment.to_string();
    record.object = rotation.name.to_string();
    record.object_kind = "secret";
    record.object_id = rotation.secret.0;
    record.reason = format!("rotation {}", rotation.id);
    record
}

/// What the trail says of a turn. Of the last one before the old credential is revoked it names
/// every instance that was proven to be off it.
pub(super) fn told(caller: &Caller, rotation: &Rotation, happened: &Happened) -> Vec<Event> {
    let record = turned(caller, rotation, happened);
    let proofs = match happened {
        Happened::Drained(proofs) if !proofs.is_empty() => proofs,
        _ => return vec![record],
    };
    let named = |proofs: &[Proof]| Event {
        recipients: proofs.iter().map(recipient).collect(),
        ..record.clone()
    };
    proofs.chunks(RECIPIENTS_MAX).map(named).collect()
}

fn recipient(proof: &Proof) -> Recipient {
    Recipient { agent: proof.agent, name: proof.name.to_string(), instance: proof.instance }
}

fn turned(caller: &Caller, rotation: &Rotation, happened: &Happened) -> Event {
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
        Happened::Hurried => "rotation.hurry",
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
        Happened::Hurried => "its overlap has ended: the next one is wanted at once".to_owned(),
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
