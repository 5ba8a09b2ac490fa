//! The way to AWS Secrets Manager, which its provider and its rotator share: by AWS's own SDK,
//! whose requests go by the broker's own way out, bounded in time and length and to one endpoint.
//!
//! A secret has versions, and each version has stages. `AWSCURRENT` is what people read, and is
//! moved from one version to another as a compare-and-swap; `AWSPREVIOUS` follows it by itself;
//! `AWSPENDING` is a version that a rotation is about to make current.
//! <https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html>

mod faults;
mod settings;
mod way_out;

use crate::permits::{HostError, Permits};
use aws_sdk_secretsmanager::{
    Client, operation::get_secret_value::GetSecretValueOutput, primitives::Blob,
};
use secretref_domain::{clock::Timestamp, fault::Fault, value::SecretValue};
use serde_json::{Map, Value};
use settings::Settings;
use std::{collections::HashMap, sync::Arc};
use tokio::sync::{Mutex, Semaphore};
use tracing::{instrument::WithSubscriber, subscriber::NoSubscriber};
use zeroize::Zeroizing;

/// The secrets of one account in one region.
pub struct Account {
    settings: Settings,
    permits: Arc<Permits>,
    /// Made when it is first needed, and again after it was refused: the files with its keys may
    /// be others by then.
    client: Mutex<Option<Client>>,
    /// One for each request that may be under way, whoever asks.
    turns: Arc<Semaphore>,
}

/// One of the versions of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The one that people read.
    Current,
    /// The one that has this stage.
    Stage(String),
    /// This one.
    Version(String),
}

/// What a version of a secret holds. Overwritten when dropped.
pub enum Content {
    /// A text.
    Text(Zeroizing<String>),
    /// Bytes.
    Bytes(Zeroizing<Vec<u8>>),
}

/// A version of a secret.
pub struct Held {
    /// What it holds.
    pub content: Content,
    /// Its identity.
    pub version: String,
    /// When it was made, where it says so.
    pub created_at: Option<Timestamp>,
}

/// Why AWS did not do what it was asked for. It says nothing of any value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}: it {message}. Fix: {fix}")]
pub struct AwsError {
    /// What kind of failure it is.
    pub fault: Fault,
    /// To be read after the name of the provider or rotator: `has no prod/stripe`.
    pub message: String,
    /// The command, or the change, that helps.
    pub fix: String,
}

impl AwsError {
    fn new(fault: Fault, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { fault, message: message.into(), fix: fix.into() }
    }

    /// Something that no Secrets Manager answers.
    #[must_use]
    pub fn foreign(message: &str) -> Self {
        let fix = "look whether its `endpoint` is that of AWS Secrets Manager";
        Self::new(Fault::Malformed, message, fix)
    }
}

impl From<HostError> for AwsError {
    fn from(HostError { fault, message, fix }: HostError) -> Self {
        Self { fault, message, fix }
    }
}

impl Account {
    /// An account with the settings that stand at `place`, as `secrets.providers.ALIAS`; what it
    /// needs of `own` secrets it asks for by their names. `check_command` says how it is. Nothing
    /// is asked yet.
    ///
    /// # Errors
    /// [`Fault::Misconfigured`] where a setting is missing or is none.
    pub fn open(
        (place, check_command): (String, String),
        settings: &Map<String, Value>,
        permits: &Arc<Permits>,
        own: impl Fn(&str) -> Option<Arc<SecretValue>>,
    ) -> Result<Self, AwsError> {
        let settings = Settings::read((place, check_command), settings, own)?;
        let turns = Arc::new(Semaphore::new(REQUESTS_AT_ONCE_MAX));
        Ok(Self { settings, permits: Arc::clone(permits), client: Mutex::new(None), turns })
    }

    /// Region and endpoint, for people.
    #[must_use]
    pub fn shown(&self) -> String {
        let Settings { region, endpoint, .. } = &self.settings;
        let place = endpoint.as_ref().map_or_else(String::new, |it| format!(" at {it}"));
        format!("AWS Secrets Manager of {region}{place}")
    }

    /// The command that says how it is.
    #[must_use]
    pub fn check_command(&self) -> &str {
        &self.settings.check_command
    }

