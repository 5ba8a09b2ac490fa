//! Administrators, and who is at the other end of a connection.

mod verbs;

pub use verbs::{AdminView, CertifiedAdmin, NewAdmin};

use super::{
    Custody, CustodyError,
    plan::{Effects, Plan, Planned, event},
};
use crate::{authority::Issued, store::StoreError};
use secretref_domain::{
    caller::Caller,
    change::{Change, Serial},
    clock::Timestamp,
    id::{AdminId, AgentId, InstanceId},
    ledger::Admin,
    policy::Roles,
};
use secretref_identity::{credentials::TrustBundle, request::PublicKey, subject::Subject};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use uuid::Uuid;

/// A certificate for an administrator.
pub struct AdminGrant {
    /// Identity.
    pub admin: AdminId,
    /// The certificate.
    pub issued: Issued,
}

impl Custody {
    /// Who a certificate stands for. An administrator must hold the one certificate that is valid
    /// for him, or with `recovering` the one before it, with which a renewal is repeated whose
    /// answer was lost; an agent's certificate is checked when it wants something.
    ///
    /// # Errors
    /// [`CustodyError::NotAdmitted`] where it stands for nobody.
    pub fn caller(
        &self,
        subject: Subject,
        serial: &Serial,
        address: SocketAddr,
        recovering: bool,
    ) -> Result<Caller, CustodyError> {
        let (ledger, now) = (self.shared.ledger(), self.now());
        let peer = Some(address);
        let stands =
            |admin: &&Admin| admin.holds(serial, now) || recovering && admin.held(serial, now);
        let known = match subject {
            Subject::Admin { admin } => {
                ledger.admin(AdminId(admin)).filter(stands).map(|found| Caller::Admin {
                    id: AdminId(admin),
                    name: found.name.clone(),
                    roles: found.roles.clone(),
                    peer,
                })
            }
            Subject::Agent { agent, instance } => {
                ledger.agent(AgentId(agent)).map(|found| Caller::Agent {
                    environment: found.environment.clone(),
                    agent: found.id,
                    name: found.name.clone(),
                    instance: InstanceId(instance),
                    peer,
                })
            }
            Subject::Broker { .. } => None,
        };
        if let (None, Subject::Agent { agent, instance }) = (&known, subject)
            && ledger.was_removed(AgentId(agent))
        {
            // Its sidecar has to wipe what it holds at once, and not only when its lease lapses.
            return Err(CustodyError::NotAdmitted {
                code: "AGENT_REVOKED",
                message: format!("the agent of instance {instance} was removed"),
            });
        }
        known.ok_or_else(verbs::superseded)
    }

    /// Whether a certificate is one of those that this broker knows of: what another broker issued
    /// a moment ago may not have come here yet.
    #[must_use]
    pub fn knows(&self, subject: Subject, serial: &Serial) -> bool {
        let (ledger, now) = (self.shared.ledger(), self.now());
        match subject {
            Subject::Admin { admin } => ledger
                .admin(AdminId(admin))
                .is_some_and(|it| it.holds(serial, now) || it.held(serial, now)),
            Subject::Agent { agent, instance } => ledger
                .agent(AgentId(agent))
                .and_then(|agent| agent.instances.get(&InstanceId(instance)))
                .is_some_and(|instance| instance.holds(serial)),
            Subject::Broker { .. } => true,
        }
    }

    /// When an administrator's certificate ends, while it stands for him.
    #[must_use]
    pub fn stands_until(&self, admin: AdminId, serial: &Serial) -> Option<Timestamp> {
        let (ledger, now) = (self.shared.ledger(), self.now());
        let admin = ledger.admin(admin).filter(|admin| admin.holds(serial, now));
        admin.map(|admin| admin.certificate.not_after)
    }

    /// Waits until an administrator's certificate stands for nobody any more: revoked, superseded,
    /// or at its end.
    pub async fn until_refused(&self, admin: AdminId, serial: &Serial) {
        let mut revisions = self.feed().revisions();
        loop {
            let Some(end) = self.stands_until(admin, serial) else { return };
            let left = u64::try_from(end.millis_since(self.now()) + 1).unwrap_or(0);
            let left = Duration::from_millis(left).min(LOOK_AGAIN_AFTER);
            tokio::select! {
                changed = revisions.changed() => if changed.is_err() { return },
                // The clock may be set, so not all at once.
                () = tokio::time::sleep(left) => {}
            }
        }
    }

