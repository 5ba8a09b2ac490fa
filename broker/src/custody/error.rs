//! Why custody did not do what it was asked, split by whose fault it is.

use crate::{authority::AuthorityError, store::StoreError};
use secretref_domain::policy::Denied;
use secretref_envelope::EnvelopeError;

/// Why custody did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CustodyError {
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The caller is not who it was: its certificate is superseded, revoked or at its end.
    #[error("{message}")]
    NotAdmitted {
        /// For programs, such as `AGENT_REVOKED`.
        code: &'static str,
        /// For people.
        message: String,
    },
    /// Something in the request is not valid.
    #[error("{field}: {problem}")]
    Invalid {
        /// Field of the request.
        field: String,
        /// What is wrong with it, and what is right.
        problem: String,
    },
    /// There is no such thing.
    #[error("{kind} {name:?} is not there")]
    NotFound {
        /// Kind of the thing.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The command that helps.
        fix: String,
    },
    /// It is there already.
    #[error("{kind} {name:?} is there already")]
    Exists {
        /// Kind of the thing.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// Check-and-set: the version is another.
    #[error("the current version of {name:?} is {actual}, not {expected}; nothing was changed")]
    VersionMismatch {
        /// The secret.
        name: String,
        /// What the caller expected.
        expected: i64,
        /// What it is.
        actual: i64,
    },
    /// It cannot be done in this state.
    #[error("{message}")]
    Precondition {
        /// For programs, such as `SECRET_DELETED`.
        code: &'static str,
        /// For people.
        message: String,
        /// The command that helps.
        fix: String,
    },
    /// A limit is reached.
    #[error("{what}: the limit is {limit}")]
    Limit {
        /// What there would be too many of.
        what: String,
        /// The limit.
        limit: usize,
    },
    /// The id of a request was used for another request.
    #[error("request id {0} was used for another request; a retry repeats the whole request")]
    RequestReused(uuid::Uuid),
    /// A stored row is not what was written: edited, moved or rolled back. Others go on working.
    #[error("the stored value of {name:?} {version} was refused: {why}")]
    RowRefused {
        /// The secret.
        name: String,
        /// The version.
        version: String,
        /// Why.
        why: String,
    },
    /// It cannot be recorded, so it is not done.
    #[error("nothing was done: {0}")]
    Store(#[from] StoreError),
    /// It is not known what other brokers changed, so no value leaves.
    #[error("this broker is behind the database; nothing was sent")]
    Behind,
    /// The broker is stopping.
    #[error("the broker is stopping; nothing was done")]
    Stopping,
    /// The broker's own fault.
    #[error("the broker failed: {0}")]
    Internal(String),
}

impl From<EnvelopeError> for CustodyError {
    fn from(error: EnvelopeError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<AuthorityError> for CustodyError {
    fn from(error: AuthorityError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl CustodyError {
    /// An invalid field.
    pub fn invalid(field: impl Into<String>, problem: impl ToString) -> Self {
        Self::Invalid { field: field.into(), problem: problem.to_string() }
    }
}
