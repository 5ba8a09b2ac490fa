//! The one table of rules: for each method, the port that serves it and what it is an act of. The
//! `match` has no wildcard, so a method without a rule does not compile; and a handler gets its
//! caller only by the rule (see [`super::caller`]), so none is served without one.

use super::listener::Port;
use secretref_domain::policy::Action;
use secretref_proto::method::Method;

/// What has to be so for a method to be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    /// The port that serves it; on the other there is no such method.
    pub(super) port: Port,
    /// What it is an act of: `policy::authorise` says who may, and the caller that a handler gets
    /// is confined to it.
    pub(super) action: Action,
}

/// The rule of a method.
pub(super) const fn rule(method: Method) -> Rule {
    use Action::{
        AdminRenew, AdminWrite, AgentWrite, AuditArchive, AuditRead, Join, MetadataRead, Renew,
        RotationWrite, SecretAccess, SecretMatch, SecretWrite, Watch,
    };
    use Port::{Admins, Agents};
    let (port, action) = match method {
        Method::PutSecret => (Admins, SecretWrite),
        Method::GetSecret => (Admins, MetadataRead),
        Method::ListSecrets => (Admins, MetadataRead),
        Method::ListSecretVersions => (Admins, MetadataRead),
        Method::AccessSecretVersion => (Admins, SecretAccess),
        Method::ActivateSecretVersion => (Admins, SecretWrite),
        Method::DestroySecretVersion => (Admins, SecretWrite),
        Method::DeleteSecret => (Admins, SecretWrite),
        Method::UndeleteSecret => (Admins, SecretWrite),
        Method::MatchSecrets => (Admins, SecretMatch),
        Method::ApplyManifest => (Admins, AgentWrite),
        Method::GetAgent => (Admins, MetadataRead),
        Method::ListAgents => (Admins, MetadataRead),
        Method::ListAgentStatuses => (Admins, MetadataRead),
        Method::CreateJoinToken => (Admins, AgentWrite),
        Method::RevokeAgent => (Admins, AgentWrite),
        Method::QuarantineAgent => (Admins, AgentWrite),
        Method::ReleaseAgent => (Admins, AgentWrite),
        Method::CreateAdmin => (Admins, AdminWrite),
        Method::GetAdmin => (Admins, MetadataRead),
        Method::ListAdmins => (Admins, MetadataRead),
        // For another it is AdminWrite, which custody asks for.
        Method::RenewAdmin => (Admins, AdminRenew),
        Method::RevokeAdmin => (Admins, AdminWrite),
        Method::GetBroker => (Admins, MetadataRead),
        Method::ListAuditEntries => (Admins, AuditRead),
        Method::ReadTrail => (Admins, AuditRead),
        Method::RecordArchive => (Admins, AuditArchive),
        Method::GetTrailKey => (Admins, AuditRead),
        Method::FollowAudit => (Admins, AuditRead),
        Method::TraceSecret => (Admins, AuditRead),
        Method::TraceAgent => (Admins, AuditRead),
        Method::ListProviders => (Admins, MetadataRead),
        // It makes the broker ask somebody else, with secrets of its own.
        Method::CheckProvider => (Admins, AgentWrite),
        Method::ListReferences => (Admins, MetadataRead),
        Method::DiagnoseReferences => (Admins, MetadataRead),
        Method::ListEnvironments => (Admins, MetadataRead),
        Method::UseEnvironment => (Admins, AgentWrite),
        Method::StartRotations => (Admins, RotationWrite),
        Method::PlanRotations => (Admins, MetadataRead),
        Method::GetRotation => (Admins, MetadataRead),
        Method::GetReceipt => (Admins, MetadataRead),
        Method::ListRotations => (Admins, MetadataRead),
        Method::AbortRotation => (Admins, RotationWrite),
        Method::EvictInstance => (Admins, RotationWrite),
        Method::ListChannels => (Admins, MetadataRead),
        Method::TestChannel => (Admins, AgentWrite),
        Method::ListConditions => (Admins, MetadataRead),
        // It makes the broker write to somebody else, with a secret of its own.
        Method::TellConditions => (Admins, AgentWrite),
        Method::Join => (Agents, Join),
        Method::Renew => (Agents, Renew),
        Method::Watch => (Agents, Watch),
        Method::Resolve => (Agents, Watch),
    };
    Rule { port, action }
}
