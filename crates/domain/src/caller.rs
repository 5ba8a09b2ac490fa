//! Who asks. Every verb of custody takes its caller first; identity comes from the certificate of
//! the connection and from nowhere else.

use crate::{
    id::{AdminId, AgentId, BrokerId, InstanceId},
    name::{AgentName, EnvironmentName},
    policy::Roles,
};
use std::{fmt, net::SocketAddr};

/// Who asks, as the certificate of the connection says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// An administrator.
    Admin {
        /// Identity.
        id: AdminId,
        /// Name for the audit trail.
        name: String,
        /// What the administrator may do.
        roles: Roles,
        /// Where the connection comes from.
        peer: Option<SocketAddr>,
    },
    /// One instance of an agent.
    Agent {
        /// Environment of the agent.
        environment: EnvironmentName,
        /// Identity of the agent.
        agent: AgentId,
        /// Name of the agent.
        name: AgentName,
        /// Identity of the instance.
        instance: InstanceId,
        /// Where the connection comes from.
        peer: Option<SocketAddr>,
    },
    /// Somebody without a certificate.
    Nobody {
        /// Where the connection comes from.
        peer: Option<SocketAddr>,
    },
    /// The broker itself.
    Broker {
        /// Identity.
        id: BrokerId,
    },
}

impl Caller {
    /// Where the connection comes from.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::Admin { peer, .. } | Self::Agent { peer, .. } | Self::Nobody { peer } => *peer,
            Self::Broker { .. } => None,
        }
    }
}

impl fmt::Display for Caller {
    /// As the audit trail names the actor.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admin { name, .. } => write!(f, "admin:{name}"),
            Self::Agent { name, instance, .. } => write!(f, "agent:{name}/{instance}"),
            Self::Nobody { .. } => f.write_str("nobody"),
            Self::Broker { id } => write!(f, "broker:{id}"),
        }
    }
}
