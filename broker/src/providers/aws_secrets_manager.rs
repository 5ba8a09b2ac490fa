//! AWS Secrets Manager, by AWS's own SDK; its requests go by the broker's own way out, bounded in
//! time and length and to the one endpoint.
//!
//! | place | what it is |
//! | --- | --- |
//! | `target: prod/stripe` | the secret of that name or ARN: its text or bytes, or its record |
//! | `target: prod/stripe#apiKey` | the member `apiKey` of its JSON |
//! | `target: prod/stripe#/keys/0` | the part of its JSON at that pointer |
//! | `target: prod/stripe?stage=AWSPREVIOUS` | the version that has this stage, `#…` after it too |
//! | `target: prod/stripe?version=ID` | that version and no other |
//! | no target | the secret that is named like the ref |
//!
//! What has the stage `AWSCURRENT` is the value, and what has `AWSPENDING` is the one to come. A
//! target that names a stage or a version means that one alone.

mod faults;
mod settings;
mod way_out;

use super::{Found, OwnSecrets, Pending, Permits, Place, ProviderError, record};
use aws_sdk_secretsmanager::{Client, operation::get_secret_value::GetSecretValueOutput};
use futures_util::{StreamExt, stream};
use secretref_domain::{
    clock::Timestamp, fault::Fault, name::ProviderAlias, reference::ProviderSpec,
};
use serde_json::Value;
use settings::Settings;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Mutex, Semaphore},
    time::{Instant, timeout, timeout_at},
};
use tracing::{instrument::WithSubscriber, subscriber::NoSubscriber};
use zeroize::Zeroizing;

/// The secrets of one account in one region.
pub struct Aws {
    settings: Settings,
    permits: Arc<Permits>,
    /// Made when it is first needed, and again after it was refused: the files with its keys may
    /// be others by then.
    client: Mutex<Option<Client>>,
    /// One for each request that may be under way, whoever asks.
    turns: Arc<Semaphore>,
}

/// A secret, or a part of one.
#[derive(Debug, PartialEq, Eq)]
struct Spot {
    id: String,
    which: Which,
    /// Absent: all of it.
    part: Option<String>,
}

/// One of the versions of a secret.
#[derive(Debug, PartialEq, Eq)]
enum Which {
    Current,
    Stage(String),
    Version(String),
}

/// What a version of a secret holds.
enum Content {
    Text(Zeroizing<String>),
    Bytes(Zeroizing<Vec<u8>>),
}

impl Aws {
    pub(super) fn open(
        alias: &ProviderAlias,
        spec: &ProviderSpec,
        permits: &Arc<Permits>,
        own: &OwnSecrets,
    ) -> Result<Self, ProviderError> {
        let settings = Settings::read(alias, spec, own)?;
        let turns = Arc::new(Semaphore::new(REQUESTS_AT_ONCE_MAX));
        Ok(Self { settings, permits: Arc::clone(permits), client: Mutex::new(None), turns })
    }

    /// What is not reached in time fails alone, and is asked sooner next time: of many secrets each
    /// gets its turn.
    pub(super) async fn fetch(&self, places: &[Place]) -> Vec<Result<Found, ProviderError>> {
        let until = Instant::now() + ROUND_TIME_MAX;
        let mut asked = Vec::with_capacity(places.len());
        for place in places {
            asked.push(async move {
                timeout_at(until, self.one(place)).await.unwrap_or_else(|_| Err(self.late()))
            });
        }
        stream::iter(asked).buffered(REQUESTS_AT_ONCE_MAX).collect().await
    }

    async fn one(&self, place: &Place) -> Result<Found, ProviderError> {
        let spot = Spot::of(place)?;
        let given = self.get(&spot, &spot.which).await?;
        let version = shown(given.version_id().unwrap_or_default());
        if version.is_empty() {
            return Err(foreign("answered without a version"));
        }
        let created = given.created_date().map(aws_smithy_types::DateTime::as_nanos);
        let created = created.and_then(|nanos| i64::try_from(nanos / 1_000).ok());
        let mut found = spot.found(content(given)?, version)?;
        found.created_at = found.created_at.or(created.map(Timestamp::from_micros));
        if spot.which == Which::Current {
            let pending = timeout(PENDING_TIME_MAX, self.pending(&spot, &found.version)).await;
            found.pending = pending.ok().flatten();
        }
        Ok(found)
    }

