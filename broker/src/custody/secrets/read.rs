//! Reading: metadata, and break-glass.

use super::{
    SecretRead, SecretView, VersionState, VersionView, event, find, find_live, secret_event,
};
use crate::{
    custody::{Body, Custody, CustodyError},
    store::SealedRow,
};
use secretref_domain::{
    audit::Decision,
    caller::Caller,
    id::SecretId,
    ledger::Secret,
    limit::REASON_BYTES_MAX,
    name::{EnvironmentName, SecretName},
    policy::Action,
    value::SecretValue,
    version::Version,
};
use secretref_envelope::{Keyring, SealedVersion};
use std::sync::Arc;

impl Custody {
    /// Metadata of a secret.
    ///
    /// # Errors
    /// [`CustodyError::NotFound`], or a denial.
    pub async fn show_secret(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        name: &SecretName,
    ) -> Result<SecretView, CustodyError> {
        let environment = self.environment(environment);
        self.permit_secret(caller, Action::MetadataRead, "secret.show", &environment, name).await?;
        find(&self.shared.ledger(), &environment, name).map(SecretView::of)
    }

    /// Metadata of at most `limit` secrets after a name, ordered by name, and whether there are
    /// more.
    ///
    /// # Errors
    /// A denial.
    pub async fn list_secrets(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        after: Option<&SecretName>,
        limit: usize,
        deleted: bool,
    ) -> Result<(Vec<SecretView>, bool), CustodyError> {
        let environment = self.environment(environment);
        self.permit(caller, Action::MetadataRead, || event(caller, "secret.list")).await?;
        let ledger = self.shared.ledger();
        let mut found = ledger
            .secrets_after(&environment, after)
            .filter(|secret| deleted || secret.deleted_at.is_none());
        let page = found.by_ref().take(limit).map(SecretView::of).collect();
        Ok((page, found.next().is_some()))
    }

    /// The versions of a secret, newest first.
    ///
    /// # Errors
    /// [`CustodyError::NotFound`], or a denial.
    pub async fn list_versions(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        name: &SecretName,
    ) -> Result<Vec<VersionView>, CustodyError> {
        let environment = self.environment(environment);
        self.permit_secret(caller, Action::MetadataRead, "secret.versions", &environment, name)
            .await?;
        let ledger = self.shared.ledger();
        let secret = find(&ledger, &environment, name)?;
        let numbers = secret.versions.keys().rev();
        Ok(numbers.filter_map(|number| VersionView::of(secret, *number)).collect())
    }

    /// Break-glass: the value of a version, recorded before it leaves.
    ///
    /// # Errors
    /// A denial; [`CustodyError::NotFound`]; [`CustodyError::Precondition`] where it is deleted or
    /// destroyed; [`CustodyError::RowRefused`] where the row is not what was written.
    pub async fn access(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        name: &SecretName,
        version: Option<Version>,
        reason: &str,
    ) -> Result<SecretRead, CustodyError> {
        let environment = self.environment(environment);
        if reason.trim().is_empty() || reason.len() > REASON_BYTES_MAX {
            return Err(CustodyError::invalid(
                "reason",
                format!("say why the value is read, in 1 to {REASON_BYTES_MAX} bytes"),
            ));
        }
        self.permit_secret(caller, Action::SecretAccess, "secret.access", &environment, name)
            .await?;
        let (id, view) = {
            let ledger = self.shared.ledger();
            let secret = find_live(&ledger, &environment, name)?;
            (secret.id, readable(secret, version.unwrap_or(secret.current))?)
        };
        let value = self.body(caller, id, view.version).await?;
        let mut event = secret_event(caller, "secret.access", &environment, name);
        event.object_id = id.0;
        event.version = view.version.get();
        reason.clone_into(&mut event.reason);
        self.writer.note(vec![event]).await?;
        Ok(SecretRead { version: view, value })
    }

    /// The value of a version, from memory where it was opened a moment ago. One load serves all
    /// who ask meanwhile. None by a state that may be old.
    pub(in crate::custody) async fn body(
        &self,
        caller: &Caller,
        id: SecretId,
        version: Version,
    ) -> Result<Arc<Body>, CustodyError> {
        self.fresh().await?;
        if let Some(body) = self.shared.bodies.get(&(id, version)).await {
            return Ok(body);
        }
        let load = async { Ok(Arc::new(Body::new(self.open_value(caller, id, version).await?))) };
        let loaded = Box::pin(self.shared.bodies.or_load((id, version), load)).await;
        loaded.map_err(|error| (*error).clone())
    }

    /// Opens a sealed version: only if the row is the one that the ledger names. A refusal is
    /// recorded, since somebody writes to the database who should not.
    pub(in crate::custody) async fn open_value(
        &self,
        caller: &Caller,
        id: SecretId,
        version: Version,
    ) -> Result<SecretValue, CustodyError> {
        let opened = self.open_row(id, version).await;
        if let Err(error @ CustodyError::RowRefused { .. }) = &opened {
            let mut record = event(caller, "secret.refuse");
            if let Some(secret) = self.shared.ledger().secret(id) {
                record = secret_event(caller, "secret.refuse", &secret.environment, &secret.name);
            }
            (record.object_id, record.version) = (id.0, version.get());
            (record.decision, record.reason) = (Decision::Denied, format!("ALARM: {error}"));
            self.writer.note(vec![record]).await?;
        }
        opened
    }

    async fn open_row(&self, id: SecretId, version: Version) -> Result<SecretValue, CustodyError> {
        let row = self.shared.store.sealed(id, version).await?;
        let ledger = self.shared.ledger();
        let secret = ledger.secret(id).ok_or_else(|| CustodyError::NotFound {
            kind: "secret",
            name: id.to_string(),
            fix: String::new(),
        })?;
        let refused = |why: &str| {
            tracing::error!(secret = %secret.name, %version, why, "a stored value was refused");
            CustodyError::RowRefused {
                name: secret.name.to_string(),
                version: version.to_string(),
                why: why.to_owned(),
            }
        };
        opened(&self.shared.keyring(), secret, version, row).map_err(|why| refused(&why))
    }
}

/// Opens what the database has of a version; why not, where it is not what the ledger names.
pub(in crate::custody) fn opened(
    keyring: &Keyring,
    secret: &Secret,
    version: Version,
    row: Option<SealedRow>,
) -> Result<SecretValue, String> {
    let row = row.ok_or("it is not in the database any more; restore a backup")?;
    if row.environment != secret.environment {
        return Err("its row says that it belongs to another environment".to_owned());
    }
    let sealed = SealedVersion { wrapped: row.wrapped, sealed: row.sealed };
    let known = secret.versions.get(&version).map(|version| version.digest);
    if known != Some(sealed.digest()) {
        let why = "it is not the row that was written: edited, moved or rolled back";
        return Err(why.to_owned());
    }
    let opened = keyring.open_value(&secret.environment, secret.id, version, &sealed);
    opened.map_err(|error| error.to_string())
}

/// A version that has a value.
pub(super) fn readable(secret: &Secret, version: Version) -> Result<VersionView, CustodyError> {
    let name = &secret.name;
    let view = VersionView::of(secret, version).ok_or_else(|| CustodyError::NotFound {
        kind: "version",
        name: format!("{name} {version}"),
        fix: format!("secretref versions {name}"),
    })?;
    if view.state == VersionState::Destroyed {
        return Err(CustodyError::Precondition {
            code: "VERSION_DESTROYED",
            message: format!("{version} of secret {name:?} was destroyed; its value is gone"),
            fix: format!("secretref versions {name}"),
        });
    }
    Ok(view)
}
