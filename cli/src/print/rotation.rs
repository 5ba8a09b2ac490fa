//! Rotations, for people and for programs.

use super::{json::present, time};
use secretref_proto::v1::{self, RotationEffect, RotationPhase};
use serde::Serialize;

/// A rotation as programs read it.
#[derive(Serialize)]
pub(crate) struct Shown<'r> {
    rotation: &'r str,
    environment: &'r str,
    #[serde(rename = "ref")]
    secret_ref: &'r str,
    secret: &'r str,
    rotator: &'r str,
    old_version: i64,
    new_version: Option<i64>,
    phase: &'static str,
    reason: Option<&'r str>,
    requested_by: &'r str,
    request_reason: Option<&'r str>,
    trigger: &'r str,
    force: bool,
    begin_time: Option<String>,
    phase_time: Option<String>,
    drain_time: Option<String>,
    wave: i32,
    waves: i32,
    agents: i32,
    trouble: Option<&'r str>,
    proofs: Vec<Proof<'r>>,
    waits: Vec<Wait<'r>>,
    evicted_instances: &'r [String],
    /// Only where it was waited for, and is finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<&'r str>,
}

#[derive(Serialize)]
struct Proof<'r> {
    agent: &'r str,
    instance: &'r str,
    version: i64,
    evidence: &'r str,
    report_time: Option<String>,
}

#[derive(Serialize)]
struct Wait<'r> {
    agent: Option<&'r str>,
    instance: Option<&'r str>,
    what: &'r str,
    until_time: Option<String>,
    away: bool,
}

impl<'r> From<&'r v1::Rotation> for Shown<'r> {
    fn from(found: &'r v1::Rotation) -> Self {
        let proof = |it: &'r v1::RotationProof| Proof {
            agent: &it.agent,
            instance: &it.instance,
            version: it.version,
            evidence: &it.evidence,
            report_time: time::optional(it.report_time.as_ref()),
        };
        let wait = |it: &'r v1::RotationWait| Wait {
            agent: some(&it.agent),
            instance: some(&it.instance),
            what: &it.what,
            until_time: time::optional(it.until_time.as_ref()),
            away: it.away,
        };
        Self {
            rotation: &found.uid,
            environment: &found.environment,
            secret_ref: &found.secret_ref,
            secret: &found.secret,
            rotator: &found.rotator,
            old_version: found.old_version,
            new_version: Some(found.new_version).filter(|version| *version > 0),
            phase: word(found.phase()),
            reason: some(&found.reason),
            requested_by: &found.requested_by,
            request_reason: some(&found.request_reason),
            trigger: &found.trigger,
            force: found.force,
            begin_time: time::optional(found.begin_time.as_ref()),
            phase_time: time::optional(found.phase_time.as_ref()),
            drain_time: time::optional(found.drain_time.as_ref()),
            wave: found.wave,
            waves: found.waves,
            agents: found.agents,
            trouble: some(&found.trouble),
            proofs: found.proofs.iter().map(proof).collect(),
            waits: found.waits.iter().map(wait).collect(),
            evicted_instances: &found.evicted_instances,
            receipt: None,
        }
    }
}

impl<'r> Shown<'r> {
    /// With its receipt, where it has one.
    pub(crate) fn with_receipt(self, receipt: &'r str) -> Self {
        Self { receipt: some(receipt), ..self }
    }
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// A phase in one word.
pub(crate) fn word(phase: RotationPhase) -> &'static str {
    match phase {
        RotationPhase::Unspecified => "unknown",
        RotationPhase::Minting => "minting",
        RotationPhase::Setting => "setting",
        RotationPhase::Testing => "testing",
        RotationPhase::Pushing => "pushing",
        RotationPhase::Promoting => "promoting",
        RotationPhase::Draining => "draining",
        RotationPhase::Revoking => "revoking",
        RotationPhase::Withdrawing => "withdrawing",
        RotationPhase::Finished => "finished",
        RotationPhase::Failed => "failed",
        RotationPhase::Aborted => "aborted",
    }
}

/// How far one is, with the wave where there are several.
pub(crate) fn phase(found: &v1::Rotation) -> String {
    match found.phase() {
        phase @ RotationPhase::Pushing if found.waves > 1 => {
            format!("{}, wave {} of {}", word(phase), found.wave, found.waves)
        }
        RotationPhase::Finished => format!("finished, v{} is revoked", found.old_version),
        phase => word(phase).to_owned(),
    }
}

/// The versions, such as `v7 → v8`.
pub(crate) fn versions(found: &v1::Rotation) -> String {
    match found.new_version {
        0 => format!("v{}", found.old_version),
        new => format!("v{} → v{new}", found.old_version),
    }
}

/// Whom or what it waits for, with the instance as `rotate evict` takes it.
pub(crate) fn wait(wait: &v1::RotationWait) -> String {
    let who = match (present(wait.agent.clone()), present(wait.instance.clone())) {
        (Some(agent), Some(instance)) => format!("{agent} ({instance}) {}", wait.what),
        (Some(agent), None) => format!("{agent} {}", wait.what),
        _ => wait.what.clone(),
    };
    match &wait.until_time {
        Some(until) => format!("{who}, until {} at most", time::moment(Some(until))),
        None => who,
    }
}

/// What becomes of a process.
pub(crate) fn effect(effect: RotationEffect) -> &'static str {
    match effect {
        RotationEffect::Unspecified | RotationEffect::Nothing => "nothing",
        RotationEffect::Signal => "signal",
        RotationEffect::Hook => "hook",
        RotationEffect::Restart => "restart",
        RotationEffect::HandOver => "hand-over",
    }
}

/// A span of time in its largest whole unit.
pub(crate) fn span(seconds: i64) -> String {
    let units = [(86_400, "days"), (3_600, "h"), (60, "min")];
    let unit = units.into_iter().find(|(length, _)| seconds > 0 && seconds % length == 0);
    let (length, unit) = unit.unwrap_or((1, "s"));
    format!("{} {unit}", seconds / length)
}
