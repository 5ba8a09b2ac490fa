//! AWS Secrets Manager: a secret there is replaced by its own rotation function.
//!
//! | setting | default | |
//! | --- | --- | --- |
//! | `secretId` | required | `NAME` or its ARN; `NAME#MEMBER` for a part of its JSON |
//! | `region` | required | where it is |
//! | `endpoint` | the region's | another address; https, or http to this host |
//! | `caFile` | the host's authorities | PEM below a root |
//! | `accessKeyId` | required | who rotates |
//! | `overlaps` | `false` | whether its function leaves the old credential valid |
//! | `secrets.secret-access-key` | required | the key of whoever rotates |
//! | `secrets.session-token` | none | the token of a session |
//!
//! A rotation function creates, sets, tests and finishes by itself, so what is minted is current
//! there by then: "Lambda rotation functions" in the user guide of AWS Secrets Manager.

use super::{Credential, Minted, OwnSecrets, RotatorError, Task, way_out::Wiped};
use crate::{
    aws::{Account, AwsError, CURRENT, Content, Held, ID_BYTES_MAX, PENDING, PREVIOUS, Which},
    permits::Permits,
};
use secretref_domain::{
    fault::Fault, name::RotatorAlias, rotation::RotatorSpec, value::SecretValue,
};
use serde_json::Value;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until};

/// A secret with a rotation function.
pub struct Aws {
    alias: RotatorAlias,
    account: Account,
    id: String,
    /// Absent: all of it.
    part: Option<String>,
    overlaps: bool,
}

/// The stages of each version, by its identity.
type Stages = HashMap<String, Vec<String>>;

impl Aws {
    pub(super) fn open(
        alias: &RotatorAlias,
        spec: &RotatorSpec,
        permits: &Arc<Permits>,
        own: &OwnSecrets,
    ) -> Result<Self, RotatorError> {
        let place = format!("secrets.rotators.{alias}");
        let given = spec.settings.get("secretId").and_then(Value::as_str).unwrap_or_default();
        let (id, part) = match given.split_once('#') {
            Some((id, part)) => (id, Some(part)),
            None => (given, None),
        };
        let is_id = (1..=ID_BYTES_MAX).contains(&id.len())
            && !given.contains(|it: char| it.is_control() || it == '?');
        if !is_id || part == Some("") {
            let message = "has a `secretId` that is none, as NAME or NAME#MEMBER";
            let fix = format!("set `{place}.secretId` and apply again");
            return Err(RotatorError::lasting(alias, message, fix));
        }
        let overlaps = spec.settings.get("overlaps").and_then(Value::as_bool).unwrap_or(false);
        let own = |name: &str| {
            let (_, name) = OWN.iter().find(|(key, _)| *key == name)?;
            own.get(*name).map(Arc::clone)
        };
        let check = format!("aws secretsmanager describe-secret --secret-id {id}");
        let account = Account::open((place, check), &spec.settings, permits, own);
        let account = account.map_err(|error| failed(alias, error))?;
        let (id, part) = (id.to_owned(), part.map(str::to_owned));
        Ok(Self { alias: alias.clone(), account, id, part, overlaps })
    }

    pub(super) fn overlaps(&self) -> bool {
        self.overlaps
    }

