//! Writing: put, activate, destroy, delete, undelete.

use super::{SecretView, VersionState, VersionView, find, find_live, secret_event};
use crate::{
    custody::{
        Body, Custody, CustodyError,
        expiry::own_expiry,
        plan::{Committed, Effects, Ground, Plan, Planned, RequestKey},
    },
    store::SealedRow,
};
use secretref_domain::{
    audit::Event,
    caller::Caller,
    change::{Change, Origin, SecretMetadata, ValueTraits},
    clock::Timestamp,
    expiry::OwnExpiry,
    id::{Digest, SecretId},
    ledger::Secret,
    limit::{LABEL_BYTES_MAX, LABELS_MAX, SECRETS_MAX, SERVICE_BYTES_MAX},
    name::{EnvironmentName, SecretName},
    policy::Action,
    value::SecretValue,
    version::Version,
};
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;

/// What a put wants.
pub struct Put {
    /// Environment; absent means the active one.
    pub environment: Option<EnvironmentName>,
    /// Name of the secret.
    pub name: SecretName,
    /// The value.
    pub value: SecretValue,
    /// Replaces the service.
    pub service: Option<String>,
    /// Replaces the labels where there are any.
    pub labels: BTreeMap<String, String>,
    /// When the value stops being valid; else it is read from the value, where that says so
    /// itself.
    pub expires_at: Option<Timestamp>,
    /// Replaces the deprecation date.
    pub deprecation_date: Option<Timestamp>,
    /// Check-and-set on the current version; 0 means that there is none.
    pub expected: Option<i64>,
    /// Refuses a secret that exists.
    pub create_only: bool,
}

impl Put {
    fn check(&self, now: Timestamp) -> Result<(), CustodyError> {
        if self.service.as_ref().is_some_and(|service| service.len() > SERVICE_BYTES_MAX) {
            let problem = format!("it is longer than {SERVICE_BYTES_MAX} bytes");
            return Err(CustodyError::invalid("service", problem));
        }
        if self.labels.len() > LABELS_MAX {
            let problem = format!("there are {} of at most {LABELS_MAX}", self.labels.len());
            return Err(CustodyError::invalid("labels", problem));
        }
        for (key, value) in &self.labels {
            if key.is_empty() || key.len().max(value.len()) > LABEL_BYTES_MAX {
                let problem =
                    format!("a key has 1 to {LABEL_BYTES_MAX} bytes and a value at most as many");
                return Err(CustodyError::invalid(format!("labels[{key:?}]"), problem));
            }
        }
        match self.expires_at {
            Some(end) if end <= now => {
                let problem = format!("{end} is not in the future; it is {now} now");
                Err(CustodyError::invalid("expire_time", problem))
            }
            _ => Ok(()),
        }
    }

    /// With the end that the value says of itself, where nobody says one.
    fn with_own_expiry(self, now: Timestamp) -> Result<Self, CustodyError> {
        let own = match self.expires_at {
            Some(_) => None,
            None => own_expiry(&self.value),
        };
        match own {
            Some(OwnExpiry { form, at }) if at <= now => {
                let problem = format!(
                    "it is a {form} that ended at {at}, and it is {now} now; put one that is \
                     valid, or say until when this one is to be used all the same"
                );
                Err(CustodyError::invalid("value", problem))
            }
            Some(own) => Ok(Self { expires_at: Some(own.at), ..self }),
            None => Ok(self),
        }
    }
}

impl Custody {
    /// Writes a new version and makes it current.
    ///
    /// # Errors
    /// [`CustodyError`]; nothing is changed then.
    pub async fn put(
        &self,
        caller: &Caller,
        put: Put,
        request: Option<RequestKey>,
    ) -> Result<Committed<(SecretView, VersionView)>, CustodyError> {
        put.check(self.now())?;
        let put = put.with_own_expiry(self.now())?;
        let environment = self.environment(put.environment.clone());
        self.permit_secret(caller, Action::SecretWrite, "secret.put", &environment, &put.name)
            .await?;
        let event = self.write_event(caller, "secret.put", &environment, &put.name, request);
        let custody = self.clone();
        let plan: Plan<_> =
            Box::new(move |ground| custody.plan_put(ground, environment, put, event));
        self.writer.change(request, plan).await
    }

