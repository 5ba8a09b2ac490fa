//! The names in certificates: SPIFFE ids.

use spiffe::SpiffeId;
use std::{fmt, str::FromStr, sync::Arc};
use uuid::Uuid;

/// The name of one authority's world, such as `example.org`: everything before the path of a
/// SPIFFE id. Lower case, at most 255 bytes; another spelling is refused, not normalised.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TrustDomain(Arc<str>);

/// Whom a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// One running copy of an agent: `spiffe://<trust domain>/agent/<agent>/<instance>`.
    Agent {
        /// Identity of the agent.
        agent: Uuid,
        /// Identity of the copy.
        instance: Uuid,
    },
    /// An administrator: `spiffe://<trust domain>/admin/<admin>`.
    Admin {
        /// Identity of the administrator.
        admin: Uuid,
    },
    /// A broker: `spiffe://<trust domain>/broker/<broker>`.
    Broker {
        /// Identity of the broker.
        broker: Uuid,
    },
}

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// It is no trust domain.
    #[error(
        "{given:?} is not a trust domain. A trust domain is 1 to 255 of the characters a-z, 0-9, \
         `.`, `-` and `_`, such as example.org"
    )]
    TrustDomain {
        /// What was given, cut to 128 characters.
        given: String,
    },
    /// It is no SPIFFE id.
    #[error("{given:?} is not a SPIFFE id (spiffe://<trust domain>/<path>)")]
    NotSpiffe {
        /// What was given, cut to 128 characters.
        given: String,
    },
    /// It belongs to another authority.
    #[error("{given:?} is not in the trust domain {expected}")]
    OtherDomain {
        /// What was given, cut to 128 characters.
        given: String,
        /// The trust domain that it has to be in.
        expected: TrustDomain,
    },
    /// It names nothing that we know, or in another spelling.
    #[error(
        "{given:?} names no agent, administrator or broker. The path is \
         /agent/<uuid>/<uuid>, /admin/<uuid> or /broker/<uuid>, with lower-case UUIDs"
    )]
    Shape {
        /// What was given, cut to 128 characters.
        given: String,
    },
}

impl TrustDomain {
    /// Takes a trust domain that is spelled as it is compared.
    ///
    /// # Errors
    /// [`SubjectError::TrustDomain`] where it is not.
    pub fn parse(given: &str) -> Result<Self, SubjectError> {
        match spiffe::TrustDomain::new(given) {
            Ok(domain) if domain.as_str() == given => Ok(Self(given.into())),
            _ => Err(SubjectError::TrustDomain { given: cut(given) }),
        }
    }

    /// The trust domain of a SPIFFE id.
    pub(crate) fn of(uri: &str) -> Result<Self, SubjectError> {
        let id = SpiffeId::new(uri).map_err(|_| SubjectError::NotSpiffe { given: cut(uri) })?;
        Self::parse(id.trust_domain_name())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Subject {
    /// Reads a SPIFFE id in `domain`. What was read is written again and compared, so that one
    /// subject has one spelling and nothing in the text goes unread.
    ///
    /// # Errors
    /// [`SubjectError`] where it is none, is in another domain, or is of another shape.
    pub fn parse(uri: &str, domain: &TrustDomain) -> Result<Self, SubjectError> {
        let given = || cut(uri);
        let id = SpiffeId::new(uri).map_err(|_| SubjectError::NotSpiffe { given: given() })?;
        if id.trust_domain_name() != domain.as_str() {
            return Err(SubjectError::OtherDomain { given: given(), expected: domain.clone() });
        }
        match Self::from_path(id.path()) {
            Some(subject) if subject.uri(domain) == uri => Ok(subject),
            _ => Err(SubjectError::Shape { given: given() }),
        }
    }

    /// The SPIFFE id of this subject in `domain`.
    #[must_use]
    pub fn uri(&self, domain: &TrustDomain) -> String {
        match self {
            Self::Agent { agent, instance } => {
                format!("spiffe://{domain}/agent/{agent}/{instance}")
            }
            Self::Admin { admin } => format!("spiffe://{domain}/admin/{admin}"),
            Self::Broker { broker } => format!("spiffe://{domain}/broker/{broker}"),
        }
    }

    fn from_path(path: &str) -> Option<Self> {
        let mut segments = path.strip_prefix('/')?.split('/');
        let kind = segments.next()?;
        // The nil UUID is what nobody was given.
        let mut uuid = || Uuid::try_parse(segments.next()?).ok().filter(|id| !id.is_nil());
        let subject = match kind {
            "agent" => Self::Agent { agent: uuid()?, instance: uuid()? },
            "admin" => Self::Admin { admin: uuid()? },
            "broker" => Self::Broker { broker: uuid()? },
            _ => return None,
        };
        segments.next().is_none().then_some(subject)
    }
}

impl FromStr for TrustDomain {
    type Err = SubjectError;
    fn from_str(given: &str) -> Result<Self, SubjectError> {
        Self::parse(given)
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// Enough of a name to find it, and no more than fits a line of a log.
fn cut(given: &str) -> String {
    given.chars().take(128).collect()
}

#[cfg(test)]
mod tests;
