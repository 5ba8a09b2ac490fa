//! Rotations with proof: a credential is replaced at its service, in the store and at every agent
//! that has it, and the old one is revoked only once nobody can be on it any more. Pure: what is so
//! is an argument, what is to be done is the answer.
//!
//! ```text
//! minting ▶ setting ▶ testing ▶ pushing ▶ promoting ▶ draining ▶ revoking ▶ finished
//!    └─────────┴─────────┴─────────┴──────────┴──────────┘
//!                        ▼ refused, aborted, overtaken
//!                   withdrawing ▶ failed | aborted
//! ```
//!
//! Each phase is a record of the authority log, and is entered when what it waits for is durable. A
//! step that touches the service is done between two records, so it may be done twice where a
//! broker dies after it and before the record: steps carry the rotation's identity, by which a
//! service, or the rotator, knows them again. Up to `draining` everybody can go back to the old
//! credential, which is valid all the while.

mod consumer;
mod policy;
mod receipt;
mod waves;

use consumer::still_on;
pub use consumer::{Became, Consumer, Proof, Said, Standing, Waiting, standing};
pub(crate) use policy::rest_seconds;
pub use policy::{RotationPolicy, RotatorKind, RotatorSpec, Trigger, Window};
pub use receipt::Receipt;
pub use waves::{Touch, Wave, waves};

use crate::{
    clock::Timestamp,
    id::{AgentId, InstanceId, RotationId, SecretId},
    name::{EnvironmentName, RotatorAlias, SecretName},
    version::Version,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One rotation, as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// Identity; goes with every step at the service, so that one is known again.
    pub id: RotationId,
    /// Environment of the secret.
    pub environment: EnvironmentName,
    /// The ref that was to be rotated.
    pub reference: SecretName,
    /// The secret behind it.
    pub secret: SecretId,
    /// Name of the secret: the ref's, or that of a provider's copy.
    pub name: SecretName,
    /// Who knows how to do it.
    pub rotator: RotatorAlias,
    /// The version that is replaced.
    pub old: Version,
    /// The version that replaces it, once it is minted.
    pub new: Option<Version>,
    /// How far it is.
    pub phase: Phase,
    /// Who asked for it, and how.
    pub asked: Asked,
    /// When it began.
    pub began_at: Timestamp,
    /// When it came to this phase.
    pub since: Timestamp,
    /// How long the old credential stays valid after everybody is on the new one, in seconds.
    pub overlap_seconds: i64,
    /// Whether the service can hold two credentials at once. Where it cannot, the old one ends when
    /// the new one is set, and there is a gap.
    pub overlaps: bool,
    /// The agents that get the new version together, in this order.
    pub waves: Vec<Wave>,
    /// Instances that nobody waits for any more.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub evicted: BTreeSet<InstanceId>,
    /// Who is proven to be on the new version, and how that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proofs: Vec<Proof>,
    /// What went wrong last and is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
}

/// Who asked for a rotation, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Who, as in the audit trail.
    pub by: String,
    /// What for.
    pub reason: String,
    /// What set it off.
    pub trigger: Trigger,
    /// Without windows and without overlap.
    pub force: bool,
}

/// A step that failed and is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What failed.
    pub message: String,
    /// How often in a row.
    pub times: u32,
    /// When it is tried again.
    pub again_at: Timestamp,
}

/// How far a rotation is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Phase {
    /// A new credential is asked for.
    Minting,
    /// It is sealed in the store, and is about to be made valid at the service.
    Setting,
    /// It is tried at the service.
    Testing,
    /// The agents of the waves up to this one get it.
    Pushing {
        /// Number of the last wave that gets it, from 0.
        wave: usize,
    },
    /// Everybody is on it: it goes back to the provider that owns it, and becomes the current one.
    Promoting,
    /// It is current. The old one is still valid, for whoever is late.
    Draining {
        /// Until when it stays so at least.
        until: Timestamp,
    },
    /// The old one is about to be revoked at the service.
    Revoking,
    /// Everybody is on the old one again, and the new one is about to be revoked at the service.
    Withdrawing {
        /// What it comes to.
        outcome: Outcome,
        /// Why.
        why: String,
        /// Until when the new one stays valid at least: whoever took it up just before may be about
        /// to use it. None where nobody got it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// Done: the old one is revoked.
    Finished,
    /// Not done: everybody is on the old one.
    Failed {
        /// Why.
        why: String,
    },
    /// Given up by an operator: everybody is on the old one.
    Aborted {
        /// Who gave it up, and why.
        why: String,
    },
}

