//! What is so and people should know of: what the ledger says, with what sidecars said and tests
//! came to; and what people were told of it.

use super::{Custody, CustodyError, plan::event, reports::ReportState};
use crate::store::HeldRow;
use secretref_domain::{
    alert::ChannelName,
    caller::Caller,
    clock::Timestamp,
    condition::{Behind, Book, Bounds, Condition, ConditionKey, Entry, Seen, Turn},
    id::{InstanceId, SecretId},
    ledger::Ledger,
    name::{EnvironmentName, SecretName},
    policy::Action,
    rotation::{Rotation, Step, Waiting},
};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};
use tokio::task::yield_now;

/// Since when instances have been seen to be behind.
pub type Remembered = HashMap<(SecretId, InstanceId), Timestamp>;

impl Custody {
    /// Which environment's conditions somebody may see; none: all of them.
    ///
    /// # Errors
    /// A denial.
    pub async fn may_see_conditions(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        all: bool,
    ) -> Result<Option<EnvironmentName>, CustodyError> {
        self.permit(caller, Action::MetadataRead, || event(caller, "alert.conditions")).await?;
        Ok((!all).then(|| self.environment(environment)))
    }

    /// Lets somebody have people told of conditions by a channel, on the record, and says which
    /// environment is meant.
    ///
    /// # Errors
    /// A denial; [`CustodyError::NotFound`]; [`CustodyError::Store`].
    pub async fn may_tell_conditions(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        channel: &ChannelName,
    ) -> Result<EnvironmentName, CustodyError> {
        self.channel_permitted(caller, "alert.tell", environment, channel).await
    }

    /// Everything that is so in an environment, or in all; with `agents`, what each agent goes
    /// without too. The ledger is held for a part at a time, so that no change waits for long.
    pub async fn conditions(
        &self,
        environment: Option<&EnvironmentName>,
        seen: &Seen,
        bounds: &Bounds,
        agents: bool,
    ) -> Vec<Condition> {
        let environments = match environment {
            Some(one) => BTreeSet::from([one.clone()]),
            None => self.shared.ledger().environments(),
        };
        let (mut found, now) = (Vec::new(), self.now());
        for environment in &environments {
            let names: Vec<SecretName> = {
                let ledger = self.shared.ledger();
                found.extend(ledger.conditions_of_providers(environment, bounds, now));
                ledger.watched(environment).into_iter().collect()
            };
            for part in names.chunks(PART) {
                yield_now().await;
                let ledger = self.shared.ledger();
                let of = |name| ledger.conditions_of(environment, name, seen, bounds, now);
                found.extend(part.iter().flat_map(of));
            }
            if agents {
                found.extend(self.conditions_of_agents(environment, seen).await);
            }
        }
        found
    }

    async fn conditions_of_agents(
        &self,
        environment: &EnvironmentName,
        seen: &Seen,
    ) -> Vec<Condition> {
        let (mut found, mut last, now) = (Vec::new(), None, self.now());
        loop {
            yield_now().await;
            let ledger = self.shared.ledger();
            let part = ledger.agents_after(environment, last.as_ref()).take(PART);
            let part: Vec<_> = part.collect();
            let Some(end) = part.last() else { return found };
            last = Some(end.name.clone());
            let of = |it| ledger.conditions_of_agent(it, seen, now);
            found.extend(part.into_iter().flat_map(of));
        }
    }

