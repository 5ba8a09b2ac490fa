//! Who may do what. One function answers for every method; what it does not know, it denies.

use crate::caller::Caller;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What an administrator may be entrusted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Writes secrets; never reads one.
    Writer,
    /// Reads values, with a reason (break-glass).
    Reader,
    /// Agents, tokens, revocation, manifests, administrators; reads the audit trail.
    Operator,
    /// Reads, verifies and exports the audit trail.
    Auditor,
}

impl Role {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 4] = [Self::Writer, Self::Reader, Self::Operator, Self::Auditor];

    /// The role as a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Writer => "writer",
            Self::Reader => "reader",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
        }
    }
}

/// The roles of one administrator.
pub type Roles = BTreeSet<Role>;

/// What a caller may want.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Write, activate, destroy, delete or undelete a secret.
    SecretWrite,
    /// Read a value.
    SecretAccess,
    /// Ask whether something is a value of the broker.
    SecretMatch,
    /// Read metadata and status.
    MetadataRead,
    /// Apply manifests, mint tokens, revoke agents, try alert channels.
    AgentWrite,
    /// Make, renew or revoke administrators.
    AdminWrite,
    /// Renew one's own administrator's certificate.
    AdminRenew,
    /// Read the audit trail.
    AuditRead,
    /// Say that a part of the audit trail is archived.
    AuditArchive,
    /// Trade a token for a certificate.
    Join,
    /// Renew a certificate.
    Renew,
    /// Hold a stream, or ask for values: to be given what one is owed.
    Watch,
    /// Note what a provider answered, and keep what it holds.
    SourceObserve,
    /// Read a secret that the broker needs itself: to be let into a provider.
    OwnSecretRead,
    /// Tell people of an alert, by a channel whose address is a secret.
    AlertSend,
    /// Begin a rotation, or give one up.
    RotationWrite,
    /// Take a rotation a step further.
    RotationStep,
}

/// A denial: what was wanted and what it needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{actor} may not do this: it needs {needs}")]
pub struct Denied {
    /// Who wanted it.
    pub actor: String,
    /// What it needs.
    pub needs: &'static str,
}

/// Decides. Deny is the default: an action that a kind of caller is not named for is refused.
///
/// # Errors
/// [`Denied`], for the audit trail and the caller alike.
pub fn authorise(caller: &Caller, action: Action) -> Result<(), Denied> {
    let allowed = match caller {
        Caller::Admin { roles, .. } => admin_may(roles, action),
        Caller::Agent { .. } => matches!(action, Action::Renew | Action::Watch),
        Caller::Nobody { .. } => action == Action::Join,
        // Of what it does by itself, and in nobody's name.
        Caller::Broker { .. } => {
            matches!(
                action,
                Action::SourceObserve
                    | Action::OwnSecretRead
                    | Action::AlertSend
                    | Action::RotationWrite
                    | Action::RotationStep
            )
        }
    };
    if allowed { Ok(()) } else { Err(Denied { actor: caller.to_string(), needs: needs(action) }) }
}

/// The caller as far as an action goes: of an administrator's roles only those that allow it by
/// themselves are left. Whoever comes by a method acts with what that method needs and no more, so
/// a method that calls the wrong verb is refused rather than obeyed.
#[must_use]
pub fn confined(mut caller: Caller, action: Action) -> Caller {
    if let Caller::Admin { roles, .. } = &mut caller {
        roles.retain(|role| admin_may(&Roles::from([*role]), action));
    }
    caller
}

fn admin_may(roles: &Roles, action: Action) -> bool {
    match action {
        Action::SecretWrite => roles.contains(&Role::Writer),
        Action::SecretAccess => roles.contains(&Role::Reader),
        Action::MetadataRead | Action::AdminRenew => !roles.is_empty(),
        Action::AgentWrite | Action::AdminWrite | Action::RotationWrite => {
            roles.contains(&Role::Operator)
        }
        Action::AuditRead | Action::SecretMatch => {
            roles.contains(&Role::Auditor) || roles.contains(&Role::Operator)
        }
        Action::AuditArchive => roles.contains(&Role::Auditor),
        Action::Join
        | Action::Renew
        | Action::Watch
        | Action::SourceObserve
        | Action::OwnSecretRead
        | Action::AlertSend
        | Action::RotationStep => false,
    }
}

fn needs(action: Action) -> &'static str {
    match action {
        Action::SecretWrite => "the writer role",
        Action::SecretAccess => "the reader role",
        Action::MetadataRead | Action::AdminRenew => "an administrator's certificate with a role",
        Action::AgentWrite | Action::AdminWrite | Action::RotationWrite => "the operator role",
        Action::AuditRead | Action::SecretMatch => "the auditor or the operator role",
        Action::AuditArchive => "the auditor role",
        Action::Join => "a join token and no certificate",
        Action::Renew | Action::Watch => "an agent's certificate",
        Action::SourceObserve
        | Action::OwnSecretRead
        | Action::AlertSend
        | Action::RotationStep => "to be the broker itself",
    }
}

#[cfg(test)]
mod tests;
