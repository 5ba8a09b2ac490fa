//! Administrators, and who is at the other end of a connection.

use super::{
    Custody, CustodyError,
    plan::{Effects, Plan, Planned, event},
};
use crate::{authority::Issued, store::StoreError};
use secretref_domain::{
    caller::Caller,
    change::{CertificateSlot, Change, Serial},
    clock::Timestamp,
    id::{AdminId, AgentId, Digest, InstanceId},
    policy::Roles,
};
use secretref_identity::{credentials::TrustBundle, request::PublicKey, subject::Subject};
use std::{net::SocketAddr, sync::Arc};
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
    /// for him; an agent's certificate is checked when it wants something.
    ///
    /// # Errors
    /// [`CustodyError::NotAdmitted`] where it stands for nobody.
    pub fn caller(
        &self,
        subject: Subject,
        serial: &Serial,
        address: SocketAddr,
    ) -> Result<Caller, CustodyError> {
        let ledger = self.shared.ledger();
        let peer = Some(address);
        let known = match subject {
            Subject::Admin { admin } => ledger
                .admin(AdminId(admin))
                .filter(|admin| admin.certificate.serial == *serial)
                .map(|found| Caller::Admin {
                    id: AdminId(admin),
                    name: found.name.clone(),
                    roles: found.roles.clone(),
                    peer,
                }),
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
        known.ok_or_else(|| CustodyError::NotAdmitted {
            code: "CERTIFICATE_UNKNOWN",
            message: "the certificate stands for nobody here: superseded, revoked or removed"
                .to_owned(),
        })
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
        let certificate = CertificateSlot {
            serial: Serial(issued.serial.to_string()),
            key: Digest(key.spki_sha256()),
            not_after: Timestamp::from_micros(issued.not_after.saturating_mul(1_000_000)),
        };
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
        let keyring = &self.shared.keyring;
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

/// Name of the sealed authority in the vault.
pub(crate) const AUTHORITY: &str = "authority";
/// Names of the sealed keyring in the vault.
pub(crate) const KEK_ID: &str = "kek-id";
pub(crate) const KEK_CHECK: &str = "kek-check";
pub(crate) const MAC_KEY: &str = "mac-key";
pub(crate) const AUDIT_KEY: &str = "audit-key";
