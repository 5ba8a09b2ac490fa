//! Who has the credential that is rotated, and what is known of them.

use crate::{
    custody::{AWAY_MILLIS, Custody, CustodyError, ReportState},
    store::ReportRow,
};
use secretref_domain::{
    delivery::{Delivery, Effect, Evidence},
    id::InstanceId,
    ledger::{Agent, Ledger},
    name::{EnvironmentName, SecretName},
    rotation::{Became, Consumer, Rotation, Said, Touch},
};
use std::collections::{BTreeSet, HashMap};

impl Custody {
    /// Who has the credential of a rotation, or may have it, as all brokers know them.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn consumers(&self, rotation: &Rotation) -> Result<Vec<Consumer>, CustodyError> {
        self.reports_settled().await;
        let rows = self.shared.store.reports_of(rotation.secret).await?;
        let mut said: HashMap<InstanceId, ReportRow> =
            rows.into_iter().map(|row| (row.instance, row)).collect();
        let contacts = self.shared.store.contacts().await?;
        let now = self.now();
        let ledger = self.shared.ledger();
        let secret = ledger.secret(rotation.secret);
        let newest = secret.and_then(|it| it.versions.keys().next_back()).map_or(0, |it| it.get());
        let bound: BTreeSet<_> =
            ledger.subscribers(&rotation.environment, &rotation.name).collect();
        // Whoever was bound once may still have it.
        let reported = said.values().map(|row| row.agent);
        let agents: BTreeSet<_> = bound.iter().copied().chain(reported).collect();
        let mut consumers = Vec::new();
        // One that is shut out is not waited for: the old credential is to be taken from it.
        let may_come = agents.into_iter().filter_map(|id| ledger.agent(id)).filter(|it| it.active);
        for agent in may_come {
            let owed = bound.contains(&agent.id) && ledger.owes(agent, rotation.secret, now);
            let (stale_max_ms, wants) = terms(&ledger, agent, &rotation.name);
            let live = self.feed().live(agent.id);
            for instance in agent.instances.keys() {
                let said = said.remove(instance);
                if said.is_none() && !owed {
                    continue;
                }
                let mut contact = contacts.get(instance).copied();
                if live.contains(instance) {
                    contact = Some(now);
                }
                contact = contact.max(said.as_ref().map(|row| row.at));
                let away = contact.is_none_or(|at| now.millis_since(at) > AWAY_MILLIS);
                let lease = contact.zip(stale_max_ms);
                consumers.push(Consumer {
                    agent: agent.id,
                    name: agent.name.clone(),
                    instance: *instance,
                    away,
                    lease_end: lease
                        .map(|(at, ms)| at.plus_millis(ms.saturating_add(SLACK_MILLIS))),
                    said: said.and_then(words).map(|said| believed(said, newest)),
                    wants,
                });
            }
        }
        Ok(consumers)
    }

    /// What a new version of a ref does to the agents that have it.
    pub(super) async fn touched_by(
        &self,
        environment: &EnvironmentName,
        reference: &SecretName,
    ) -> Result<Vec<Touch>, CustodyError> {
        let found = {
            let ledger = self.shared.ledger();
            let secret = ledger.rotated_secret(environment, reference);
            secret.map(|secret| (secret.id, secret.name.clone()))
        };
        let Some((secret, name)) = found else { return Ok(Vec::new()) };
        self.reports_settled().await;
        let mut effects: HashMap<_, Effect> = HashMap::new();
        for row in self.shared.store.reports_of(secret).await? {
            let worst = deliveries(&row).iter().map(|it| it.effect).max_by_key(|it| severity(*it));
            let effect = effects.entry(row.agent).or_insert(Effect::Nothing);
            if let Some(worst) = worst.filter(|worst| severity(*worst) > severity(*effect)) {
                *effect = worst;
            }
        }
        let ledger = self.shared.ledger();
        let now = self.now();
        let touch = |id| {
            let agent = ledger.agent(id).filter(|agent| ledger.owes(agent, secret, now))?;
            Some(Touch {
                agent: id,
                name: agent.name.clone(),
                kind: agent.spec.runtime.clone(),
                effect: effects.get(&id).copied().unwrap_or(Effect::Restart),
            })
        };
        Ok(ledger.subscribers(environment, &name).filter_map(touch).collect())
    }
}

/// How long an agent's sidecars may keep a secret without a broker, and the evidence that its
/// bindings ask for.
fn terms(ledger: &Ledger, agent: &Agent, name: &SecretName) -> (Option<i64>, Evidence) {
    let (mut stale_max_ms, mut wants) = (None, Evidence::Written);
    for (_, _, credential) in agent.effective().credentials() {
        let chain = ledger.chain(&agent.environment, &credential.secret_ref);
        if !chain.iter().any(|link| link.secret.as_ref() == Some(name)) {
            continue;
        }
        stale_max_ms = match (stale_max_ms, credential.stale_max_ms) {
            (Some(one), Some(other)) => Some(i64::min(one, other)),
            (one, other) => one.or(other),
        };
        wants = wants.max(credential.evidence.unwrap_or_default());
    }
    (stale_max_ms, wants)
}

fn words(row: ReportRow) -> Option<Said> {
    let became = match ReportState::of(row.state)? {
        ReportState::Received | ReportState::Deferred => Became::Coming,
        ReportState::Applied => Became::Applied,
        ReportState::Failed => Became::Failed,
        ReportState::Wiped => Became::Wiped,
    };
    let deliveries = deliveries(&row);
    let (version, evidence) = (row.version, Evidence::of(row.evidence));
    Some(Said { version, became, evidence, detail: row.detail, deliveries, at: row.at })
}

/// What proves nothing: to be on a version that was never made.
fn believed(said: Said, newest: i64) -> Said {
    if said.version <= newest {
        return said;
    }
    let detail = format!("it says that it is on v{}, which there is not", said.version);
    Said { became: Became::Coming, detail, ..said }
}

fn deliveries(row: &ReportRow) -> Vec<Delivery> {
    serde_json::from_str(&row.deliveries).unwrap_or_default()
}

fn severity(effect: Effect) -> u8 {
    match effect {
        Effect::Nothing => 0,
        Effect::Signal => 1,
        Effect::Hook => 2,
        Effect::HandOver => 3,
        Effect::Restart => 4,
    }
}

/// How much later than it says a lease is taken to end: contacts are told now and then, and clocks
/// differ.
const SLACK_MILLIS: i64 = 60_000;