    fn late(&self) -> ProviderError {
        let seconds = ROUND_TIME_MAX.as_secs();
        let message = format!("did not answer for all refs within {seconds} s, this one too");
        ProviderError::new(Fault::TimedOut, message, self.settings.check_command())
    }

    /// The version that is to come, where one is under way. It informs: whoever may not see it, or
    /// finds it empty yet, goes without.
    async fn pending(&self, spot: &Spot, current: &str) -> Option<Pending> {
        let described = self.client().await.ok()?.describe_secret().secret_id(&spot.id).send();
        let described = quietly(described).await.ok()?;
        let stages = described.version_ids_to_stages()?;
        let is_pending = |stages: &Vec<String>| {
            stages.iter().any(|stage| stage == PENDING) && stages.iter().all(|it| it != CURRENT)
        };
        let (version, _) = stages.iter().find(|(id, it)| *id != current && is_pending(it))?;
        // By its identity: the stage may be another version's by now.
        let found = self.get(spot, &Which::Version(version.clone())).await.ok()?;
        let found = spot.found(content(found).ok()?, shown(version)).ok()?;
        let Found { value, expires_at, version, .. } = found;
        Some(Pending { value, expires_at, version })
    }

    async fn get(&self, spot: &Spot, which: &Which) -> Result<GetSecretValueOutput, ProviderError> {
        let client = self.client().await?;
        let asked = client.get_secret_value().secret_id(&spot.id);
        let asked = match which {
            Which::Current => asked.version_stage(CURRENT),
            Which::Stage(stage) => asked.version_stage(stage),
            Which::Version(version) => asked.version_id(version),
        };
        match quietly(asked.send()).await {
            Ok(found) => Ok(found),
            Err(error) => {
                let error = faults::of(error, &spot.shown(), &self.settings);
                if error.fault == Fault::Denied {
                    *self.client.lock().await = None;
                }
                Err(error)
            }
        }
    }

    pub(super) async fn check(&self) -> Result<String, ProviderError> {
        let client = self.client().await?;
        // No name: what is asked is whether the broker is let in at all.
        let listed = quietly(client.list_secrets().max_results(1).send()).await;
        let Settings { region, endpoint, .. } = &self.settings;
        let place = endpoint.as_ref().map_or_else(String::new, |it| format!(" at {it}"));
        match listed {
            Ok(listed) if listed.secret_list.is_none() => Err(foreign("answered without a list")),
            Ok(_) => Ok(format!("AWS Secrets Manager of {region}{place} lets the broker in")),
            // That it may not list them says that it is known.
            Err(error) => {
                let fault = faults::of(error, "its list", &self.settings);
                match fault.fault {
                    Fault::Denied if fault.message.contains("AccessDenied") => Ok(format!(
                        "AWS Secrets Manager of {region}{place} knows the broker, which may not \
                         list secrets and need not"
                    )),
                    _ => Err(fault),
                }
            }
        }
    }

    async fn client(&self) -> Result<Client, ProviderError> {
        let mut client = self.client.lock().await;
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let made = way_out::client(&self.settings, &self.permits, &self.turns).await?;
        Ok(client.insert(made).clone())
    }
}

impl Spot {
    fn of(place: &Place) -> Result<Self, ProviderError> {
        let wrong = |message: String| {
            let fix = "write the ref's `target` as `NAME`, then `?stage=STAGE` or `?version=ID` \
                       where another than AWSCURRENT is meant, then `#MEMBER` or `#/POINTER`";
            Err(ProviderError::new(Fault::Misconfigured, message, fix))
        };
        if place.path.is_some() {
            return wrong("has no paths".to_owned());
        }
        let said = place.target.as_deref().unwrap_or_else(|| place.reference.as_str());
        let (of, part) = match said.split_once('#') {
            Some((of, part)) => (of, Some(part)),
            None => (said, None),
        };
        // No name and no ARN has a question mark.
        let (id, which) = match of.split_once('?') {
            Some((id, which)) => (id, Some(which)),
            None => (of, None),
        };
        if id.is_empty() || id.len() > ID_BYTES_MAX || said.contains(char::is_control) {
            return wrong(format!("cannot have a secret {said:?}"));
        }
        if part == Some("") {
            return wrong(format!("cannot have the part of {said:?}: nothing is after its `#`"));
        }
        let fits = |it: &&str| (1..=STAGE_BYTES_MAX).contains(&it.len());
        let which = match which.map(|which| which.split_once('=')) {
            None => Which::Current,
            Some(Some(("stage", stage))) if fits(&stage) => Which::Stage(stage.to_owned()),
            Some(Some(("version", id))) if fits(&id) => Which::Version(id.to_owned()),
            Some(_) => return wrong(format!("cannot have the version that {said:?} names")),
        };
        Ok(Self { id: id.to_owned(), which, part: part.map(str::to_owned) })
    }

