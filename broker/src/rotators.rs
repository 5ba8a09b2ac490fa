//! Rotators: who knows how a credential is replaced at its service. A leaf: it does one step, well,
//! and knows nothing of who has the credential or whether it may be revoked yet.
//!
//! | rotator | replaces |
//! | --- | --- |
//! | [`random`] | a value that both sides read from here |
//! | [`postgres_role`] | the password of a role of a Postgres, or of two that take turns |
//! | [`exec`] | whatever a program of the operator's knows how to |
//! | [`http`] | a credential of a service whose requests a file describes |
//! | [`vault`] | a value, or the password of a database role, of a Vault or an OpenBao |
//! | [`aws_secrets_manager`] | a secret of AWS's that has a rotation function |
//!
//! Every step may be done again: a broker may die after it and before that is written down. So each
//! is told the rotation's identity, and does nothing twice that its service can tell apart by it.

pub mod aws_secrets_manager;
pub mod exec;
pub mod http;
pub mod postgres_role;
pub mod random;
pub mod vault;
mod way_out;

use crate::permits::{HostError, Permits};
use secretref_domain::{
    clock::Timestamp,
    fault::Fault,
    id::RotationId,
    name::{EnvironmentName, RotatorAlias, SecretName},
    rotation::{RotatorKind, RotatorSpec},
    value::SecretValue,
};
use std::{collections::BTreeMap, sync::Arc};

/// The rotation that a step belongs to.
#[derive(Clone)]
pub struct Task {
    /// Identity; the same for every step, and every time that a step is done again.
    pub rotation: RotationId,
    /// Environment of the ref.
    pub environment: EnvironmentName,
    /// The ref.
    pub reference: SecretName,
    /// The credential that is replaced.
    pub old: Credential,
}

/// A credential as a rotator gets it.
#[derive(Clone)]
pub struct Credential {
    /// The value.
    pub value: Arc<SecretValue>,
    /// The service's own word for it, where it was minted by a rotator.
    pub handle: Option<String>,
}

/// A new credential.
pub struct Minted {
    /// The value.
    pub value: SecretValue,
    /// When it stops being valid, where the service says so.
    pub expires_at: Option<Timestamp>,
    /// The service's own word for it, by which it is revoked; never a secret, and at most
    /// [`secretref_domain::limit::HANDLE_BYTES_MAX`] bytes.
    pub handle: Option<String>,
}

/// Why a step was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rotator {rotator:?} {message}. Fix: {fix}")]
pub struct RotatorError {
    /// The rotator.
    pub rotator: String,
    /// Whether it is of no use to try again as things are.
    pub lasting: bool,
    /// Whether the service was asked, and refuses the credential.
    pub refused: bool,
    /// What it did, to be read after its name: `could not reach db.example:5432`. Never a part of
    /// what a service answered: that may be a value.
    pub message: String,
    /// The command, or the change, that helps.
    pub fix: String,
}

/// The secrets that a rotator needs for itself, by the names that it calls them by.
pub type OwnSecrets = BTreeMap<String, Arc<SecretValue>>;

/// A rotator that is set up.
pub enum Rotator {
    /// A random value.
    Random(random::Random),
    /// A role of a Postgres, or two.
    PostgresRole(Box<postgres_role::PostgresRole>),
    /// A program.
    Exec(Box<exec::Exec>),
    /// A service over HTTP.
    Http(Box<http::Http>),
    /// Vault or OpenBao.
    Vault(Box<vault::Vault>),
    /// AWS Secrets Manager.
    Aws(Box<aws_secrets_manager::Aws>),
}

impl RotatorError {
    /// Something that may be otherwise the next time.
    #[must_use]
    pub fn passing(
        rotator: &RotatorAlias,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        let rotator = rotator.to_string();
        let (message, fix) = (message.into(), fix.into());
        Self { rotator, lasting: false, refused: false, message, fix }
    }

    /// Something that stays as it is until somebody changes it.
    #[must_use]
    pub fn lasting(
        rotator: &RotatorAlias,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { lasting: true, ..Self::passing(rotator, message, fix) }
    }

    /// That the service was asked, and refuses the credential.
    #[must_use]
    pub fn refusal(
        rotator: &RotatorAlias,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { refused: true, ..Self::lasting(rotator, message, fix) }
    }
}

// Its steps are boxed: some are large, and all that wait for one would carry them along.
impl Rotator {
    /// Opens a rotator. Its service is not asked yet; what lies on the own host is looked at.
    ///
    /// # Errors
    /// A lasting [`RotatorError`] where a setting is missing or not allowed.
    pub async fn open(
        alias: &RotatorAlias,
        spec: &RotatorSpec,
        permits: &Arc<Permits>,
        own: &OwnSecrets,
    ) -> Result<Self, RotatorError> {
        match spec.kind {
            RotatorKind::Random => Ok(Self::Random(random::Random::open(alias, spec)?)),
            RotatorKind::PostgresRole => {
                let opened = postgres_role::PostgresRole::open(alias, spec, own)?;
                Ok(Self::PostgresRole(Box::new(opened)))
            }
            RotatorKind::Exec => {
                let opened = Box::pin(exec::Exec::open(alias, spec, permits, own)).await?;
                Ok(Self::Exec(Box::new(opened)))
            }
            RotatorKind::Http => {
                let opened = Box::pin(http::Http::open(alias, spec, permits, own)).await?;
                Ok(Self::Http(Box::new(opened)))
            }
            RotatorKind::Vault => {
                let opened = Box::pin(vault::Vault::open(alias, spec, permits, own)).await?;
                Ok(Self::Vault(Box::new(opened)))
            }
            RotatorKind::AwsSecretsmanager => {
                let opened = aws_secrets_manager::Aws::open(alias, spec, permits, own)?;
                Ok(Self::Aws(Box::new(opened)))
            }
        }
    }