    /// Makes the first administrator. There is a first one only once.
    ///
    /// # Errors
    /// [`CustodyError::Exists`] where there is one already.
    pub async fn first_admin(
        &self,
        name: &str,
        roles: Roles,
        key: PublicKey,
        life_seconds: i64,
    ) -> Result<AdminGrant, CustodyError> {
        let admin = AdminId(Uuid::now_v7());
        let now = self.now().as_micros().div_euclid(1_000_000);
        let issued = self.authority().issue_admin(&key, admin.0, now, life_seconds)?;
        let certificate = verbs::slot(&issued, &key);
        let mut event = event(&Caller::Broker { id: self.broker() }, "admin.create");
        (event.object_kind, event.object, event.object_id) = ("admin", name.to_owned(), admin.0);
        let name = name.to_owned();
        let plan: Plan<()> = Box::new(move |ground| {
            if ground.ledger.has_admins() {
                return Err(CustodyError::Exists { kind: "administrator", name });
            }
            let change = Change::AdminSet { admin, name, roles, certificate };
            let effects =
                Effects { changes: vec![change], events: vec![event], ..Effects::default() };
            Ok(Planned { effects, answer: () })
        });
        self.writer.change(None, plan).await?;
        Ok(AdminGrant { admin, issued })
    }

    /// The roots that a sidecar trusts a broker by.
    ///
    /// # Errors
    /// [`CustodyError::Internal`].
    pub fn trust_bundle(&self) -> Result<TrustBundle, CustodyError> {
        self.authority().trust_bundle().map_err(|error| CustodyError::Internal(error.to_string()))
    }

    /// Records that this broker is another one over its database, and by which names it is reached.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn joined(&self, names: &[String]) -> Result<(), CustodyError> {
        let mut record = event(&Caller::Broker { id: self.broker() }, "broker.join");
        record.reason = format!("reached by {}", names.join(", "));
        self.writer.note(vec![record]).await
    }

    /// Records that the database was made from a backup.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn restored(&self) -> Result<(), CustodyError> {
        let mut record = event(&Caller::Broker { id: self.broker() }, "broker.restore");
        record.reason = "what was changed after the backup is gone".to_owned();
        self.writer.note(vec![record]).await
    }

    /// Takes over the authority that another broker renewed, so that what it issues is believed
    /// here; whether there was one.
    ///
    /// # Errors
    /// [`CustodyError`]; the authority is then as it was.
    pub async fn adopt_authority(&self) -> Result<bool, CustodyError> {
        if !self.shared.store.is_shared() {
            return Ok(false);
        }
        let sealed = self.shared.store.vault(AUTHORITY).await?.ok_or_else(|| {
            StoreError::Damaged("the certificate authority is not there any more".to_owned())
        })?;
        // Opened only where it is another one: keys are in memory no more often than they have to.
        let seen = |it: &Mutex<Vec<u8>>| it.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if seen(&self.shared.authority_seen) == sealed {
            return Ok(false);
        }
        let exported = self.shared.keyring().open_blob(AUTHORITY, &sealed)?;
        *self.shared.authority_seen.lock().unwrap_or_else(PoisonError::into_inner) = sealed;
        if *exported == *self.authority().export() {
            return Ok(false);
        }
        self.shared.authority.store(Arc::new(crate::authority::Authority::import(&exported)?));
        Ok(true)
    }

    /// Renews the intermediates of the authority where they are due, and keeps them sealed in the
    /// store. Whether they were.
    ///
    /// # Errors
    /// [`CustodyError`]; the authority is then as it was.
    pub async fn renew_intermediates(&self) -> Result<bool, CustodyError> {
        let now = self.now().as_micros().div_euclid(1_000_000);
        if !self.authority().intermediates_due(now)? {
            return Ok(false);
        }
        let keyring = &self.shared.keyring();
        let before = self.shared.store.vault(AUTHORITY).await?.ok_or_else(|| {
            StoreError::Damaged("the certificate authority is not there any more".to_owned())
        })?;
        let mut authority =
            crate::authority::Authority::import(&keyring.open_blob(AUTHORITY, &before)?)?;
        authority.renew_intermediates(now)?;
        let after = keyring.seal_blob(AUTHORITY, &authority.export())?;
        self.shared.store.replace_vault(AUTHORITY, &before, &after).await?;
        self.shared.authority.store(Arc::new(authority));
        Ok(true)
    }
}

/// How often a certificate's end is looked for, whatever the clock does.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// Name of the sealed authority in the vault.
pub(crate) const AUTHORITY: &str = "authority";
/// Names of the sealed keyring in the vault.
pub(crate) const KEK_ID: &str = "kek-id";
pub(crate) const KEK_CHECK: &str = "kek-check";
pub(crate) const MAC_KEY: &str = "mac-key";
pub(crate) const AUDIT_KEY: &str = "audit-key";
