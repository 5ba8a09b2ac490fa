//! The authority log: who may have what, who is revoked, which version is current. Each record is
//! MAC-chained to the one before it when it is stored; brokers fold the log into a
//! [`crate::ledger::Ledger`] and decide by that alone.
//!
//! A record is stored as JSON. The MAC is over the stored bytes, and only verified bytes are
//! parsed, so that the encoding need not be canonical, and fields can be added.

use crate::{
    agent::AgentSpec,
    alert::{AlertChannel, ChannelName},
    clock::Timestamp,
    fault::Fault,
    group::GroupSpec,
    id::{AdminId, AgentId, Digest, InstanceId, SecretId},
    name::{AgentName, EnvironmentName, GroupName, ProviderAlias, RotatorAlias, SecretName},
    policy::Roles,
    reference::{ProviderSpec, Reference, Source},
    rotation::{Rotation, RotatorSpec},
    traceparent::TraceParent,
    version::Version,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One record of the authority log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When it was committed, by the broker's clock.
    pub at: Timestamp,
    /// What changed.
    pub change: Change,
    /// The span of the commit, where somebody is told of spans: whoever pushes it goes on from
    /// there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceParent>,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Change {
    /// A version was written and is current now; creates the secret where it is not there.
    SecretPut {
        /// Environment of the secret.
        environment: EnvironmentName,
        /// Identity of the secret.
        secret: SecretId,
        /// Name of the secret.
        name: SecretName,
        /// The version.
        version: Version,
        /// Fingerprint of the sealed value: a row that does not have it is refused.
        digest: Digest,
        /// Length of the value in bytes.
        size: usize,
        /// When the value stops being valid.
        expires_at: Option<Timestamp>,
        /// The older version whose value this is.
        activated_from: Option<Version>,
        /// Metadata of the secret from now on.
        metadata: SecretMetadata,
        /// What else is known of the value.
        #[serde(default)]
        traits: ValueTraits,
        /// Whether it is not current yet: a rotation decides who gets it.
        #[serde(default, skip_serializing_if = "is_false")]
        staged: bool,
    },
    /// A staged version is the current one now.
    VersionPromoted {
        /// The secret.
        secret: SecretId,
        /// The version.
        version: Version,
    },
    /// The key of a version was shredded.
    VersionDestroyed {
        /// The secret.
        secret: SecretId,
        /// The version.
        version: Version,
    },
    /// A secret was deleted or came back.
    SecretDeleted {
        /// The secret.
        secret: SecretId,
        /// Whether it is deleted now.
        deleted: bool,
    },
    /// An environment was set up or changed.
    EnvironmentSet {
        /// The environment.
        environment: EnvironmentName,
        /// Provider of refs that name none.
        active_provider: ProviderAlias,
    },
    /// This environment is the active one now.
    EnvironmentActivated {
        /// The environment.
        environment: EnvironmentName,
    },
    /// A ref was set.
    ReferenceSet {
        /// Environment of the ref.
        environment: EnvironmentName,
        /// The ref.
        name: SecretName,
        /// Where it comes from.
        reference: Reference,
    },
    /// A ref was removed.
    ReferenceRemoved {
        /// Environment of the ref.
        environment: EnvironmentName,
        /// The ref.
        name: SecretName,
    },
    /// A place of a ref's chain was asked, and answers otherwise than before.
    SourceObserved {
        /// Environment of the ref.
        environment: EnvironmentName,
        /// The ref.
        reference: SecretName,
        /// The place.
        source: Source,
        /// What it answered.
        observed: Observed,
    },
    /// A provider was set.
    ProviderSet {
        /// Its alias.
        alias: ProviderAlias,
        /// Its settings.
        spec: ProviderSpec,
    },
    /// A rotator was set.
    RotatorSet {
        /// Its alias.
        alias: RotatorAlias,
        /// Its settings.
        spec: RotatorSpec,
    },
    /// A rotation began, or went on.
    RotationSet {
        /// The rotation as it is now.
        rotation: Box<Rotation>,
    },
    /// A group was set: its agents have at once what it binds.
    GroupSet {
        /// Environment of the group.
        environment: EnvironmentName,
        /// Name of the group.
        name: GroupName,
        /// What it is.
        spec: GroupSpec,
    },
    /// A group was removed.
    GroupRemoved {
        /// Environment of the group.
        environment: EnvironmentName,
        /// Name of the group.
        name: GroupName,
    },
    /// An alert channel was set.
    ChannelSet {
        /// Environment whose alerts it gets.
        environment: EnvironmentName,
        /// Name of the channel.
        name: ChannelName,
        /// What it is.
        channel: AlertChannel,
    },
    /// An alert channel was removed.
    ChannelRemoved {
        /// Environment of the channel.
        environment: EnvironmentName,
        /// Name of the channel.
        name: ChannelName,
    },
    /// An agent was set.
    AgentSet {
        /// Environment of the agent.
        environment: EnvironmentName,
        /// Identity of the agent.
        agent: AgentId,
        /// Name of the agent.
        name: AgentName,
        /// What it is.
        spec: Box<AgentSpec>,
    },
    /// An agent was removed: as revoked, and it is no longer listed.
    AgentRemoved {
        /// The agent.
        agent: AgentId,
    },
    /// An agent was revoked: its instances and unused tokens are gone.
    AgentRevoked {
        /// The agent.
        agent: AgentId,
    },
    /// An agent was quarantined: nothing of it is let in, its unused tokens are gone, and its
    /// instances are kept for when it is released.
    AgentQuarantined {
        /// The agent.
        agent: AgentId,
    },
    /// A quarantined agent was released: its instances are let in again.
    AgentReleased {
        /// The agent.
        agent: AgentId,
    },
    /// A join token was minted.
    TokenMinted {
        /// SHA-256 of the token's secret.
        token: Digest,
        /// Agent that it enrols.
        agent: AgentId,
        /// Until when it can be used.
        expires_at: Timestamp,
        /// Whether it lets a revoked agent in again.
        readmit: bool,
    },
    /// A join token was spent: an instance came to be.
    InstanceEnrolled {
        /// The token.
        token: Digest,
        /// The agent.
        agent: AgentId,
        /// The instance.
        instance: InstanceId,
        /// Its first certificate.
        certificate: CertificateSlot,
    },
    /// An instance got another certificate.
    CertificateRenewed {
        /// The agent.
        agent: AgentId,
        /// The instance.
        instance: InstanceId,
        /// Serial of the certificate that it was renewed with.
        by: Serial,
        /// The new certificate.
        certificate: CertificateSlot,
    },
    /// One instance was revoked.
    InstanceRevoked {
        /// The agent.
        agent: AgentId,
        /// The instance.
        instance: InstanceId,
    },
    /// An administrator was made, or got another certificate.
    AdminSet {
        /// Identity.
        admin: AdminId,
        /// Name for the audit trail.
        name: String,
        /// What the administrator may do.
        roles: Roles,
        /// The one valid certificate.
        certificate: CertificateSlot,
    },
    /// An administrator was revoked.
    AdminRevoked {
        /// The administrator.
        admin: AdminId,
    },
}