    /// A version of a secret; `what` is how people know it.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn get(&self, id: &str, which: &Which, what: &str) -> Result<Held, AwsError> {
        let client = self.client().await?;
        let asked = client.get_secret_value().secret_id(id);
        let asked = match which {
            Which::Current => asked.version_stage(CURRENT),
            Which::Stage(stage) => asked.version_stage(stage),
            Which::Version(version) => asked.version_id(version),
        };
        match quietly(asked.send()).await {
            Ok(found) => held(found),
            Err(error) => Err(self.refused(error, "GetSecretValue and DescribeSecret", what).await),
        }
    }

    /// The stages of each version of a secret, by the version's identity.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn stages(&self, id: &str) -> Result<HashMap<String, Vec<String>>, AwsError> {
        let asked = self.client().await?.describe_secret().secret_id(id);
        match quietly(asked.send()).await {
            Ok(described) => Ok(described.version_ids_to_stages.unwrap_or_default()),
            Err(error) => Err(self.refused(error, "DescribeSecret", id).await),
        }
    }

    /// Puts a version that has one stage, which is taken from any other; gives its identity.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn put(&self, id: &str, content: &Content, stage: &str) -> Result<String, AwsError> {
        let asked = self.client().await?.put_secret_value().secret_id(id).version_stages(stage);
        let asked = match content {
            Content::Text(text) => asked.secret_string(text.as_str()),
            Content::Bytes(bytes) => asked.secret_binary(Blob::new(bytes.as_slice())),
        };
        match quietly(asked.send()).await {
            Ok(put) => put.version_id.ok_or_else(|| AwsError::foreign("put what has no version")),
            Err(error) => Err(self.refused(error, "PutSecretValue", id).await),
        }
    }

    /// Moves a stage from a version to another.
    ///
    /// # Errors
    /// [`AwsError`]; [`Fault::Unreachable`] where the version does not have it any more.
    pub async fn move_stage(
        &self,
        id: &str,
        stage: &str,
        from: &str,
        to: Option<&str>,
    ) -> Result<(), AwsError> {
        let asked = self.client().await?.update_secret_version_stage().secret_id(id);
        let asked = asked.version_stage(stage).remove_from_version_id(from);
        match quietly(asked.set_move_to_version_id(to.map(str::to_owned)).send()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.refused(error, MOVE, id).await),
        }
    }

    /// Has a secret rotated by its own rotation function: the version that comes of it has the
    /// token as its identity. Asked again with the same token it is rotated once.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn rotate(&self, id: &str, token: &str) -> Result<(), AwsError> {
        let asked = self.client().await?.rotate_secret().secret_id(id);
        let asked = asked.client_request_token(token).rotate_immediately(true);
        match quietly(asked.send()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.refused(error, ROTATE, id).await),
        }
    }

    /// Whether the broker is let in at all, and one line about it.
    ///
    /// # Errors
    /// [`AwsError`] where it is not.
    pub async fn check(&self) -> Result<String, AwsError> {
        let client = self.client().await?;
        // No name: what is asked is whether the broker is let in at all.
        match quietly(client.list_secrets().max_results(1).send()).await {
            Ok(listed) if listed.secret_list.is_none() => {
                Err(AwsError::foreign("answered without a list"))
            }
            Ok(_) => Ok(format!("{} lets the broker in", self.shown())),
            // That it may not list them says that it is known.
            Err(error) => match self.refused(error, "ListSecrets", "its list").await {
                fault if fault.fault == Fault::Denied && fault.message.contains("AccessDenied") => {
                    let shown = self.shown();
                    Ok(format!("{shown} knows the broker, which may not list secrets and need not"))
                }
                fault => Err(fault),
            },
        }
    }

    async fn client(&self) -> Result<Client, AwsError> {
        let mut client = self.client.lock().await;
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let made = way_out::client(&self.settings, &self.permits, &self.turns).await?;
        Ok(client.insert(made).clone())
    }

    async fn refused<E>(&self, error: faults::SdkFault<E>, action: &str, what: &str) -> AwsError
    where
        E: faults::Named,
    {
        let error = faults::of(error, (action, what), &self.settings);
        if error.fault == Fault::Denied {
            *self.client.lock().await = None;
        }
        error
    }
}

fn held(found: GetSecretValueOutput) -> Result<Held, AwsError> {
    let created = found.created_date.map(|date| date.as_nanos() / 1_000);
    let created_at = created.and_then(|micros| i64::try_from(micros).ok());
    let created_at = created_at.map(Timestamp::from_micros);
    let version = found.version_id.filter(|version| !version.is_empty());
    let version = version.ok_or_else(|| AwsError::foreign("answered without a version"))?;
    let content = match (found.secret_string, found.secret_binary) {
        (Some(text), _) => Content::Text(Zeroizing::new(text)),
        (None, Some(bytes)) => Content::Bytes(Zeroizing::new(bytes.into_inner())),
        (None, None) => return Err(AwsError::foreign("answered without a value")),
    };
    Ok(Held { content, version, created_at })
}

/// The SDK tells what it receives at TRACE, values too: nobody hears it.
async fn quietly<T>(asked: impl Future<Output = T>) -> T {
    asked.with_subscriber(NoSubscriber::default()).await
}

/// The stage of the version that people read.
pub const CURRENT: &str = "AWSCURRENT";
/// The stage of the version that was current before.
pub const PREVIOUS: &str = "AWSPREVIOUS";
/// The stage of the version that a rotation is about to make current.
pub const PENDING: &str = "AWSPENDING";
/// Longest name or ARN of a secret, in bytes.
pub const ID_BYTES_MAX: usize = 2048;
/// Requests to one account that are under way at once, whoever asks.
pub const REQUESTS_AT_ONCE_MAX: usize = 8;
const MOVE: &str = "UpdateSecretVersionStage";
const ROTATE: &str = "RotateSecret";