    /// What conditions depend on that the ledger does not know. `remembered` is since when who is
    /// behind was seen so, and is brought up to date.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn seen(
        &self,
        bounds: &Bounds,
        remembered: &mut Remembered,
    ) -> Result<Seen, CustodyError> {
        self.reports_settled().await;
        let (rows, contacts) = (self.shared.store.held().await?, self.live_instances().await?);
        let now = self.now();
        let (told, alarms) = (self.book().await?.open(), self.feed().all_alarms());
        let mut seen = Seen { told, alarms, ..Seen::default() };
        {
            let ledger = self.shared.ledger();
            for row in &rows {
                let state = ReportState::of(row.state);
                if matches!(state, Some(ReportState::Applied | ReportState::Wiped)) {
                    seen.taken.insert(row.secret);
                }
                let Some(stands) = stands(&ledger, row, now) else { continue };
                if !contacts.contains(&row.instance) {
                    continue;
                }
                let key = (row.secret, row.instance);
                let since = remembered.get(&key).copied().unwrap_or(now);
                let (agent, instance) = (row.agent, row.instance);
                let behind = Behind { agent, instance, since, stands };
                seen.behind.entry(row.secret).or_default().push(behind);
            }
        }
        let all = seen.behind.iter().flat_map(|(secret, all)| {
            all.iter().map(|behind| ((*secret, behind.instance), behind.since))
        });
        *remembered = all.collect();
        for (secret, trial) in self.trials().await? {
            if let Some(refused) = trial.refused {
                seen.refused.insert(secret, refused);
            }
        }
        let still = |it: &Rotation| it.since.plus_seconds(bounds.stuck_seconds) <= now;
        for rotation in self.rotations_under_way().into_iter().filter(still) {
            let waits = self.waits_of(&rotation).await?;
            seen.waits.insert(rotation.id, waits);
        }
        Ok(seen)
    }

    /// Whom or what a rotation waits for.
    async fn waits_of(&self, rotation: &Rotation) -> Result<Vec<Waiting>, CustodyError> {
        let consumers = Box::pin(self.consumers(rotation)).await?;
        let current = self.current_version(rotation.secret).unwrap_or(rotation.old);
        let now = self.now();
        Ok(match rotation.next(&consumers, current, now) {
            Step::Wait(waiting) => waiting,
            _ => rotation.standings(&consumers, now).0,
        })
    }

    /// What people were told of conditions, by any broker.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn book(&self) -> Result<Book, CustodyError> {
        let rows = self.shared.store.told().await?;
        // What cannot be read was written by a newer broker, or by nobody: it is told anew.
        let entry = |(subject, told): (String, String)| {
            let key: ConditionKey = serde_json::from_str(&subject).ok()?;
            Some((key, serde_json::from_str::<Entry>(&told).ok()?))
        };
        Ok(Book::of(rows.into_iter().filter_map(entry)))
    }

    /// Keeps what people have been told.
    ///
    /// # Errors
    /// [`CustodyError::Store`]; what was not kept is told again.
    pub async fn keep_told(&self, turn: &Turn) -> Result<(), CustodyError> {
        for (key, entry) in &turn.changed {
            let subject = json(key);
            let told = entry.as_ref().map(|entry| {
                let message = cut(&entry.message);
                json(&Entry { message, ..entry.clone() })
            });
            self.shared.store.keep_told(&subject, told.as_deref()).await?;
        }
        Ok(())
    }

    /// The environments that have a channel.
    #[must_use]
    pub fn environments_with_channels(&self) -> BTreeSet<EnvironmentName> {
        let ledger = self.shared.ledger();
        let mut all = ledger.environments();
        all.retain(|environment| ledger.channels(environment).next().is_some());
        all
    }

    /// The instances that hold a stream of any broker.
    async fn live_instances(&self) -> Result<BTreeSet<InstanceId>, CustodyError> {
        let now = self.now();
        let contacts = self.shared.store.contacts().await?.into_iter();
        let near = contacts.filter(|(_, at)| now.millis_since(*at) <= super::AWAY_MILLIS);
        let mut live: BTreeSet<InstanceId> = near.map(|(instance, _)| instance).collect();
        live.extend(self.feed().present());
        Ok(live)
    }
}

/// Where an instance stands that is not where it should be.
fn stands(ledger: &Ledger, row: &HeldRow, now: Timestamp) -> Option<String> {
    let secret = ledger.secret(row.secret)?;
    let state = ReportState::of(row.state)?;
    let current = secret.current.get();
    let stands = match state {
        ReportState::Wiped => return None,
        _ if row.version < current => format!("is on v{}", row.version),
        ReportState::Failed if row.detail.is_empty() => format!("could not take v{}", row.version),
        ReportState::Failed => format!("could not take v{}: {}", row.version, row.detail),
        ReportState::Received => format!("has v{} and did not put it in place", row.version),
        // What is put in place later is so by its manifest.
        ReportState::Applied | ReportState::Deferred => return None,
    };
    // A rotation waits for its consumers by itself, and says so.
    let rotates = ledger.rotation_of(secret.id).is_some();
    let agent = ledger.agent(row.agent).filter(|agent| agent.active && !rotates)?;
    let holds = agent.instances.contains_key(&row.instance);
    (holds && ledger.owes(agent, secret.id, now)).then_some(stands)
}

/// Plain data: it can always be written.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn cut(message: &str) -> String {
    message.chars().take(MESSAGE_CHARS_MAX).collect()
}

/// Names that are looked at while the ledger is held.
const PART: usize = 256;
/// Characters of a message that are kept: as JSON they stay below the column's limit.
const MESSAGE_CHARS_MAX: usize = 2_000;