/// What a place of a ref's chain answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observed {
    /// A value; this version of the copy has it.
    Holds(Version),
    /// None.
    Fails(Failing),
}

/// Why a place has no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// What kind of failure it is.
    pub fault: Fault,
    /// The failure in words; never a value.
    pub message: String,
    /// The command, or the change, that helps.
    pub fix: String,
}

/// What is known of a value without knowing it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueTraits {
    /// Keyed hash of the value: equal values of one environment have equal marks. Absent in
    /// records from before there were marks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Digest>,
    /// Whether it looks like an example rather than a credential.
    #[serde(default, skip_serializing_if = "is_false")]
    pub placeholder: bool,
    /// Where it was copied from; absent where it was put.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Service that a value of its shape is for; where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The service's own word for the credential, by which it is revoked there; never a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
}

/// Where a value was copied from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The place.
    pub source: Source,
    /// The provider's own word for the version.
    pub version: String,
    /// When the provider says that it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}

/// Serde asks by reference.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Metadata of a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretMetadata {
    /// Service that issued it; may be empty.
    pub service: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// From when on it should no longer be used.
    pub deprecation_date: Option<Timestamp>,
}

/// Serial number of a certificate, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Serial(pub String);

/// What the ledger keeps of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateSlot {
    /// Serial number.
    pub serial: Serial,
    /// SHA-256 of the public key.
    pub key: Digest,
    /// When it ends.
    pub not_after: Timestamp,
}
