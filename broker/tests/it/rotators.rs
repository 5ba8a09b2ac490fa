//! Every rotator against the same suite, with a real service.
//!
//! A rotator joins with one file here: a [`World`] with its service, and `conforms!`.

mod aws_secrets_manager;
mod exec;
mod http;
mod postgres_role;
mod suite;
mod vault;

use anyhow::Result;
use secretref_broker::{
    permits::Permits,
    rotators::{Credential, Minted, OwnSecrets, Rotator, RotatorError, Task},
};
use secretref_domain::{
    id::RotationId,
    name::{EnvironmentName, RotatorAlias, SecretName},
    rotation::{RotatorKind, RotatorSpec},
    value::SecretValue,
};
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

/// A service whose credential is rotated, and whoever knows by himself whether one works there.
trait World: Sized {
    /// Whether it can hold two credentials at once.
    const OVERLAPS: bool;
    /// Whether it makes a new one only by ending the old one, and has no way back.
    const ONE_WAY: bool = false;

    /// A service of one's own; none where it cannot be had here, which has been said then.
    async fn new() -> Result<Option<Self>>;

    /// The rotator, set up for it.
    async fn open(&self) -> Result<Rotator, RotatorError>;

    /// The rotator, set up for one where nobody is.
    async fn nowhere(&self) -> Result<Rotator, RotatorError>;

    /// The credential that is valid at first.
    async fn first(&self) -> Result<Credential>;

    /// A credential that never was valid.
    fn wrong(&self) -> Result<Credential>;

    /// Whether a credential works there now, found out without the rotator.
    async fn works(&self, credential: &Credential) -> Result<bool>;
}

/// A rotation of `old`.
fn task(old: &Credential) -> Task {
    Task {
        rotation: RotationId(Uuid::now_v7()),
        environment: EnvironmentName::parse("production").unwrap(),
        reference: SecretName::parse("orders-db").unwrap(),
        old: old.clone(),
    }
}

fn credential(value: &str) -> Result<Credential> {
    let value = Arc::new(SecretValue::new(value.as_bytes().to_vec())?);
    Ok(Credential { value, handle: None })
}

fn minted(minted: Minted) -> Credential {
    Credential { value: Arc::new(minted.value), handle: minted.handle }
}

/// A rotator with these settings and secrets of its own.
async fn opened(
    kind: RotatorKind,
    settings: &Value,
    own: &[(&str, &str)],
    permits: Permits,
) -> Result<Rotator, RotatorError> {
    let settings = settings.as_object().cloned().unwrap_or_default();
    let secret = |(name, value): &(&str, &str)| {
        let value = SecretValue::new(value.as_bytes().to_vec()).unwrap();
        ((*name).to_owned(), Arc::new(value))
    };
    let own: OwnSecrets = own.iter().map(secret).collect();
    let alias = RotatorAlias::parse("rotator").unwrap();
    Rotator::open(&alias, &RotatorSpec { kind, settings }, &Arc::new(permits), &own).await
}

/// The error, once it is seen that it says nothing of a credential.
fn silent(error: RotatorError, secrets: &[&Credential]) -> RotatorError {
    let said = format!("{error} {error:?}");
    for secret in secrets {
        let value = String::from_utf8_lossy(secret.value.expose()).into_owned();
        assert!(!said.contains(&value), "it says a credential: {said}");
    }
    assert!(!error.message.is_empty() && !error.fix.is_empty(), "it says too little: {said}");
    error
}