/// What a rotation that is withdrawn comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It failed.
    Failed,
    /// An operator gave it up.
    Aborted,
}

/// What happened to a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// The new credential is sealed as this version.
    Minted(Version),
    /// The service takes it.
    Set,
    /// It works there.
    Tested,
    /// Everybody in the waves up to now is on it.
    WaveProven,
    /// It is current, and with its owner.
    Promoted,
    /// Nobody can be on the old one any more.
    Drained(Vec<Proof>),
    /// The credential that was to be revoked is.
    Revoked,
    /// A step failed, and is tried again.
    Troubled(Trouble),
    /// It cannot be done.
    Refused(String),
    /// An operator gives it up.
    Aborted(String),
    /// An operator says that this instance never comes back.
    Evicted(InstanceId),
    /// An operator needs the next one at once: nobody is given time any more.
    Hurried,
}

/// What cannot happen in this phase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a rotation that is {phase} cannot be {what}")]
pub struct Impossible {
    /// How far it is.
    pub phase: &'static str,
    /// What was to happen.
    pub what: &'static str,
}

/// What a rotation needs next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A new credential.
    Mint,
    /// That the service takes it.
    Set,
    /// That it works there.
    Test,
    /// What this says of it: nobody has to be waited for.
    Record(Happened),
    /// Whoever this names, or the time.
    Wait(Vec<Waiting>),
    /// That the provider which owns it has it, and that it is current.
    Promote,
    /// That the old credential ends.
    RevokeOld,
    /// That the new credential ends.
    RevokeNew,
    /// Nothing: it is over.
    Nothing,
}

impl Phase {
    /// As status and audit print it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Minting => "minting",
            Self::Setting => "setting",
            Self::Testing => "testing",
            Self::Pushing { .. } => "pushing",
            Self::Promoting => "promoting",
            Self::Draining { .. } => "draining",
            Self::Revoking => "revoking",
            Self::Withdrawing { .. } => "withdrawing",
            Self::Finished => "finished",
            Self::Failed { .. } => "failed",
            Self::Aborted { .. } => "aborted",
        }
    }

    /// Whether nothing is to be done any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Finished | Self::Failed { .. } | Self::Aborted { .. })
    }

    /// Whether the old credential may still be gone back to.
    #[must_use]
    pub fn can_turn_back(&self) -> bool {
        match self {
            Self::Minting
            | Self::Setting
            | Self::Testing
            | Self::Pushing { .. }
            | Self::Promoting
            | Self::Draining { .. } => true,
            Self::Revoking
            | Self::Withdrawing { .. }
            | Self::Finished
            | Self::Failed { .. }
            | Self::Aborted { .. } => false,
        }
    }
}

impl Rotation {
    /// Whether an agent gets the new version although it is not the current one yet.
    #[must_use]
    pub fn released_to(&self, agent: AgentId) -> Option<Version> {
        let last = match &self.phase {
            Phase::Pushing { wave } => *wave,
            Phase::Promoting => usize::MAX,
            _ => return None,
        };
        let among = self.waves.iter().take(last.saturating_add(1));
        among.flat_map(|wave| &wave.agents).any(|it| *it == agent).then_some(self.new?)
    }

    /// Whether any agent may have got the new version.
    #[must_use]
    pub fn was_released(&self) -> bool {
        matches!(
            self.phase,
            Phase::Pushing { .. } | Phase::Promoting | Phase::Draining { .. } | Phase::Revoking
        )
    }

