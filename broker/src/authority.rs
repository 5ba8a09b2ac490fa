//! Issues certificates: the only place that holds the keys of an authority. It does no I/O and
//! reads no clock; whoever calls seals [`Authority::export`] and stores it.
//!
//! ```text
//!                    root (10 years, signs intermediates only)
//!        ┌─────────────────────┼──────────────────────┐
//!   agents (90 days)     admins (90 days)       servers (90 days)      one key each
//!   clientAuth only      clientAuth only        serverAuth only
//!        │                     │                      │
//!   agent's leaf (1 h)   admin's leaf           broker's leaf
//! ```
//! Three intermediates, because each listener then believes exactly one kind of client, and no
//! client's certificate can ever be a broker's.

mod export;
mod join_token;
mod leaf;
mod root;

pub use join_token::mint;
pub use leaf::{
    AGENT_LIFETIME_SECONDS, AGENT_LIFETIME_SECONDS_MAX, AGENT_LIFETIME_SECONDS_MIN, Issued,
};

use root::{Issuer, Line, Purpose};
use rustls_pki_types::CertificateDer;
use secretref_identity::{
    certificate::{self, Malformed},
    credentials::{CredentialsError, TrustBundle},
    subject::TrustDomain,
};

/// A root, and the three intermediates under it.
pub struct Authority {
    domain: TrustDomain,
    root: Issuer,
    agents: Line,
    admins: Line,
    servers: Line,
}

/// Why nothing was issued.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The caller asked for too short or too long a life.
    #[error("a certificate for {whom} lives {min} to {max} seconds; {given} were asked for")]
    Lifetime {
        /// For whom.
        whom: &'static str,
        /// What was asked for, in seconds.
        given: i64,
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// The caller named a server by something that is no name.
    #[error("{0:?} is neither a DNS name nor an IP address")]
    ServerName(String),
    /// The caller named a server too often.
    #[error("a server has {0} names; at most {max} are certified", max = leaf::SERVER_NAMES_MAX)]
    TooManyNames(usize),
    /// The issuer's own time is over, or has not come.
    #[error(
        "the authority's certificate for {whom} is not valid at this time; renew the \
         intermediates, and check the clock"
    )]
    IssuerEnded {
        /// For whom it issues.
        whom: &'static str,
    },
    /// What was stored is not what was exported.
    #[error("the stored authority is damaged: {0}")]
    Damaged(&'static str),
    /// The time is not one that a certificate can say.
    #[error("{0} seconds since 1970 is not a time for a certificate")]
    Time(i64),
    /// The system gave no randomness.
    #[error("the system gave no randomness")]
    Randomness,
    /// A certificate could not be read.
    #[error(transparent)]
    Certificate(#[from] Malformed),
    /// A certificate could not be made.
    #[error("no certificate could be made: {0}")]
    Sign(#[from] rcgen::Error),
}

impl Authority {
    /// Makes a new authority for `domain`: new keys, a root and three intermediates. `now` is in
    /// seconds since the epoch.
    ///
    /// # Errors
    /// [`AuthorityError`] where the system has no randomness or the time is impossible.
    pub fn create(domain: TrustDomain, now: i64) -> Result<Self, AuthorityError> {
        let root = Issuer::root(&domain, now)?;
        Ok(Self {
            agents: root.intermediate(Purpose::Agents, now)?,
            admins: root.intermediate(Purpose::Admins, now)?,
            servers: root.intermediate(Purpose::Servers, now)?,
            domain,
            root,
        })
    }

    /// The trust domain whose names it gives.
    #[must_use]
    pub fn domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// Whom everybody under this authority believes.
    ///
    /// # Errors
    /// [`CredentialsError`], only where the root is damaged.
    pub fn trust_bundle(&self) -> Result<TrustBundle, CredentialsError> {
        TrustBundle::new(self.domain.clone(), vec![self.root.certificate.clone()])
    }

    /// SHA-256 of the root's subject public key info, which join tokens carry.
    ///
    /// # Errors
    /// [`AuthorityError::Certificate`], only where the root is damaged.
    pub fn fingerprint(&self) -> Result<[u8; 32], AuthorityError> {
        Ok(certificate::spki_sha256(&self.root.certificate)?)
    }

    /// The intermediates that an agents' listener believes: the present one first, then those
    /// whose leaves may still be about.
    #[must_use]
    pub fn agent_anchors(&self) -> Vec<CertificateDer<'static>> {
        self.agents.anchors()
    }

    /// The intermediates that an administrators' listener believes, likewise.
    #[must_use]
    pub fn admin_anchors(&self) -> Vec<CertificateDer<'static>> {
        self.admins.anchors()
    }

    /// Whether an intermediate has less than a third of its life left, or a former one has ended
    /// and can go.
    ///
    /// # Errors
    /// [`AuthorityError::Certificate`], only where one is damaged.
    pub fn intermediates_due(&self, now: i64) -> Result<bool, AuthorityError> {
        for line in [&self.agents, &self.admins, &self.servers] {
            if line.is_due(now)? || line.has_ended(now)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Renews what is due, each with a new key, and drops former ones that have ended. Says how
    /// many were renewed. Nothing changes where it fails. Export and store the authority before
    /// issuing with it, and give listeners their new anchors.
    ///
    /// # Errors
    /// [`AuthorityError`] where the root has ended or a key cannot be made.
    pub fn renew_intermediates(&mut self, now: i64) -> Result<usize, AuthorityError> {
        let agents = self.agents.renewal(&self.root, now)?;
        let admins = self.admins.renewal(&self.root, now)?;
        let servers = self.servers.renewal(&self.root, now)?;
        // From here on nothing fails: all three lines move, or none.
        Ok([
            self.agents.advance(agents, now),
            self.admins.advance(admins, now),
            self.servers.advance(servers, now),
        ]
        .into_iter()
        .filter(|renewed| *renewed)
        .count())
    }
}

#[cfg(test)]
mod tests;
