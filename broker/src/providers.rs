//! Providers: where values come from that are not put into the broker's own store. A leaf: it asks
//! a provider once, well, and knows nothing of refs' chains, of copies or of custody.
//!
//! | provider | asks |
//! | --- | --- |
//! | [`file`] | files on the broker's host, below the roots that its configuration allows |
//! | [`environment`] | the broker's environment, names that its configuration allows |
//! | [`exec`] | a program on the broker's host, below the same roots |
//! | [`vault`] | KV version 2 of Vault and OpenBao |
//! | [`aws_secrets_manager`] | AWS Secrets Manager |
//!
//! Nothing is read, and no program started, that [`Permits`] does not name.

pub mod aws_secrets_manager;
pub mod environment;
pub mod exec;
pub mod file;
mod json;
pub mod record;
pub mod vault;

pub use crate::permits::Permits;

use crate::{aws::AwsError, permits::HostError};
use secretref_domain::{
    clock::Timestamp,
    fault::Fault,
    name::{ProviderAlias, SecretName},
    reference::{ProviderKind, ProviderSpec},
    value::SecretValue,
    version::Ahead,
};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// Where in a provider a ref's value lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The ref; its name is the target where none is given.
    pub reference: SecretName,
    /// Record, pointer, variable, id or path.
    pub target: Option<String>,
    /// File or path that an environment names instead of the provider's own.
    pub path: Option<String>,
}

/// What was found at a place.
pub struct Found {
    /// The value.
    pub value: SecretValue,
    /// When it stops being valid, where the provider says so.
    pub expires_at: Option<Timestamp>,
    /// When it was made, where the provider says so.
    pub created_at: Option<Timestamp>,
    /// The provider's own word for the version, for people: at most [`VERSION_BYTES_MAX`] bytes.
    pub version: String,
    /// The version that is to come after it.
    pub pending: Ahead<Pending>,
}

/// A version that a provider holds and that is not the current one yet.
pub struct Pending {
    /// The value.
    pub value: SecretValue,
    /// When it stops being valid, where the provider says so.
    pub expires_at: Option<Timestamp>,
    /// The provider's own word for the version.
    pub version: String,
}

/// Why nothing was found. One line each, at most [`MESSAGE_BYTES_MAX`] bytes, and never a part of
/// what a provider answered: that may be a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}: it {message}. Fix: {fix}")]
pub struct ProviderError {
    /// What kind of failure it is.
    pub fault: Fault,
    /// What it did, to be read after "provider \"NAME\"": `answered 403`, `has no file /x`.
    pub message: String,
    /// The command, or the change, that helps.
    pub fix: String,
}

impl ProviderError {
    /// An error; texts that are too long are cut.
    #[must_use]
    pub fn new(fault: Fault, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { fault, message: cut(message.into()), fix: cut(fix.into()) }
    }
}

impl From<AwsError> for ProviderError {
    fn from(AwsError { fault, message, fix }: AwsError) -> Self {
        Self::new(fault, message, fix)
    }
}

impl From<HostError> for ProviderError {
    fn from(HostError { fault, message, fix }: HostError) -> Self {
        Self::new(fault, message, fix)
    }
}

/// A secret that a provider needs for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Key of the settings, such as `auth.token`.
    pub key: &'static str,
    /// The ref that it is.
    pub reference: SecretName,
}

/// The secrets that a provider needs for itself, by their keys; those that are files it reads
/// itself.
pub type OwnSecrets = BTreeMap<&'static str, Arc<SecretValue>>;

/// A provider that is set up.
pub enum Provider {
    /// Files.
    File(file::Files),
    /// The broker's environment.
    Environment(environment::Environment),
    /// A program.
    Exec(exec::Exec),
    /// Vault or OpenBao.
    Vault(Box<vault::Vault>),
    /// AWS Secrets Manager.
    Aws(Box<aws_secrets_manager::Aws>),
}

impl Provider {
    /// The secrets that a provider with these settings needs to be opened.
    #[must_use]
    pub fn needs(spec: &ProviderSpec) -> Vec<Need> {
        let need = |(key, reference)| Need { key, reference };
        spec.own_secrets().into_iter().map(need).collect()
    }

