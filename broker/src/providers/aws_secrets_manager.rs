//! AWS Secrets Manager, by AWS's own SDK; its requests go by the broker's own way out, bounded in
//! time and length and to the one endpoint.
//!
//! | place | what it is |
//! | --- | --- |
//! | `target: prod/stripe` | the secret of that name or ARN: its text or bytes, or its record |
//! | `target: prod/stripe#apiKey` | the member `apiKey` of its JSON |
//! | `target: prod/stripe#/keys/0` | the part of its JSON at that pointer |
//! | no target | the secret that is named like the ref |
//!
//! What has the stage `AWSCURRENT` is the value, and what has `AWSPENDING` is the one to come.

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
use std::sync::Arc;
use tokio::sync::Mutex;
use tracing::{instrument::WithSubscriber, subscriber::NoSubscriber};

/// The secrets of one account in one region.
pub struct Aws {
    settings: Settings,
    permits: Arc<Permits>,
    /// Made when it is first needed, and again after it was refused: the files with its keys may
    /// be others by then.
    client: Mutex<Option<Client>>,
}

/// A secret, or a part of one.
#[derive(Debug, PartialEq, Eq)]
struct Spot {
    id: String,
    /// Absent: all of it.
    part: Option<String>,
}

/// What a stage of a secret holds.
enum Content {
    Text(String),
    Bytes(Vec<u8>),
}

impl Aws {
    pub(super) fn open(
        alias: &ProviderAlias,
        spec: &ProviderSpec,
        permits: &Arc<Permits>,
        own: &OwnSecrets,
    ) -> Result<Self, ProviderError> {
        let settings = Settings::read(alias, spec, own)?;
        Ok(Self { settings, permits: Arc::clone(permits), client: Mutex::new(None) })
    }

    pub(super) async fn fetch(&self, places: &[Place]) -> Vec<Result<Found, ProviderError>> {
        let mut asked = Vec::with_capacity(places.len());
        for place in places {
            asked.push(self.one(place));
        }
        stream::iter(asked).buffered(REQUESTS_AT_ONCE_MAX).collect().await
    }

    async fn one(&self, place: &Place) -> Result<Found, ProviderError> {
        let spot = Spot::of(place)?;
        let current = self.get(&spot.id, CURRENT).await?;
        let version = current.version_id().unwrap_or_default().to_owned();
        let created = current.created_date().map(aws_smithy_types::DateTime::as_nanos);
        let created = created.and_then(|nanos| i64::try_from(nanos / 1_000).ok());
        let mut found = spot.found(content(current)?, shown(&version))?;
        found.created_at = found.created_at.or(created.map(Timestamp::from_micros));
        found.pending = self.pending(&spot, &version).await;
        Ok(found)
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
        let found = self.get(&spot.id, PENDING).await.ok()?;
        if found.version_id() != Some(version) {
            return None;
        }
        let found = spot.found(content(found).ok()?, shown(version)).ok()?;
        Some(Pending { value: found.value, version: found.version })
    }

    async fn get(&self, id: &str, stage: &str) -> Result<GetSecretValueOutput, ProviderError> {
        let client = self.client().await?;
        let asked = client.get_secret_value().secret_id(id).version_stage(stage).send();
        match quietly(asked).await {
            Ok(found) => Ok(found),
            Err(error) => {
                let error = faults::of(error, id, &self.settings);
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
            Ok(listed) if listed.secret_list.is_none() => {
                let fix = "look whether its `endpoint` is that of AWS Secrets Manager";
                let message = "answered without a list";
                Err(ProviderError::new(Fault::Malformed, message, fix))
            }
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
        let made = way_out::client(&self.settings, &self.permits).await?;
        Ok(client.insert(made).clone())
    }
}

impl Spot {
    fn of(place: &Place) -> Result<Self, ProviderError> {
        let wrong = |message: String| {
            let fix = "write the ref's `target` as `NAME`, `NAME#MEMBER` or `NAME#/POINTER`";
            Err(ProviderError::new(Fault::Misconfigured, message, fix))
        };
        if place.path.is_some() {
            return wrong("has no paths".to_owned());
        }
        let said = place.target.as_deref().unwrap_or_else(|| place.reference.as_str());
        let (id, part) = match said.split_once('#') {
            Some((id, part)) => (id, Some(part)),
            None => (said, None),
        };
        if id.is_empty() || id.len() > ID_BYTES_MAX || said.contains(char::is_control) {
            return wrong(format!("cannot have a secret {said:?}"));
        }
        if part == Some("") {
            return wrong(format!("cannot have the part of {said:?}: nothing is after its `#`"));
        }
        Ok(Self { id: id.to_owned(), part: part.map(str::to_owned) })
    }

    /// The value of a content.
    fn found(&self, content: Content, version: String) -> Result<Found, ProviderError> {
        let what = match &self.part {
            Some(part) => format!("{:?} of {}", part, self.id),
            None => self.id.clone(),
        };
        match (content, &self.part) {
            (Content::Bytes(bytes), None) => record::plain(bytes, &what, version),
            (Content::Text(text), None) => match serde_json::from_str(&text) {
                // A JSON that is no record is a value as it is.
                Ok(Value::Object(members)) if members.contains_key("value") => {
                    record::found(Value::Object(members), &what, version)
                }
                _ => record::plain(text.into_bytes(), &what, version),
            },
            (content, Some(part)) => {
                let json: Value = match &content {
                    Content::Text(text) => serde_json::from_str(text).unwrap_or_default(),
                    Content::Bytes(bytes) => serde_json::from_slice(bytes).unwrap_or_default(),
                };
                if json.is_null() {
                    let fix = "leave out what is after `#`, or store JSON";
                    let message = format!("has {}, and it is no JSON", self.id);
                    return Err(ProviderError::new(Fault::Malformed, message, fix));
                }
                let pointer = match part.strip_prefix('/') {
                    Some(_) => part.clone(),
                    None => format!("/{}", part.replace('~', "~0").replace('/', "~1")),
                };
                let mut json = json;
                let found = json.pointer_mut(&pointer).map(Value::take).ok_or_else(|| {
                    let fix = format!("add it there, or correct the ref's `target` {}#…", self.id);
                    ProviderError::new(Fault::NotFound, format!("has no {what}"), fix)
                })?;
                record::found(found, &what, version)
            }
        }
    }
}

fn content(found: GetSecretValueOutput) -> Result<Content, ProviderError> {
    match (found.secret_string, found.secret_binary) {
        (Some(text), _) => Ok(Content::Text(text)),
        (None, Some(bytes)) => Ok(Content::Bytes(bytes.into_inner())),
        (None, None) => {
            let fix = "look whether its `endpoint` is that of AWS Secrets Manager";
            let message = "answered without a value";
            Err(ProviderError::new(Fault::Malformed, message, fix))
        }
    }
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
/// Requests of one fetch that are under way at once.
const REQUESTS_AT_ONCE_MAX: usize = 8;