    /// Whether the service can hold the old and the new credential at once. Where it cannot, the
    /// old one ends when the new one is set, and there is a gap until everybody is on the new one.
    #[must_use]
    pub fn overlaps(&self) -> bool {
        match self {
            Self::Random(_) => true,
            Self::PostgresRole(role) => role.overlaps(),
            Self::Exec(exec) => exec.overlaps(),
            Self::Http(http) => http.overlaps(),
            Self::Vault(_) => false,
            Self::Aws(aws) => aws.overlaps(),
        }
    }

    /// A new credential. Where the service makes it, it is asked by the rotation's identity, and
    /// gives the same one again; where it is made here, nobody knows of it until it is set.
    ///
    /// # Errors
    /// [`RotatorError`].
    pub async fn mint(&self, task: &Task) -> Result<Minted, RotatorError> {
        match self {
            Self::Random(random) => random.mint(),
            Self::PostgresRole(role) => role.mint(task),
            Self::Exec(exec) => Box::pin(exec.mint(task)).await,
            Self::Http(http) => Box::pin(http.mint(task)).await,
            Self::Vault(vault) => Box::pin(vault.mint(task)).await,
            Self::Aws(aws) => Box::pin(aws.mint(task)).await,
        }
    }

    /// Makes the new credential valid at the service, beside the old one where it can.
    ///
    /// # Errors
    /// [`RotatorError`].
    pub async fn set(&self, task: &Task, new: &Credential) -> Result<(), RotatorError> {
        match self {
            Self::Random(_) => Ok(()),
            Self::PostgresRole(role) => Box::pin(role.set(new)).await,
            Self::Exec(exec) => Box::pin(exec.set(task, new)).await,
            Self::Http(http) => Box::pin(http.set(task, new)).await,
            Self::Vault(vault) => Box::pin(vault.set(task, new)).await,
            Self::Aws(aws) => Box::pin(aws.set(new)).await,
        }
    }

    /// Whether a credential really works at the service.
    ///
    /// # Errors
    /// [`RotatorError`]; a lasting one where the service refuses it.
    pub async fn test(&self, task: &Task, credential: &Credential) -> Result<(), RotatorError> {
        match self {
            Self::Random(_) => Ok(()),
            Self::PostgresRole(role) => Box::pin(role.test(credential)).await,
            Self::Exec(exec) => Box::pin(exec.test(task, credential)).await,
            Self::Http(http) => Box::pin(http.test(task, credential)).await,
            Self::Vault(vault) => Box::pin(vault.test(credential)).await,
            Self::Aws(aws) => Box::pin(aws.test(credential)).await,
        }
    }

    /// Ends the old credential at the service. One that has ended already is well.
    ///
    /// # Errors
    /// [`RotatorError`].
    pub async fn revoke(&self, task: &Task) -> Result<(), RotatorError> {
        match self {
            Self::Random(_) => Ok(()),
            Self::PostgresRole(role) => Box::pin(role.revoke(task)).await,
            Self::Exec(exec) => Box::pin(exec.revoke(task)).await,
            Self::Http(http) => Box::pin(http.revoke(task)).await,
            Self::Vault(vault) => Box::pin(vault.revoke(task)).await,
            Self::Aws(aws) => Box::pin(aws.revoke(task)).await,
        }
    }

    /// Ends the new credential at the service, and has the old one be valid. Without one, whatever
    /// the service may have made for this rotation.
    ///
    /// # Errors
    /// [`RotatorError`].
    pub async fn withdraw(
        &self,
        task: &Task,
        new: Option<&Credential>,
    ) -> Result<(), RotatorError> {
        match self {
            Self::Random(_) => Ok(()),
            Self::PostgresRole(role) => Box::pin(role.withdraw(task, new)).await,
            Self::Exec(exec) => Box::pin(exec.withdraw(task, new)).await,
            Self::Http(http) => Box::pin(http.withdraw(task, new)).await,
            Self::Vault(vault) => Box::pin(vault.withdraw(task, new)).await,
            Self::Aws(aws) => Box::pin(aws.withdraw(task, new)).await,
        }
    }
}

/// What a failure on the own host comes to.
fn of_host(alias: &RotatorAlias, error: HostError) -> RotatorError {
    let passing = matches!(error.fault, Fault::Unreachable | Fault::TimedOut);
    let lasting = !passing;
    RotatorError { lasting, ..RotatorError::passing(alias, error.message, error.fix) }
}
