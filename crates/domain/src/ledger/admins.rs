//! Administrators, each with one certificate.

use super::Ledger;
use crate::{
    change::{CertificateSlot, Serial},
    clock::Timestamp,
    id::AdminId,
    policy::{Role, Roles},
};

/// An administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Name for the audit trail.
    pub name: String,
    /// What the administrator may do.
    pub roles: Roles,
    /// The one valid certificate.
    pub certificate: CertificateSlot,
    /// The one before it. It is good for one thing: to ask again for the certificate of the key
    /// that is certified now, where the answer was lost.
    pub previous: Option<CertificateSlot>,
    /// When the administrator was made.
    pub created_at: Timestamp,
}

impl Admin {
    /// Whether a certificate stands for him: it is his one, and ends after `now`.
    #[must_use]
    pub fn holds(&self, serial: &Serial, now: Timestamp) -> bool {
        self.certificate.serial == *serial && now < self.certificate.not_after
    }

    /// Whether a certificate was his one until the last renewal, and ends after `now`.
    #[must_use]
    pub fn held(&self, serial: &Serial, now: Timestamp) -> bool {
        let previous = self.previous.as_ref();
        previous.is_some_and(|slot| slot.serial == *serial && now < slot.not_after)
    }
}

impl Ledger {
    /// An administrator who is not revoked.
    #[must_use]
    pub fn admin(&self, id: AdminId) -> Option<&Admin> {
        self.admins.get(&id)
    }

    /// An administrator who is not revoked, by name.
    #[must_use]
    pub fn admin_named(&self, name: &str) -> Option<(AdminId, &Admin)> {
        let mut admins = self.admins.iter();
        admins.find(|(_, admin)| admin.name == name).map(|(id, admin)| (*id, admin))
    }

    /// The administrators after a name, ordered by name.
    #[must_use]
    pub fn admins_after(&self, after: Option<&str>) -> Vec<(AdminId, &Admin)> {
        let admins = self.admins.iter().map(|(id, admin)| (*id, admin));
        let mut admins: Vec<_> = admins
            .filter(|(_, admin)| after.is_none_or(|after| admin.name.as_str() > after))
            .collect();
        admins.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
        admins
    }

    /// How many administrators are not revoked.
    #[must_use]
    pub fn admin_count(&self) -> usize {
        self.admins.len()
    }

    /// Whether somebody besides `id` is an operator with a certificate that ends after `now`.
    #[must_use]
    pub fn has_other_operator(&self, id: AdminId, now: Timestamp) -> bool {
        self.admins.iter().any(|(other, admin)| {
            *other != id
                && admin.roles.contains(&Role::Operator)
                && now < admin.certificate.not_after
        })
    }

    /// Whether there is any administrator.
    #[must_use]
    pub fn has_admins(&self) -> bool {
        !self.admins.is_empty()
    }

    pub(super) fn set_admin(
        &mut self,
        at: Timestamp,
        id: AdminId,
        name: &str,
        roles: &Roles,
        certificate: &CertificateSlot,
    ) {
        let before = self.admins.get(&id);
        let previous = before.and_then(|before| {
            // The same key again: the answer was lost, and the one that asked may ask once more.
            let repeated = before.previous.is_some() && before.certificate.key == certificate.key;
            if repeated { before.previous.clone() } else { Some(before.certificate.clone()) }
        });
        let admin = Admin {
            name: name.to_owned(),
            roles: roles.clone(),
            certificate: certificate.clone(),
            previous,
            created_at: before.map_or(at, |before| before.created_at),
        };
        self.admins.insert(id, admin);
    }
}