    /// As a target says it, without its part.
    fn shown(&self) -> String {
        match &self.which {
            Which::Current => self.id.clone(),
            Which::Stage(stage) => format!("{}?stage={stage}", self.id),
            Which::Version(version) => format!("{}?version={version}", self.id),
        }
    }

    /// The value of a content.
    fn found(&self, mut content: Content, version: String) -> Result<Found, ProviderError> {
        let Some(part) = &self.part else { return self.whole(content, version) };
        let what = format!("{part:?} of {}", self.shown());
        let json: Option<Value> = match &mut content {
            Content::Text(text) => serde_json::from_str(text).ok(),
            Content::Bytes(bytes) => serde_json::from_slice(bytes).ok(),
        };
        let Some(mut json) = json else {
            let fix = "leave out what is after `#`, or store JSON";
            let message = format!("has {}, and it is no JSON", self.shown());
            return Err(ProviderError::new(Fault::Malformed, message, fix));
        };
        let pointer = match part.strip_prefix('/') {
            Some(_) => part.clone(),
            None => format!("/{}", part.replace('~', "~0").replace('/', "~1")),
        };
        let found = json.pointer_mut(&pointer).map(Value::take).ok_or_else(|| {
            let fix = format!("add it there, or correct the ref's `target` {}#…", self.shown());
            ProviderError::new(Fault::NotFound, format!("has no {what}"), fix)
        })?;
        record::found(found, &what, version)
    }

    fn whole(&self, content: Content, version: String) -> Result<Found, ProviderError> {
        let what = self.shown();
        let mut text = match content {
            Content::Bytes(mut bytes) => {
                return record::plain(std::mem::take(&mut *bytes), &what, version);
            }
            Content::Text(text) => text,
        };
        match serde_json::from_str(&text) {
            // A JSON that is no record is a value as it is.
            Ok(Value::Object(members)) if members.contains_key("value") => {
                record::found(Value::Object(members), &what, version)
            }
            _ => record::plain(std::mem::take(&mut *text).into_bytes(), &what, version),
        }
    }
}

fn content(found: GetSecretValueOutput) -> Result<Content, ProviderError> {
    match (found.secret_string, found.secret_binary) {
        (Some(text), _) => Ok(Content::Text(Zeroizing::new(text))),
        (None, Some(bytes)) => Ok(Content::Bytes(Zeroizing::new(bytes.into_inner()))),
        (None, None) => Err(foreign("answered without a value")),
    }
}

/// Something that no Secrets Manager answers.
fn foreign(message: &str) -> ProviderError {
    let fix = "look whether its `endpoint` is that of AWS Secrets Manager";
    ProviderError::new(Fault::Malformed, message, fix)
}

/// The SDK tells what it receives at TRACE, values too: nobody hears it.
async fn quietly<T>(asked: impl Future<Output = T>) -> T {
    asked.with_subscriber(NoSubscriber::default()).await
}

fn shown(version: &str) -> String {
    let plain = |it: &char| it.is_ascii_alphanumeric() || "-_.".contains(*it);
    version.chars().filter(plain).take(super::VERSION_BYTES_MAX).collect()
}

const CURRENT: &str = "AWSCURRENT";
const PENDING: &str = "AWSPENDING";
/// Longest name or ARN of a secret, in bytes.
const ID_BYTES_MAX: usize = 2048;
/// Longest name of a stage, or identity of a version, in bytes.
const STAGE_BYTES_MAX: usize = 256;
/// Requests to one account that are under way at once, whoever asks.
const REQUESTS_AT_ONCE_MAX: usize = 8;
/// How long one round may take: less than all of them get, so that what was answered is kept.
const ROUND_TIME_MAX: Duration = Duration::from_secs(7);
/// How long what is to come is waited for, once what is there is known.
const PENDING_TIME_MAX: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
