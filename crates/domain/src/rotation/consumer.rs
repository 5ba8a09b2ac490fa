//! Who has a credential, and what is known of it.

use crate::{
    clock::Timestamp,
    delivery::{Delivery, Evidence},
    id::{AgentId, InstanceId},
    name::AgentName,
    version::Version,
};
use serde::{Deserialize, Serialize};

/// An instance of an agent that has the credential, or may have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// The agent.
    pub agent: AgentId,
    /// Name of the agent.
    pub name: AgentName,
    /// The instance.
    pub instance: InstanceId,
    /// Whether it is not connected to any broker.
    pub away: bool,
    /// What it said last of the secret; none where it has never been sent it.
    pub said: Option<Said>,
    /// When it will have dropped what it holds, where it is away and does so by itself: its last
    /// contact and what its bindings allow without one, or the end of the value.
    pub lease_end: Option<Timestamp>,
    /// The evidence that its bindings ask for.
    pub wants: Evidence,
}

/// What an instance said last of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The version.
    pub version: i64,
    /// What became of it.
    pub became: Became,
    /// How the sidecar knows.
    pub evidence: Evidence,
    /// Why it failed.
    pub detail: String,
    /// Each way by which the agent gets it.
    pub deliveries: Vec<Delivery>,
    /// When it said so, by the broker's clock.
    pub at: Timestamp,
}

/// What became of a version at an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// It arrived, and the result follows; or it is put in place later.
    Coming,
    /// It is in place.
    Applied,
    /// It could not be put in place.
    Failed,
    /// It was taken away.
    Wiped,
}

/// Proof that an instance is on a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The agent.
    pub agent: AgentId,
    /// Name of the agent.
    pub name: AgentName,
    /// The instance.
    pub instance: InstanceId,
    /// The version that it is on: the new one or a later one.
    pub version: Version,
    /// How that is known.
    pub evidence: Evidence,
    /// When it said so, by the broker's clock.
    pub at: Timestamp,
}

/// What is waited for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waiting {
    /// The agent, where it is one.
    pub agent: Option<AgentName>,
    /// The instance, where it is one.
    pub instance: Option<InstanceId>,
    /// What is waited for, in words.
    pub what: String,
    /// Until when at most, where that is known.
    pub until: Option<Timestamp>,
    /// Whether it is an instance that is not connected.
    pub away: bool,
}

/// Where an instance stands as to a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is on it.
    Proven(Proof),
    /// It may still be on an older one.
    Waiting(Waiting),
    /// It could not take it.
    Refused(String),
    /// It has none, and is not waited for.
    Gone,
}

/// Where an instance stands as to a version, at a time.
#[must_use]
pub fn standing(consumer: &Consumer, new: Version, now: Timestamp) -> Standing {
    let Some(said) = &consumer.said else {
        // It was never sent any version, so it is on no old one; where it is there, it is about to
        // be sent the newest.
        return match consumer.away {
            true => Standing::Gone,
            false => waits(consumer, "has not answered yet", None),
        };
    };
    let is_new = said.version >= new.get();
    match said.became {
        Became::Wiped => Standing::Gone,
        Became::Failed if is_new => Standing::Refused(match said.detail.as_str() {
            "" => format!("it could not take {new}"),
            detail => format!("it could not take {new}: {detail}"),
        }),
        Became::Applied if is_new => applied(consumer, said, new),
        _ if consumer.away => match consumer.lease_end {
            Some(end) if end <= now => Standing::Gone,
            end => waits(consumer, &format!("is away with v{}", said.version), end),
        },
        Became::Coming if is_new => {
            let what = match said.detail.as_str() {
                "" => format!("is putting {new} in place"),
                detail => format!("will be on {new} later: {detail}"),
            };
            waits(consumer, &what, None)
        }
        _ => waits(consumer, &format!("is on v{}", said.version), None),
    }
}

/// Whether an instance may still be on a version that is withdrawn. One that could not take it was
/// never on it.
pub(super) fn still_on(consumer: &Consumer, withdrawn: Version, now: Timestamp) -> Option<Waiting> {
    let said = consumer.said.as_ref()?;
    let may_be = match said.became {
        Became::Wiped => false,
        Became::Applied => said.version == withdrawn.get(),
        Became::Coming => said.version >= withdrawn.get(),
        Became::Failed => said.version > withdrawn.get(),
    };
    let ended = consumer.away && consumer.lease_end.is_some_and(|end| end <= now);
    let who = || waiting(consumer, &format!("may still be on {withdrawn}"), consumer.lease_end);
    (may_be && !ended).then(who)
}

fn applied(consumer: &Consumer, said: &Said, new: Version) -> Standing {
    let behind = said.deliveries.iter().find(|it| it.version != 0 && it.version < new.get());
    if let Some(delivery) = behind {
        let what = format!("still has v{} at {}", delivery.version, delivery.place);
        return waits(consumer, &what, None);
    }
    let best = said.deliveries.iter().map(|it| it.evidence).chain([said.evidence]).max();
    let evidence = best.unwrap_or_default();
    match Version::new(said.version) {
        Some(version) if evidence >= consumer.wants => Standing::Proven(Proof {
            agent: consumer.agent,
            name: consumer.name.clone(),
            instance: consumer.instance,
            version,
            evidence,
            at: said.at,
        }),
        _ => {
            let (has, wants) = (evidence.as_str(), consumer.wants.as_str());
            waits(consumer, &format!("has {new} {has}, and is to be proven {wants}"), None)
        }
    }
}

fn waits(consumer: &Consumer, what: &str, until: Option<Timestamp>) -> Standing {
    Standing::Waiting(waiting(consumer, what, until))
}

fn waiting(consumer: &Consumer, what: &str, until: Option<Timestamp>) -> Waiting {
    Waiting {
        agent: Some(consumer.name.clone()),
        instance: Some(consumer.instance),
        what: what.to_owned(),
        until,
        away: consumer.away,
    }
}