    /// Opens a provider. Nothing is asked yet.
    ///
    /// # Errors
    /// [`Fault::Misconfigured`] where a setting is missing or not allowed.
    pub fn open(
        alias: &ProviderAlias,
        spec: &ProviderSpec,
        permits: &Arc<Permits>,
        own: &OwnSecrets,
    ) -> Result<Self, ProviderError> {
        match spec.kind {
            ProviderKind::Store => Err(ProviderError::new(
                Fault::Misconfigured,
                "is the broker's own store, which is not asked like others",
                "leave `type` out, or name a type of provider",
            )),
            ProviderKind::File => Ok(Self::File(file::Files::open(alias, spec, permits))),
            ProviderKind::Env => Ok(Self::Environment(environment::Environment::open(permits))),
            ProviderKind::Vault => {
                Ok(Self::Vault(Box::new(vault::Vault::open(alias, spec, permits, own)?)))
            }
            ProviderKind::Exec => Ok(Self::Exec(exec::Exec::open(alias, spec, permits)?)),
            ProviderKind::AwsSecretsmanager => {
                let opened = aws_secrets_manager::Aws::open(alias, spec, permits, own)?;
                Ok(Self::Aws(Box::new(opened)))
            }
        }
    }

    /// Asks for several places at once; the answers are in their order.
    pub async fn fetch(&self, places: &[Place]) -> Vec<Result<Found, ProviderError>> {
        match self {
            Self::File(files) => files.fetch(places).await,
            Self::Environment(environment) => environment.fetch(places),
            Self::Exec(exec) => exec.fetch(places).await,
            Self::Vault(vault) => vault.fetch(places).await,
            Self::Aws(aws) => aws.fetch(places).await,
        }
    }

    /// Writes a value to a place that has one, and which has this one from then on. A record keeps
    /// what else it has, and gets the expiry; a text has nowhere for it. Written twice it is as
    /// written once.
    ///
    /// # Errors
    /// Why it does not; [`Fault::Misconfigured`] where this type of provider cannot be written,
    /// [`Fault::Unreachable`] where somebody changed the place at the same time.
    pub async fn write(
        &self,
        place: &Place,
        value: &SecretValue,
        expires_at: Option<Timestamp>,
    ) -> Result<(), ProviderError> {
        let what = match self {
            Self::File(files) => return files.write(place, value, expires_at).await,
            Self::Vault(vault) => return vault.write(place, value, expires_at).await,
            Self::Aws(aws) => return Box::pin(aws.write(place, value, expires_at)).await,
            Self::Environment(_) => "is the broker's environment, which cannot be written",
            Self::Exec(_) => "is a program, which is asked and cannot be written",
        };
        let fix = "rotate it at its source, or move the ref to the store";
        Err(ProviderError::new(Fault::Misconfigured, what, fix))
    }

    /// Whether it can be asked at all, and one line about what answered.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn check(&self) -> Result<String, ProviderError> {
        match self {
            Self::File(files) => files.check().await,
            Self::Environment(environment) => Ok(environment.check()),
            Self::Exec(exec) => exec.check().await,
            Self::Vault(vault) => vault.check().await,
            Self::Aws(aws) => aws.check().await,
        }
    }
}

/// The folder in which a change may mean another value of a place; none where the provider has to
/// be polled.
#[must_use]
pub fn folder(spec: &ProviderSpec, permits: &Permits, place: &Place) -> Option<PathBuf> {
    (spec.kind == ProviderKind::File).then(|| file::folder(spec, permits, place))?
}

/// Control characters are taken out, and what is too long is cut.
fn cut(text: String) -> String {
    let clean: String = text.chars().filter(|it| !it.is_control()).collect();
    let mut end = clean.len().min(MESSAGE_BYTES_MAX);
    while !clean.is_char_boundary(end) {
        end -= 1;
    }
    clean[..end].to_owned()
}

/// Bytes of a provider's word for a version.
pub const VERSION_BYTES_MAX: usize = 128;
/// Bytes of an error's message, and of its fix.
pub const MESSAGE_BYTES_MAX: usize = 512;
