//! What leaves for a sidecar: authorised at every send, against the ledger as it is then, and
//! recorded before it goes.

use super::{
    Body, Custody, CustodyError, agents::agent_event, plan::event, writer::delivery_events,
};
use crate::feed::Subscription;
use secretref_domain::{
    agent::AgentSettings,
    audit::{Decision, Recipient},
    caller::Caller,
    change::Serial,
    clock::Timestamp,
    id::{AgentId, Digest, InstanceId, SecretId},
    ledger::{Desired, DesiredSecret, Ledger, Missing},
    name::{AgentName, EnvironmentName, ProviderAlias, SecretName},
    policy::{Action, authorise},
    version::{Revision, Version},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use uuid::Uuid;

/// An instance that was let in, and what its certificate is.
#[derive(Debug, Clone)]
pub struct Admission {
    /// Who it is.
    pub caller: Caller,
    /// The agent.
    pub agent: AgentId,
    /// Name of the agent.
    pub name: AgentName,
    /// Environment of the agent.
    pub environment: EnvironmentName,
    /// The instance.
    pub instance: InstanceId,
    /// Serial of the certificate of the connection.
    pub serial: Serial,
    /// The one provider that it takes values from, where it says so on its stream.
    pub secrets_provider: Option<ProviderAlias>,
    /// Process of the sidecar, where it says so on its stream.
    pub boot: Uuid,
}

/// What a sidecar holds, as the broker knows it: by name, version and fingerprint.
pub type Sent = BTreeMap<SecretName, (Version, Digest)>;

/// The whole set of an agent, with the values that a sidecar lacks.
pub struct Frame {
    /// Revision at which it is so.
    pub revision: Revision,
    /// Secrets, ordered by name.
    pub secrets: Vec<FrameSecret>,
    /// Secrets that the sidecar holds and should not: whether each is deleted.
    pub removed: Vec<(SecretName, bool)>,
    /// Bindings without a value.
    pub missing: Vec<Missing>,
    /// What concerns the agent as a whole.
    pub settings: AgentSettings,
    /// When the next value expires, so that the set changes by itself.
    pub next_expiry: Option<Timestamp>,
    /// Whether something changed while the frame was made, so that another is due.
    pub behind: bool,
}

/// A version that was lacking, and its value unless its row was refused.
struct Loaded {
    version: Version,
    digest: Digest,
    body: Option<Arc<Body>>,
}

/// One secret of a frame.
pub struct FrameSecret {
    /// What it is and where it goes.
    pub desired: DesiredSecret,
    /// The value, where the sidecar lacks it.
    pub body: Option<Arc<Body>>,
}

impl Custody {
    /// Lets an instance in, or says why not. Use of a certificate that is neither of its two is an
    /// alarm.
    ///
    /// # Errors
    /// [`CustodyError::NotAdmitted`], or a denial.
    pub async fn admit(&self, caller: &Caller, serial: &Serial) -> Result<Admission, CustodyError> {
        let Caller::Agent { environment, agent, name, instance, .. } = caller else {
            self.permit(caller, Action::Watch, || event(caller, "agent.watch")).await?;
            return Err(CustodyError::Internal("only agents watch".into()));
        };
        let admission = Admission {
            caller: caller.clone(),
            agent: *agent,
            name: name.clone(),
            environment: environment.clone(),
            instance: *instance,
            serial: serial.clone(),
            secrets_provider: None,
            boot: Uuid::nil(),
        };
        if self.admitted(&admission) {
            return Ok(admission);
        }
        let mut event = agent_event(caller, "agent.watch", environment, name);
        event.object_id = agent.0;
        event.decision = Decision::Denied;
        event.reason = format!("certificate {} is revoked, superseded or at its end", serial.0);
        self.writer.note(vec![event]).await?;
        let ledger = self.shared.ledger();
        Err(not_admitted(&ledger, &admission))
    }

    /// Whether an admission still holds.
    #[must_use]
    pub fn admitted(&self, admission: &Admission) -> bool {
        let Admission { agent, instance, serial, caller, environment, .. } = admission;
        let ledger = self.shared.ledger();
        let admitted = ledger.admitted(*agent, *instance, serial, self.now(), false);
        authorise(caller, Action::Watch).is_ok()
            && admitted.is_some_and(|(agent, _)| agent.environment == *environment)
    }

    /// Whether the agent belongs to another environment than when it was let in: a stream is of one
    /// environment, and the next one is of the new.
    #[must_use]
    pub fn moved(&self, admission: &Admission) -> bool {
        let ledger = self.shared.ledger();
        let agent = ledger.agent(admission.agent);
        agent.is_some_and(|agent| agent.environment != admission.environment)
    }

    /// Whether the instance itself is gone, rather than only its certificate.
    #[must_use]
    pub fn revoked(&self, admission: &Admission) -> bool {
        let ledger = self.shared.ledger();
        let agent = ledger.agent(admission.agent).filter(|agent| agent.active);
        agent.is_none_or(|agent| !agent.instances.contains_key(&admission.instance))
    }

    /// Why an instance is shut out for good, or until an operator says otherwise.
    #[must_use]
    pub fn shut_out_reason(&self, admission: &Admission) -> String {
        let ledger = self.shared.ledger();
        match ledger.agent(admission.agent).filter(|agent| agent.quarantined_at.is_some()) {
            Some(_) => quarantined(&admission.name),
            None => "the agent, its instance or its certificate is revoked".to_owned(),
        }
    }

    /// Adds a stream to the feed. Two processes with streams of one instance are an alarm: one of
    /// them has a copy of the other's key.
    ///
    /// # Errors
    /// [`CustodyError::Store`] where the alarm cannot be recorded.
    pub async fn subscribe(
        &self,
        admission: &Admission,
        boot: Uuid,
    ) -> Result<Subscription, CustodyError> {
        let subscription = self.feed().subscribe(admission.agent, admission.instance, boot);
        if let Some(rival) = subscription.rival() {
            let Admission { caller, environment, name, .. } = admission;
            let mut event = agent_event(caller, "agent.duplicate", environment, name);
            event.object_id = admission.agent.0;
            event.reason = format!("ALARM: process {boot} while {rival} held a stream");
            tracing::warn!(agent = %name, instance = %admission.instance, "two live streams");
            self.writer.note(vec![event]).await?;
        }
        Ok(subscription)
    }

    /// Works out what to send: the whole set, with the values that are not in `sent`. Values leave
    /// only with their record durable: those in `recorded` have one, for the others one is written
    /// here. Recording and loading take time, and where anything changed meanwhile the set is
    /// worked out again: what the agent may no longer have is left out, and what is newer by then
    /// comes with the next frame.
    ///
    /// # Errors
    /// [`CustodyError::NotAdmitted`] where the instance is no longer admitted; any other: nothing
    /// may be sent.
    pub async fn frame(
        &self,
        admission: &Admission,
        sent: &Sent,
        recorded: &HashMap<SecretId, Version>,
    ) -> Result<Frame, CustodyError> {
        let (at, before) = self.desired(admission)?;
        let lacking: Vec<_> = before
            .secrets
            .iter()
            .filter(|owed| sent.get(&owed.name) != Some(&(owed.version, owed.digest)))
            .map(|owed| (owed.secret, owed.version, owed.digest))
            .collect();
        let unrecorded: Vec<_> = lacking
            .iter()
            .filter(|(secret, version, _)| recorded.get(secret) != Some(version))
            .map(|(secret, version, _)| (*secret, *version))
            .collect();
        let had_none = before.secrets.iter().filter(|owed| !sent.contains_key(&owed.name));
        let first: Vec<_> = had_none.map(|owed| (owed.secret, owed.version)).collect();
        if !first.is_empty() {
            Box::pin(self.note_sent(admission, &first)).await;
        }
        if !unrecorded.is_empty() {
            Box::pin(self.record(admission, &unrecorded)).await?;
        }
        let broker = Caller::Broker { id: self.broker() };
        let mut loaded = HashMap::new();
        for (secret, version, digest) in lacking {
            let body = match self.body(&broker, secret, version).await {
                Ok(body) => Some(body),
                // One bad row is no reason to keep the others back.
                Err(CustodyError::RowRefused { .. }) => None,
                Err(error) => return Err(error),
            };
            loaded.insert(secret, Loaded { version, digest, body });
        }
        let (revision, now) = match self.still_so(at, &before) {
            true => (at, before),
            false => self.desired(admission)?,
        };
        Ok(self.assemble(admission, revision, now, sent, loaded))
    }

    /// What would be sent, without a value: nothing is delivered, so nothing is recorded.
    ///
    /// # Errors
    /// [`CustodyError::NotAdmitted`] where the instance is no longer admitted.
    pub fn outline(&self, admission: &Admission) -> Result<Frame, CustodyError> {
        let (revision, Desired { secrets, missing, settings }) = self.desired(admission)?;
        let next_expiry = secrets.iter().filter_map(|owed| owed.expires_at).min();
        let bare = |desired| FrameSecret { desired, body: None };
        let secrets = secrets.into_iter().map(bare).collect();
        let (removed, behind) = (Vec::new(), false);
        Ok(Frame { revision, secrets, removed, missing, settings, next_expiry, behind })
    }

    pub(super) fn desired(
        &self,
        admission: &Admission,
    ) -> Result<(Revision, Desired), CustodyError> {
        let now = self.now();
        let ledger = self.shared.ledger();
        let Admission { agent, instance, serial, secrets_provider, .. } = admission;
        match ledger.admitted(*agent, *instance, serial, now, false) {
            Some((agent, _)) if agent.environment != admission.environment => {
                Err(not_admitted(&ledger, admission))
            }
            Some(_) => {
                Ok((ledger.revision(), ledger.desired(*agent, now, secrets_provider.as_ref())))
            }
            None => Err(not_admitted(&ledger, admission)),
        }
    }

    /// Whether what was worked out at a revision would come to the same now. Whether the instance
    /// is still admitted is asked again at every send.
    fn still_so(&self, at: Revision, desired: &Desired) -> bool {
        let now = self.now();
        let mut ends = desired.secrets.iter().filter_map(|owed| owed.expires_at);
        self.shared.ledger().revision() == at && ends.all(|end| now < end)
    }

    pub(super) async fn record(
        &self,
        admission: &Admission,
        deliveries: &[(SecretId, Version)],
    ) -> Result<(), CustodyError> {
        let recipient = Recipient {
            agent: admission.agent,
            name: admission.name.to_string(),
            instance: admission.instance,
        };
        let events = {
            let ledger = self.shared.ledger();
            let event = |(secret, version): &(SecretId, Version)| {
                delivery_events(&self.shared, &ledger, *secret, *version, vec![recipient.clone()])
            };
            deliveries.iter().flat_map(event).collect()
        };
        self.writer.note(events).await
    }

    fn assemble(
        &self,
        admission: &Admission,
        revision: Revision,
        desired: Desired,
        sent: &Sent,
        mut loaded: HashMap<SecretId, Loaded>,
    ) -> Frame {
        let next_expiry = desired.secrets.iter().filter_map(|owed| owed.expires_at).min();
        let (mut missing, settings) = (desired.missing, desired.settings);
        let mut secrets = Vec::with_capacity(desired.secrets.len());
        let mut behind = false;
        for mut desired in desired.secrets {
            let held = sent.get(&desired.name);
            if held == Some(&(desired.version, desired.digest)) {
                secrets.push(FrameSecret { desired, body: None });
                continue;
            }
            let loaded = loaded.remove(&desired.secret);
            behind |= loaded.as_ref().is_none_or(|loaded| loaded.version != desired.version);
            match (loaded, held) {
                (Some(Loaded { version, digest, body: body @ Some(_) }), _) => {
                    (desired.version, desired.digest) = (version, digest);
                    secrets.push(FrameSecret { desired, body });
                }
                // Its row was refused, or it is too new to be loaded: what the sidecar has stays.
                (_, Some((version, digest))) => {
                    (desired.version, desired.digest) = (*version, *digest);
                    secrets.push(FrameSecret { desired, body: None });
                }
                (Some(_), None) => missing.extend(refused(desired)),
                (None, None) => {}
            }
        }
        let kept = |name: &SecretName| secrets.iter().any(|it| it.desired.name == *name);
        let ledger = self.shared.ledger();
        let removed = sent
            .keys()
            .filter(|name| !kept(name))
            .map(|name| {
                let secret = ledger.secret_named(&admission.environment, name);
                (name.clone(), secret.is_none_or(|secret| secret.deleted_at.is_some()))
            })
            .collect();
        drop(ledger);
        Frame { revision, secrets, removed, missing, settings, next_expiry, behind }
    }
}

/// The bindings of a secret whose stored row was refused.
fn refused(desired: DesiredSecret) -> Vec<Missing> {
    let reason =
        format!("the stored value of {:?} was refused: it was tampered with", desired.name);
    let missing = |target| Missing {
        target,
        reason: reason.clone(),
        fix: format!("secretref put {}", desired.name),
        denied: false,
    };
    desired.targets.into_iter().map(missing).collect()
}

/// Why nothing of a quarantined agent is let in, and who changes that.
fn quarantined(agent: &AgentName) -> String {
    format!("agent {:?} is quarantined, until an operator releases it", agent.as_str())
}

/// Why an instance is not let in. Only a revoked one wipes what it holds: another comes again with
/// its newer certificate, or with the one that it gets for this one.
fn not_admitted(ledger: &Ledger, admission: &Admission) -> CustodyError {
    let known = ledger.agent(admission.agent);
    if known.is_some_and(|agent| agent.quarantined_at.is_some()) {
        let message = quarantined(&admission.name);
        // The code of a revocation, so that a sidecar of any age wipes what it holds.
        return CustodyError::NotAdmitted { code: "AGENT_REVOKED", message };
    }
    let agent = known.filter(|agent| agent.active);
    let (code, why) = match agent.and_then(|agent| agent.instances.get(&admission.instance)) {
        None => ("AGENT_REVOKED", "it is revoked"),
        Some(_) if agent.is_some_and(|it| it.environment != admission.environment) => {
            ("AGENT_MOVED", "it moved to another environment; come again")
        }
        Some(held) if held.holds(&admission.serial) => {
            ("CERTIFICATE_EXPIRED", "its certificate ended; renew it first")
        }
        Some(_) => ("CERTIFICATE_SUPERSEDED", "its certificate was superseded by a newer one"),
    };
    let (instance, name) = (admission.instance, admission.name.as_str());
    let message = format!("instance {instance} of agent {name:?} may not have anything: {why}");
    CustodyError::NotAdmitted { code, message }
}