    /// The rotation after something happened to it.
    ///
    /// # Errors
    /// [`Impossible`] where it cannot happen now.
    pub fn after(&self, happened: Happened, at: Timestamp) -> Result<Self, Impossible> {
        let mut next = self.clone();
        let phase = match (&self.phase, happened) {
            (Phase::Minting, Happened::Minted(version)) => {
                next.new = Some(version);
                Phase::Setting
            }
            (Phase::Setting, Happened::Set) => Phase::Testing,
            (Phase::Testing, Happened::Tested) => Phase::Pushing { wave: 0 },
            (Phase::Pushing { wave }, Happened::WaveProven) => match wave + 1 {
                more if more < self.waves.len() => Phase::Pushing { wave: more },
                _ => Phase::Promoting,
            },
            (Phase::Promoting, Happened::Promoted) => {
                let overlap = if self.asked.force { 0 } else { self.overlap_seconds };
                Phase::Draining { until: at.plus_seconds(overlap) }
            }
            (Phase::Draining { .. }, Happened::Drained(proofs)) => {
                next.proofs = proofs;
                Phase::Revoking
            }
            (Phase::Revoking, Happened::Revoked) => Phase::Finished,
            (Phase::Withdrawing { outcome, why, .. }, Happened::Revoked) => match outcome {
                Outcome::Failed => Phase::Failed { why: why.clone() },
                Outcome::Aborted => Phase::Aborted { why: why.clone() },
            },
            (phase, Happened::Refused(why)) if phase.can_turn_back() => {
                self.turned_back(Outcome::Failed, why, at)
            }
            (phase, Happened::Aborted(why)) if phase.can_turn_back() => {
                self.turned_back(Outcome::Aborted, why, at)
            }
            (phase, Happened::Troubled(trouble)) if !phase.is_over() => {
                next.trouble = Some(trouble);
                return Ok(next);
            }
            (phase, Happened::Evicted(instance)) if !phase.is_over() => {
                next.evicted.insert(instance);
                return Ok(next);
            }
            (phase, Happened::Hurried) if phase.can_turn_back() => {
                next.overlap_seconds = 0;
                if matches!(phase, Phase::Draining { .. }) {
                    next.phase = Phase::Draining { until: at };
                }
                return Ok(next);
            }
            (phase, happened) => {
                return Err(Impossible { phase: phase.as_str(), what: happened.as_str() });
            }
        };
        (next.phase, next.since, next.trouble) = (phase, at, None);
        Ok(next)
    }

    /// Where nothing was minted yet there is nothing to revoke. A broker may have died after the
    /// service made one and before that was written down: so it is asked all the same.
    fn turned_back(&self, outcome: Outcome, why: String, at: Timestamp) -> Phase {
        let overlap = if self.asked.force { 0 } else { self.overlap_seconds };
        let grace = overlap.min(WITHDRAWAL_GRACE_SECONDS_MAX);
        let until = self.was_released().then(|| at.plus_seconds(grace));
        Phase::Withdrawing { outcome, why, until }
    }

    /// What is to be done next, as things are.
    #[must_use]
    pub fn next(&self, consumers: &[Consumer], current: Version, now: Timestamp) -> Step {
        if let Some(trouble) = self.trouble.as_ref().filter(|it| now < it.again_at) {
            let (what, until) = (trouble.message.clone(), Some(trouble.again_at));
            return Step::Wait(vec![Waiting { what, until, ..Waiting::default() }]);
        }
        if self.is_overtaken(current) {
            let why = format!("{current} of {} was put meanwhile", self.name);
            return Step::Record(Happened::Refused(why));
        }
        match &self.phase {
            Phase::Minting => Step::Mint,
            Phase::Setting => Step::Set,
            Phase::Testing => Step::Test,
            Phase::Pushing { wave } => self.pushed(consumers, *wave, now),
            Phase::Promoting => Step::Promote,
            Phase::Draining { until } => self.drained(consumers, *until, now),
            Phase::Revoking => Step::RevokeOld,
            Phase::Withdrawing { until, .. } => self.withdrawn(consumers, *until, now),
            Phase::Finished | Phase::Failed { .. } | Phase::Aborted { .. } => Step::Nothing,
        }
    }

    /// Who may still be on an older version than the new one now, and who is proven to be on it.
    #[must_use]
    pub fn standings(&self, consumers: &[Consumer], now: Timestamp) -> (Vec<Waiting>, Vec<Proof>) {
        let (mut waiting, mut proofs) = (Vec::new(), Vec::new());
        let Some(new) = self.new else { return (waiting, proofs) };
        for consumer in consumers.iter().filter(|it| !self.evicted.contains(&it.instance)) {
            match standing(consumer, new, now) {
                Standing::Proven(proof) => proofs.push(proof),
                Standing::Waiting(who) => waiting.push(who),
                Standing::Refused(_) | Standing::Gone => {}
            }
        }
        (waiting, proofs)
    }