    fn plan_put(
        &self,
        ground: &Ground<'_>,
        environment: EnvironmentName,
        put: Put,
        event: Event,
    ) -> Result<Planned<(SecretView, VersionView)>, CustodyError> {
        let found = ground.ledger.secret_named(&environment, &put.name);
        if found.is_some() && put.create_only {
            return Err(CustodyError::Exists { kind: "secret", name: put.name.to_string() });
        }
        check_expected(&put.name, found, put.expected)?;
        if found.is_some() {
            find_live(ground.ledger, &environment, &put.name)?;
        } else if ground.ledger.secret_count(&environment) >= SECRETS_MAX {
            return Err(CustodyError::Limit { what: "secrets".into(), limit: SECRETS_MAX });
        }
        let mut metadata = found.map(|secret| secret.metadata.clone()).unwrap_or_default();
        if let Some(service) = put.service {
            metadata.service = service;
        }
        if !put.labels.is_empty() {
            metadata.labels = put.labels;
        }
        metadata.deprecation_date = put.deprecation_date.or(metadata.deprecation_date);
        let new = NewVersion {
            secret: found,
            environment,
            name: put.name,
            value: put.value,
            expires_at: put.expires_at,
            activated_from: None,
            metadata,
            origin: None,
            rotated: None,
        };
        self.plan_version(ground, new, event)
    }

    /// Brings an older value back, as a new version.
    ///
    /// # Errors
    /// [`CustodyError`]; nothing is changed then.
    pub async fn activate(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        name: SecretName,
        version: Version,
        expected: Option<i64>,
        request: Option<RequestKey>,
    ) -> Result<Committed<(SecretView, VersionView)>, CustodyError> {
        let environment = self.environment(environment);
        self.permit_secret(caller, Action::SecretWrite, "secret.activate", &environment, &name)
            .await?;
        let id = {
            let ledger = self.shared.ledger();
            let secret = find_live(&ledger, &environment, &name)?;
            super::read::readable(secret, version)?;
            secret.id
        };
        let value = self.open_value(caller, id, version).await?;
        let event = self.write_event(caller, "secret.activate", &environment, &name, request);
        let custody = self.clone();
        let plan: Plan<_> = Box::new(move |ground| {
            let secret = find_live(ground.ledger, &environment, &name)?;
            check_expected(&name, Some(secret), expected)?;
            let old = super::read::readable(secret, version)?;
            let new = NewVersion {
                secret: Some(secret),
                environment: environment.clone(),
                name: name.clone(),
                value,
                expires_at: old.expires_at,
                activated_from: Some(version),
                metadata: secret.metadata.clone(),
                origin: old.origin.clone(),
                rotated: None,
            };
            custody.plan_version(ground, new, event)
        });
        self.writer.change(request, plan).await
    }

    /// Shreds the key of a version that is not the current one.
    ///
    /// # Errors
    /// [`CustodyError`]; nothing is changed then.
    pub async fn destroy(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        name: SecretName,
        version: Version,
        request: Option<RequestKey>,
    ) -> Result<Committed<VersionView>, CustodyError> {
        let environment = self.environment(environment);
        self.permit_secret(caller, Action::SecretWrite, "secret.destroy", &environment, &name)
            .await?;
        let mut event = self.write_event(caller, "secret.destroy", &environment, &name, request);
        let plan: Plan<_> = Box::new(move |ground| {
            let secret = find(ground.ledger, &environment, &name)?;
            let mut view = super::read::readable(secret, version)?;
            if view.state == VersionState::Current && secret.deleted_at.is_none() {
                return Err(CustodyError::Precondition {
                    code: "VERSION_CURRENT",
                    message: format!("{version} is the current version of secret {name:?}"),
                    fix: format!(
                        "secretref put {name}, or secretref delete {name}, and then again"
                    ),
                });
            }
            if let Some(rotation) = ground.ledger.rotation_of(secret.id)
                && (version == rotation.old || rotation.new == Some(version))
            {
                return Err(CustodyError::Precondition {
                    code: "VERSION_ROTATING",
                    message: format!("{version} of secret {name:?} is part of a rotation"),
                    fix: format!("secretref rotate abort {name}, or wait until it is over"),
                });
            }
            view.state = VersionState::Destroyed;
            (event.object_id, event.version) = (secret.id.0, version.get());
            let effects = Effects {
                changes: vec![Change::VersionDestroyed { secret: secret.id, version }],
                shredded: vec![(secret.id, version)],
                events: vec![event],
                ..Effects::default()
            };
            Ok(Planned { effects, answer: view })
        });
        self.writer.change(request, plan).await
    }

    /// Takes a secret from every agent (`deleted`), or takes that back. Nothing happens where it
    /// is so already.
    ///
    /// # Errors
    /// [`CustodyError`]; nothing is changed then.
    pub async fn set_deleted(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        name: SecretName,
        deleted: bool,
        expected: Option<i64>,
        request: Option<RequestKey>,
    ) -> Result<Committed<SecretView>, CustodyError> {
        let action = if deleted { "secret.delete" } else { "secret.undelete" };
        let environment = self.environment(environment);
        self.permit_secret(caller, Action::SecretWrite, action, &environment, &name).await?;
        let mut event = self.write_event(caller, action, &environment, &name, request);
        let plan: Plan<_> = Box::new(move |ground| {
            let secret = find(ground.ledger, &environment, &name)?;
            check_expected(&name, Some(secret), expected)?;
            let mut answer = SecretView::of(secret);
            if secret.deleted_at.is_some() == deleted {
                return Ok(Planned { effects: Effects::default(), answer });
            }
            event.object_id = secret.id.0;
            (answer.deleted_at, answer.updated_at) = (deleted.then_some(ground.at), ground.at);
            let effects = Effects {
                changes: vec![Change::SecretDeleted { secret: secret.id, deleted }],
                events: vec![event],
                ..Effects::default()
            };
            Ok(Planned { effects, answer })
        });
        self.writer.change(request, plan).await
    }

