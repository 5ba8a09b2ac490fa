//! How a sidecar becomes somebody, and stays it.

use super::{
    Custody, CustodyError,
    agents::agent_event,
    plan::{Effects, Ground, Plan, Planned, event},
};
use crate::authority::Issued;
use secretref_domain::{
    audit::{Decision, Event},
    caller::Caller,
    change::{CertificateSlot, Change, Serial},
    clock::Timestamp,
    id::{AgentId, Digest, InstanceId},
    ledger::{Agent, Token},
    limit::{INSTANCES_MAX, TOKEN_REPEAT_SECONDS_MAX},
    name::{AgentName, EnvironmentName},
    policy::Action,
};
use secretref_identity::{join_token::JoinToken, request::PublicKey};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A certificate that was issued.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Enrolled {
    /// The agent.
    pub agent: AgentName,
    /// Its environment.
    pub environment: EnvironmentName,
    /// The instance.
    pub instance: InstanceId,
    /// Leaf first, then its intermediates, in DER.
    pub chain: Vec<Vec<u8>>,
    /// When the leaf starts to be valid, in seconds since the epoch.
    pub not_before: i64,
    /// When the leaf ends, in seconds since the epoch.
    pub not_after: i64,
}

impl Custody {
    /// Trades a token for a certificate. One answer for every refusal, so that nothing is learned
    /// from it; the cause is in the audit trail.
    ///
    /// # Errors
    /// [`CustodyError::NotAdmitted`] where the token is not good, or any other.
    pub async fn join(
        &self,
        caller: &Caller,
        token: &JoinToken,
        key: PublicKey,
    ) -> Result<Enrolled, CustodyError> {
        let mut record = event(caller, "agent.join");
        record.object_kind = "token";
        self.permit(caller, Action::Join, || record.clone()).await?;
        let (custody, token) = (self.clone(), Digest(token.hash()));
        let accepted = record.clone();
        let plan: Plan<Result<Enrolled, String>> = Box::new(move |ground| {
            match custody.plan_join(ground, token, &key, accepted)? {
                Ok(planned) => Ok(planned),
                // A refusal is recorded, and recorded it is durable: it is not an error here.
                Err(why) => {
                    record.decision = Decision::Denied;
                    record.reason.clone_from(&why);
                    let effects = Effects { events: vec![record], ..Effects::default() };
                    Ok(Planned { effects, answer: Err(why) })
                }
            }
        });
        match self.writer.change(None, plan).await?.answer {
            Ok(enrolled) => Ok(enrolled),
            Err(why) => {
                tracing::warn!(why, "a join token was refused");
                Err(CustodyError::NotAdmitted {
                    code: "TOKEN_REFUSED",
                    message: "the join token is not good: unknown, expired or used".to_owned(),
                })
            }
        }
    }

    fn plan_join(
        &self,
        ground: &Ground<'_>,
        hash: Digest,
        key: &PublicKey,
        mut event: Event,
    ) -> Result<Result<Planned<Result<Enrolled, String>>, String>, CustodyError> {
        let Some(token) = ground.ledger.token(&hash) else {
            return Ok(Err("unknown token".into()));
        };
        let Some(agent) = ground.ledger.agent(token.agent) else {
            return Ok(Err("token of an agent that is not there".into()));
        };
        event.object = agent.name.to_string();
        event.environment = agent.environment.to_string();
        event.object_id = agent.id.0;
        let instance = match usable(token, agent, Digest(key.spki_sha256()), ground.at) {
            Ok(instance) => instance,
            Err(why) => return Ok(Err(format!("{why}; agent {}", agent.name))),
        };
        if instance.is_none() && agent.instances.len() >= INSTANCES_MAX {
            return Err(CustodyError::Limit { what: "instances".into(), limit: INSTANCES_MAX });
        }
        let id = instance.unwrap_or_else(|| InstanceId(Uuid::new_v4()));
        let issued = self.issue(agent.id, id, key, ground.at)?;
        let certificate = slot(&issued, key);
        let change = match instance.and_then(|id| agent.instances.get(&id)) {
            // The answer was lost, and the same key asks again.
            Some(held) => Change::CertificateRenewed {
                agent: agent.id,
                instance: id,
                by: held.current.serial.clone(),
                certificate,
            },
            None => {
                Change::InstanceEnrolled { token: hash, agent: agent.id, instance: id, certificate }
            }
        };
        event.reason = format!("instance {id}");
        let effects = Effects { changes: vec![change], events: vec![event], ..Effects::default() };
        Ok(Ok(Planned { effects, answer: Ok(enrolled(agent, id, issued)) }))
    }

