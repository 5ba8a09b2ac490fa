//! The verbs of secrets.

mod read;
mod write;

pub(super) use read::opened;
pub use write::Put;
pub(super) use write::{NewVersion, Rotated};

use super::{Body, Custody, CustodyError, plan::event};
use secretref_domain::{
    audit::Event,
    caller::Caller,
    change::Origin,
    clock::Timestamp,
    id::SecretId,
    ledger::{Ledger, Secret},
    name::{EnvironmentName, SecretName},
    policy::Action,
    version::Version,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// A secret as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretView {
    /// Identity.
    pub id: SecretId,
    /// Environment.
    pub environment: EnvironmentName,
    /// Name.
    pub name: SecretName,
    /// Service that issued it; may be empty.
    pub service: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The version that agents receive.
    pub current: Version,
    /// When it was first written.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When the current value stops being valid.
    pub expires_at: Option<Timestamp>,
    /// From when on it should no longer be used.
    pub deprecation_date: Option<Timestamp>,
    /// When it was deleted, if it is.
    pub deleted_at: Option<Timestamp>,
}

/// State of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum VersionState {
    /// Agents receive this one.
    Current,
    /// Superseded.
    Previous,
    /// Made by a rotation that is under way.
    Pending,
    /// Its key is shredded.
    Destroyed,
}

/// A version as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionView {
    /// Number.
    pub version: Version,
    /// State.
    pub state: VersionState,
    /// When it was committed.
    pub created_at: Timestamp,
    /// When its value stops being valid.
    pub expires_at: Option<Timestamp>,
    /// Length of the value in bytes.
    pub size: usize,
    /// The older version whose value this is.
    pub activated_from: Option<Version>,
    /// Whether the value looks like an example.
    #[serde(default)]
    pub placeholder: bool,
    /// Where it was copied from; absent where it was put.
    #[serde(default)]
    pub origin: Option<Origin>,
}

/// A value that was read.
pub struct SecretRead {
    /// Its version.
    pub version: VersionView,
    /// The value.
    pub value: Arc<Body>,
}

impl SecretView {
    pub(super) fn of(secret: &Secret) -> Self {
        let current = secret.versions.get(&secret.current);
        Self {
            id: secret.id,
            environment: secret.environment.clone(),
            name: secret.name.clone(),
            service: secret.metadata.service.clone(),
            labels: secret.metadata.labels.clone(),
            current: secret.current,
            created_at: secret.created_at,
            updated_at: secret.updated_at,
            expires_at: current.and_then(|version| version.expires_at),
            deprecation_date: secret.metadata.deprecation_date,
            deleted_at: secret.deleted_at,
        }
    }
}

impl VersionView {
    fn of(secret: &Secret, number: Version) -> Option<Self> {
        let version = secret.versions.get(&number)?;
        let state = match version {
            version if version.destroyed => VersionState::Destroyed,
            _ if number == secret.current => VersionState::Current,
            version if version.staged => VersionState::Pending,
            _ => VersionState::Previous,
        };
        Some(Self {
            version: number,
            state,
            created_at: version.created_at,
            expires_at: version.expires_at,
            size: version.size,
            activated_from: version.activated_from,
            placeholder: version.traits.placeholder,
            origin: version.traits.origin.clone(),
        })
    }
}

impl Custody {
    async fn permit_secret(
        &self,
        caller: &Caller,
        action: Action,
        what: &'static str,
        environment: &EnvironmentName,
        name: &SecretName,
    ) -> Result<(), CustodyError> {
        self.permit(caller, action, || secret_event(caller, what, environment, name)).await
    }
}

/// An event about a secret.
pub(super) fn secret_event(
    caller: &Caller,
    action: &'static str,
    environment: &EnvironmentName,
    name: &SecretName,
) -> Event {
    Event {
        environment: environment.to_string(),
        object_kind: "secret",
        object: name.to_string(),
        ..event(caller, action)
    }
}

/// The secret of a name, deleted or not.
fn find<'a>(
    ledger: &'a Ledger,
    environment: &EnvironmentName,
    name: &SecretName,
) -> Result<&'a Secret, CustodyError> {
    ledger.secret_named(environment, name).ok_or_else(|| CustodyError::NotFound {
        kind: "secret",
        name: name.to_string(),
        fix: format!("secretref list --environment {environment}"),
    })
}

/// The secret of a name, unless it is deleted.
fn find_live<'a>(
    ledger: &'a Ledger,
    environment: &EnvironmentName,
    name: &SecretName,
) -> Result<&'a Secret, CustodyError> {
    let secret = find(ledger, environment, name)?;
    match secret.deleted_at {
        None => Ok(secret),
        Some(at) => Err(CustodyError::Precondition {
            code: "SECRET_DELETED",
            message: format!("secret {name:?} was deleted at {at}"),
            fix: format!("secretref undelete {name}"),
        }),
    }
}