    fn write_event(
        &self,
        caller: &Caller,
        action: &'static str,
        environment: &EnvironmentName,
        name: &SecretName,
        request: Option<RequestKey>,
    ) -> Event {
        let mut event = secret_event(caller, action, environment, name);
        event.request_id = request.map(|request| request.id.to_string()).unwrap_or_default();
        event
    }

    /// Seals a value as the next version of a secret.
    pub(in crate::custody) fn plan_version(
        &self,
        ground: &Ground<'_>,
        new: NewVersion<'_>,
        mut event: Event,
    ) -> Result<Planned<(SecretView, VersionView)>, CustodyError> {
        let id = new.secret.map_or_else(|| SecretId(Uuid::now_v7()), |secret| secret.id);
        let version = new.secret.map_or(Version::FIRST, |secret| secret.newest().next());
        let sealed = self.shared.keyring().seal_value(&new.environment, id, version, &new.value)?;
        let digest = sealed.digest();
        let size = new.value.len();
        let traits = ValueTraits {
            mark: Some(Digest(self.shared.keyring().mark_value(&new.environment, &new.value))),
            placeholder: new.value.is_placeholder(),
            origin: new.origin,
            service: new.value.service().map(str::to_owned),
            handle: new.rotated.as_ref().and_then(|rotated| rotated.handle.clone()),
        };
        let staged = new.rotated.is_some();
        (event.object_id, event.version) = (id.0, version.get());
        let secret = SecretView {
            id,
            environment: new.environment.clone(),
            name: new.name.clone(),
            service: new.metadata.service.clone(),
            labels: new.metadata.labels.clone(),
            current: match new.secret {
                Some(secret) if staged => secret.current,
                _ => version,
            },
            created_at: new.secret.map_or(ground.at, |secret| secret.created_at),
            updated_at: ground.at,
            expires_at: new.expires_at,
            deprecation_date: new.metadata.deprecation_date,
            deleted_at: None,
        };
        let view = VersionView {
            version,
            state: if staged { VersionState::Pending } else { VersionState::Current },
            created_at: ground.at,
            expires_at: new.expires_at,
            size,
            activated_from: new.activated_from,
            placeholder: traits.placeholder,
            origin: traits.origin.clone(),
        };
        let row = SealedRow {
            environment: new.environment.clone(),
            secret: id,
            version,
            wrapped: sealed.wrapped,
            sealed: sealed.sealed,
        };
        let put = Change::SecretPut {
            environment: new.environment,
            secret: id,
            name: new.name,
            version,
            digest,
            size,
            expires_at: new.expires_at,
            activated_from: new.activated_from,
            metadata: new.metadata,
            traits,
            staged,
        };
        // The oldest version makes room, and its key is shredded like any other's.
        let pushed_out = new.secret.and_then(Secret::pushed_out);
        let effects = Effects {
            changes: vec![put],
            sealed: vec![row],
            shredded: pushed_out.map(|oldest| (id, oldest)).into_iter().collect(),
            events: vec![event],
            bodies: vec![((id, version), Arc::new(Body::new(new.value)))],
        };
        Ok(Planned { effects, answer: (secret, view) })
    }
}

/// A version in the making.
pub(in crate::custody) struct NewVersion<'a> {
    pub(in crate::custody) secret: Option<&'a Secret>,
    pub(in crate::custody) environment: EnvironmentName,
    pub(in crate::custody) name: SecretName,
    pub(in crate::custody) value: SecretValue,
    pub(in crate::custody) expires_at: Option<Timestamp>,
    pub(in crate::custody) activated_from: Option<Version>,
    pub(in crate::custody) metadata: SecretMetadata,
    pub(in crate::custody) origin: Option<Origin>,
    /// Where a rotation made it: it is not current yet.
    pub(in crate::custody) rotated: Option<Rotated>,
}

/// What a rotation adds to a version.
pub(in crate::custody) struct Rotated {
    /// The service's own word for the credential.
    pub(in crate::custody) handle: Option<String>,
}

/// Check-and-set: 0 means that there must be none, or only a deleted one.
fn check_expected(
    name: &SecretName,
    secret: Option<&Secret>,
    expected: Option<i64>,
) -> Result<(), CustodyError> {
    let actual = secret.map_or(0, |secret| secret.current.get());
    match expected {
        Some(expected) if expected != actual => {
            Err(CustodyError::VersionMismatch { name: name.to_string(), expected, actual })
        }
        _ => Ok(()),
    }
}