    /// A new certificate for the instance that the presented one names.
    ///
    /// # Errors
    /// [`CustodyError::NotAdmitted`]: the agent is revoked, or the certificate is an older one than
    /// the two that the instance may use; the instance is revoked then, since somebody else holds
    /// its key.
    pub async fn renew(
        &self,
        caller: &Caller,
        serial: Serial,
        key: PublicKey,
    ) -> Result<Enrolled, CustodyError> {
        let Caller::Agent { environment, agent, name, instance, .. } = caller else {
            self.permit(caller, Action::Renew, || event(caller, "agent.renew")).await?;
            return Err(CustodyError::Internal("only agents renew".into()));
        };
        let (custody, agent, instance) = (self.clone(), *agent, *instance);
        let mut record = agent_event(caller, "agent.renew", environment, name);
        record.object_id = agent.0;
        let plan: Plan<Option<Enrolled>> = Box::new(move |ground| {
            let admitted = ground.ledger.admitted(agent, instance, &serial, ground.at, true);
            if let Some((found, _)) = admitted {
                let issued = custody.issue(agent, instance, &key, ground.at)?;
                let certificate = slot(&issued, &key);
                let change =
                    Change::CertificateRenewed { agent, instance, by: serial, certificate };
                let effects =
                    Effects { changes: vec![change], events: vec![record], ..Effects::default() };
                let answer = Some(enrolled(found, instance, issued));
                return Ok(Planned { effects, answer });
            }
            record.decision = Decision::Denied;
            let changes = superseded(ground, agent, instance, &serial, &mut record);
            let effects = Effects { changes, events: vec![record], ..Effects::default() };
            Ok(Planned { effects, answer: None })
        });
        self.writer.change(None, plan).await?.answer.ok_or_else(|| CustodyError::NotAdmitted {
            code: "AGENT_REVOKED",
            message: format!(
                "instance {instance} may not come in: it is revoked or quarantined, its \
                 certificate ended more than 7 days ago, or an older certificate of it was used"
            ),
        })
    }

    fn issue(
        &self,
        agent: AgentId,
        instance: InstanceId,
        key: &PublicKey,
        at: Timestamp,
    ) -> Result<Issued, CustodyError> {
        let seconds = at.as_micros().div_euclid(1_000_000);
        let life = i64::try_from(self.shared.certificate_life.as_secs()).unwrap_or(i64::MAX);
        let issued = self.authority().issue_agent(key, agent.0, instance.0, seconds, life)?;
        Ok(issued)
    }
}

/// Whether a token may be used with a key now: for a new instance, or for the one that it made.
fn usable(
    token: &Token,
    agent: &Agent,
    key: Digest,
    at: Timestamp,
) -> Result<Option<InstanceId>, &'static str> {
    match &token.spent {
        Some(spent) if spent.key != key => Err("ALARM: a used token came with another key"),
        Some(spent) if at >= spent.at.plus_seconds(TOKEN_REPEAT_SECONDS_MAX) => {
            Err("the token was used")
        }
        Some(spent) if !agent.instances.contains_key(&spent.instance) => {
            Err("the token's instance is revoked")
        }
        Some(spent) => Ok(Some(spent.instance)),
        None if at >= token.expires_at => Err("the token expired"),
        None if !agent.active && !token.readmit => Err("the agent is revoked"),
        None => Ok(None),
    }
}

/// A certificate that is neither of the two of an instance that is not revoked: whoever has it is
/// not who has the newer ones, and nobody can say which of them is the agent.
fn superseded(
    ground: &Ground<'_>,
    agent: AgentId,
    instance: InstanceId,
    serial: &Serial,
    record: &mut Event,
) -> Vec<Change> {
    let held = ground
        .ledger
        .agent(agent)
        .filter(|agent| agent.active)
        .and_then(|agent| agent.instances.get(&instance));
    match held {
        None => {
            let agent = ground.ledger.agent(agent);
            let quarantined = agent.is_some_and(|agent| agent.quarantined_at.is_some());
            record.reason = if quarantined { "quarantined" } else { "revoked" }.into();
            Vec::new()
        }
        Some(held) if held.holds(serial) => {
            record.reason = "the certificate ended more than 7 days ago".into();
            Vec::new()
        }
        Some(_) => {
            record.reason = format!("ALARM: superseded certificate {}", serial.0);
            vec![Change::InstanceRevoked { agent, instance }]
        }
    }
}

fn slot(issued: &Issued, key: &PublicKey) -> CertificateSlot {
    CertificateSlot {
        serial: Serial(issued.serial.to_string()),
        key: Digest(key.spki_sha256()),
        not_after: Timestamp::from_micros(issued.not_after.saturating_mul(1_000_000)),
    }
}

fn enrolled(agent: &Agent, instance: InstanceId, issued: Issued) -> Enrolled {
    Enrolled {
        agent: agent.name.clone(),
        environment: agent.environment.clone(),
        instance,
        chain: issued.chain.iter().map(|certificate| certificate.to_vec()).collect(),
        not_before: issued.not_before,
        not_after: issued.not_after,
    }
}