    /// Has it rotated, with the rotation's identity as that of the version, and waits until that is
    /// current. Where another than the old one is current already and nothing is under way, a
    /// rotation before this one, or AWS by itself, has made it: it is taken.
    pub(super) async fn mint(&self, task: &Task) -> Result<Minted, RotatorError> {
        let token = task.rotation.to_string();
        let stages = self.stages().await?;
        if !stages.contains_key(&token) {
            if let Some(other) = under_way(&stages) {
                let message = format!("finds {:?} under way to version {other}", self.id);
                let fix = format!(
                    "wait; or end it: aws secretsmanager cancel-rotate-secret --secret-id {}",
                    self.id
                );
                return Err(RotatorError::passing(&self.alias, message, fix));
            }
            let current = self.value(&Which::Current).await?;
            if current.expose() != task.old.value.expose() {
                return Ok(minted(current));
            }
            self.done(self.account.rotate(&self.id, &token).await)?;
        }
        let until = Instant::now() + FUNCTION_TIME_MAX;
        let mut pause = PAUSE_MIN;
        loop {
            if has(&self.stages().await?, &token, CURRENT)
                && let Some(value) = self.finished(&token).await?
            {
                return Ok(minted(value));
            }
            if Instant::now() + pause > until {
                let message = format!("waits for the rotation function of {:?}", self.id);
                let fix = "look at the log of the function in CloudWatch";
                return Err(RotatorError::passing(&self.alias, message, fix));
            }
            sleep_until(Instant::now() + pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// The function has set it: it is looked whether it is still so.
    pub(super) async fn set(&self, new: &Credential) -> Result<(), RotatorError> {
        self.test(new).await
    }

    pub(super) async fn test(&self, tried: &Credential) -> Result<(), RotatorError> {
        let current = self.value(&Which::Current).await?;
        if current.expose() == tried.value.expose() {
            return Ok(());
        }
        let message = format!("has another current value of {:?}", self.id);
        Err(RotatorError::refusal(&self.alias, message, "look who else changes it"))
    }

    /// AWS has no step that ends a credential at its service: its function does, when it sets the
    /// next one. What can be done is done: nobody is given the old one any more.
    pub(super) async fn revoke(&self, task: &Task) -> Result<(), RotatorError> {
        if self.value(&Which::Current).await?.expose() == task.old.value.expose() {
            let message = format!("has the old value of {:?} as its current one", self.id);
            let fix = "look who has brought it back, and rotate again";
            return Err(RotatorError::lasting(&self.alias, message, fix));
        }
        self.forget_previous().await
    }

    pub(super) async fn withdraw(
        &self,
        task: &Task,
        new: Option<&Credential>,
    ) -> Result<(), RotatorError> {
        let (token, stages) = (task.rotation.to_string(), self.stages().await?);
        if has(&stages, &token, PENDING) && !has(&stages, &token, CURRENT) {
            let gone = self.account.move_stage(&self.id, PENDING, &token, None).await;
            return self.done(gone);
        }
        let current = self.value(&Which::Current).await?;
        let is_new = match new {
            Some(new) => current.expose() == new.value.expose(),
            // Its function ended after nobody waited for it any more.
            None => has(&stages, &token, CURRENT),
        };
        if !is_new || current.expose() == task.old.value.expose() {
            return Ok(());
        }
        let before = stages.iter().find(|(_, it)| it.iter().any(|it| it == PREVIOUS));
        if let Some((before, _)) = before.filter(|_| self.overlaps) {
            let which = Which::Version(before.clone());
            if self.value(&which).await?.expose() == task.old.value.expose() {
                let current = self.account.get(&self.id, &Which::Current, &self.id).await;
                let current = self.done(current)?.version;
                let moved = self.account.move_stage(&self.id, CURRENT, &current, Some(before));
                self.done(moved.await)?;
                return self.forget_previous().await;
            }
        }
        let message = format!("cannot have the old value of {:?} again", self.id);
        let fix = format!(
            "aws secretsmanager rotate-secret --secret-id {}, which ends the new one; then rotate \
             again",
            self.id
        );
        Err(RotatorError::lasting(&self.alias, message, fix))
    }

    /// Nobody is given the version before the current one.
    async fn forget_previous(&self) -> Result<(), RotatorError> {
        let stages = self.stages().await?;
        let before = stages.iter().find(|(_, it)| it.iter().any(|it| it == PREVIOUS));
        let Some((before, _)) = before else { return Ok(()) };
        let gone = self.account.move_stage(&self.id, PREVIOUS, before, None).await;
        self.done(gone)
    }

    async fn stages(&self) -> Result<Stages, RotatorError> {
        self.done(self.account.stages(&self.id).await)
    }

    async fn value(&self, which: &Which) -> Result<SecretValue, RotatorError> {
        let held = self.done(self.account.get(&self.id, which, &self.id).await)?;
        self.picked(held)
    }

    /// The value of a version that may not have one yet.
    async fn finished(&self, version: &str) -> Result<Option<SecretValue>, RotatorError> {
        let which = Which::Version(version.to_owned());
        match self.account.get(&self.id, &which, &self.id).await {
            Err(error) if error.fault == Fault::NotFound => Ok(None),
            held => self.picked(self.done(held)?).map(Some),
        }
    }

    fn picked(&self, held: Held) -> Result<SecretValue, RotatorError> {
        let wrong = |why: &str| {
            let message = format!("finds a version of {:?} that {why}", self.id);
            let fix = "look whether `secretId` names the member that its function writes";
            RotatorError::lasting(&self.alias, message, fix)
        };
        let bytes = match (held.content, &self.part) {
            (Content::Text(mut text), None) => std::mem::take(&mut *text).into_bytes(),
            (Content::Bytes(mut bytes), None) => std::mem::take(&mut *bytes),
            (Content::Bytes(_), Some(_)) => return Err(wrong("is no JSON")),
            (Content::Text(text), Some(part)) => {
                let json = Wiped::read(text.as_bytes()).ok_or_else(|| wrong("is no JSON"))?;
                let found = match part.starts_with('/') {
                    true => json.0.pointer(part),
                    false => json.0.get(part),
                };
                let found = found.and_then(Value::as_str);
                found.ok_or_else(|| wrong("has no such text"))?.as_bytes().to_vec()
            }
        };
        SecretValue::new(bytes).map_err(|error| wrong(&format!("is no value: {error}")))
    }

    fn done<T>(&self, outcome: Result<T, AwsError>) -> Result<T, RotatorError> {
        outcome.map_err(|error| failed(&self.alias, error))
    }
}

fn failed(alias: &RotatorAlias, error: AwsError) -> RotatorError {
    match error.fault {
        Fault::Unreachable | Fault::TimedOut => {
            RotatorError::passing(alias, error.message, error.fix)
        }
        _ => RotatorError::lasting(alias, error.message, error.fix),
    }
}

fn has(stages: &Stages, version: &str, stage: &str) -> bool {
    stages.get(version).is_some_and(|stages| stages.iter().any(|it| it == stage))
}

/// The version that a rotation is about to make current.
fn under_way(stages: &Stages) -> Option<&String> {
    let pending = |id: &&String| has(stages, id, PENDING) && !has(stages, id, CURRENT);
    stages.keys().find(pending)
}

fn minted(value: SecretValue) -> Minted {
    Minted { value, expires_at: None, handle: None }
}

/// What the account calls its own secrets, and how a rotator's are named.
const OWN: [(&str, &str); 2] =
    [("secretAccessKey", "secret-access-key"), ("sessionToken", "session-token")];
/// How long one step waits for a rotation function: less than a step may take. The next try goes on
/// waiting.
const FUNCTION_TIME_MAX: Duration = Duration::from_secs(45);
const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(2);