    /// Whether somebody put another version before this one became current.
    fn is_overtaken(&self, current: Version) -> bool {
        let before = !matches!(self.phase, Phase::Draining { .. }) && self.phase.can_turn_back();
        before && current != self.old
    }

    fn pushed(&self, consumers: &[Consumer], wave: usize, now: Timestamp) -> Step {
        let released: BTreeSet<AgentId> =
            self.waves.iter().take(wave + 1).flat_map(|wave| wave.agents.iter().copied()).collect();
        let among = consumers.iter().filter(|it| released.contains(&it.agent));
        match self.judged(among, now) {
            Err(why) => Step::Record(Happened::Refused(why)),
            // Whoever is away gets it when he comes; the revocation waits for him, the others do
            // not.
            Ok((waiting, _)) if waiting.iter().all(|it| it.away) => {
                Step::Record(Happened::WaveProven)
            }
            Ok((waiting, _)) => Step::Wait(waiting),
        }
    }

    fn drained(&self, consumers: &[Consumer], until: Timestamp, now: Timestamp) -> Step {
        match self.judged(consumers.iter(), now) {
            Err(why) => Step::Record(Happened::Refused(why)),
            Ok((waiting, _)) if !waiting.is_empty() => Step::Wait(waiting),
            Ok(_) if now < until => Step::Wait(vec![overlap(until)]),
            Ok((_, proofs)) => Step::Record(Happened::Drained(proofs)),
        }
    }

    /// A credential is not taken from under those who got it: they are back on another first.
    fn withdrawn(&self, consumers: &[Consumer], until: Option<Timestamp>, now: Timestamp) -> Step {
        let Some(new) = self.new else { return Step::RevokeNew };
        let holding = consumers.iter().filter(|it| !self.evicted.contains(&it.instance));
        let waiting: Vec<_> = holding.filter_map(|it| still_on(it, new, now)).collect();
        match until.filter(|until| now < *until) {
            _ if !waiting.is_empty() => Step::Wait(waiting),
            Some(until) => Step::Wait(vec![overlap(until)]),
            None => Step::RevokeNew,
        }
    }

    /// Whom is waited for, and who is proven; or who could not take it.
    fn judged<'c>(
        &self,
        consumers: impl Iterator<Item = &'c Consumer>,
        now: Timestamp,
    ) -> Result<(Vec<Waiting>, Vec<Proof>), String> {
        let (mut waiting, mut proofs) = (Vec::new(), Vec::new());
        let Some(new) = self.new else { return Ok((waiting, proofs)) };
        for consumer in consumers.filter(|it| !self.evicted.contains(&it.instance)) {
            match standing(consumer, new, now) {
                Standing::Proven(proof) => proofs.push(proof),
                Standing::Gone => {}
                Standing::Waiting(who) => waiting.push(who),
                Standing::Refused(why) => {
                    let (agent, instance) = (&consumer.name, consumer.instance);
                    return Err(format!("agent {agent} (instance {instance}): {why}"));
                }
            }
        }
        Ok((waiting, proofs))
    }
}

fn overlap(until: Timestamp) -> Waiting {
    let what = "the overlap, in which both are valid".to_owned();
    Waiting { what, until: Some(until), ..Waiting::default() }
}

/// How long a credential that is withdrawn stays valid at most once everybody is back, in seconds:
/// longer than anybody takes from reading it to using it.
const WITHDRAWAL_GRACE_SECONDS_MAX: i64 = 5;

impl Happened {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Minted(_) => "minted",
            Self::Set => "set at its service",
            Self::Tested => "tested",
            Self::WaveProven => "proven for a wave",
            Self::Promoted => "promoted",
            Self::Drained(_) => "drained",
            Self::Revoked => "revoked",
            Self::Troubled(_) => "troubled",
            Self::Refused(_) => "failed",
            Self::Aborted(_) => "aborted",
            Self::Evicted(_) => "told of an instance that is gone",
            Self::Hurried => "hurried",
        }
    }
}

#[cfg(test)]
mod tests;
