//! An administrator: the clients of the admin listener, and the few calls that most stories make.

use crate::broker::TRUST_DOMAIN;
use anyhow::{Context, Result};
use secretref_identity::{
    client::{CONNECT_TIMEOUT, ClientConfig, connect},
    clock::Clock,
    credentials::{Credentials, Holder, TrustBundle},
    request::CertificateRequest,
    subject::TrustDomain,
};
use secretref_proto::v1::{
    AdminCertificate, AdminRole, AgentStatus, ApplyManifestRequest, ApplyManifestResponse,
    AuditEntry, CreateAdminRequest, CreateJoinTokenRequest, ListAgentStatusesRequest,
    ListAuditEntriesRequest, ManifestFile, PutSecretRequest, PutSecretResponse, RevokeAgentRequest,
    RevokeAgentResponse, admins_service_client::AdminsServiceClient,
    agents_service_client::AgentsServiceClient, alerts_service_client::AlertsServiceClient,
    audit_service_client::AuditServiceClient, rotations_service_client::RotationsServiceClient,
    secrets_service_client::SecretsServiceClient,
};
use std::{fs, path::Path};
use tonic::{Status, transport::Channel};

/// An administrator with a connection.
#[derive(Clone)]
pub struct Admin {
    channel: Channel,
}

impl Admin {
    /// Connects with `ca.crt`, `admin.crt` and `admin.key` of a folder.
    ///
    /// # Errors
    /// Where a file is missing or wrong, or the broker refuses.
    pub async fn connect(address: &str, folder: &Path) -> Result<Self> {
        let file = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
        };
        let trust = TrustBundle::from_pem(TrustDomain::parse(TRUST_DOMAIN)?, &file("ca.crt")?)?;
        let credentials = Credentials::from_pem(&file("admin.crt")?, &file("admin.key")?, trust)?;
        Self::connect_as(address, &credentials).await
    }

    /// Connects with other credentials, which may be refused.
    ///
    /// # Errors
    /// Where the broker refuses.
    pub async fn connect_as(address: &str, credentials: &Credentials) -> Result<Self> {
        let config = ClientConfig::identified(credentials, Clock::system())?;
        let channel = connect(address, Holder::fixed(config), CONNECT_TIMEOUT).await?;
        Ok(Self { channel })
    }

    /// The connection.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Client of rotations.
    #[must_use]
    pub fn rotations(&self) -> RotationsServiceClient<Channel> {
        RotationsServiceClient::new(self.channel())
    }

    /// Client of secrets.
    #[must_use]
    pub fn secrets(&self) -> SecretsServiceClient<Channel> {
        SecretsServiceClient::new(self.channel())
    }

    /// Client of agents.
    #[must_use]
    pub fn agents(&self) -> AgentsServiceClient<Channel> {
        AgentsServiceClient::new(self.channel())
    }

    /// Client of administrators.
    #[must_use]
    pub fn admins(&self) -> AdminsServiceClient<Channel> {
        AdminsServiceClient::new(self.channel())
    }

    /// Makes an administrator with a key of his own, valid for so many seconds, and returns who he
    /// is.
    ///
    /// # Errors
    /// What the broker said.
    pub async fn create_admin(
        &self,
        name: &str,
        roles: &[AdminRole],
        lifetime_seconds: i64,
    ) -> Result<Credentials> {
        let request = CertificateRequest::generate()?;
        let message = CreateAdminRequest {
            name: name.to_owned(),
            roles: roles.iter().map(|role| i32::from(*role)).collect(),
            certificate_request_der: request.der.clone(),
            lifetime_seconds,
            ..CreateAdminRequest::default()
        };
        let answer = self.admins().create_admin(message).await?.into_inner();
        credentials(answer.certificate.context("the answer has no certificate")?, request)
    }

    /// Client of the audit trail.
    #[must_use]
    pub fn audit(&self) -> AuditServiceClient<Channel> {
        AuditServiceClient::new(self.channel())
    }

    /// Client of alert channels.
    #[must_use]
    pub fn alerts(&self) -> AlertsServiceClient<Channel> {
        AlertsServiceClient::new(self.channel())
    }

    /// Writes a new version of a secret.
    ///
    /// # Errors
    /// What the broker said.
    pub async fn put(&self, name: &str, value: &[u8]) -> Result<PutSecretResponse, Status> {
        let request = PutSecretRequest {
            name: name.to_owned(),
            value: value.to_vec(),
            ..PutSecretRequest::default()
        };
        self.secrets().put_secret(request).await.map(tonic::Response::into_inner)
    }

    /// Writes a new version and returns its number.
    ///
    /// # Errors
    /// What the broker said.
    pub async fn put_version(&self, name: &str, value: &[u8]) -> Result<i64> {
        let version = self.put(name, value).await?.version;
        Ok(version.context("the answer names no version")?.version)
    }

    /// Applies one manifest.
    ///
    /// # Errors
    /// What the broker said.
    pub async fn apply(&self, manifest: &str) -> Result<ApplyManifestResponse, Status> {
        let file = ManifestFile {
            name: "manifest.json".to_owned(),
            content: manifest.as_bytes().to_vec(),
        };
        let request = ApplyManifestRequest { files: vec![file], ..ApplyManifestRequest::default() };
        self.agents().apply_manifest(request).await.map(tonic::Response::into_inner)
    }

    /// Mints a join token.
    ///
    /// # Errors
    /// What the broker said.
    pub async fn token(&self, agent: &str) -> Result<String, Status> {
        let request =
            CreateJoinTokenRequest { agent: agent.to_owned(), ..CreateJoinTokenRequest::default() };
        Ok(self.agents().create_join_token(request).await?.into_inner().token)
    }

    /// Revokes an agent.
    ///
    /// # Errors
    /// What the broker said.
    pub async fn revoke(&self, agent: &str) -> Result<RevokeAgentResponse, Status> {
        let request = RevokeAgentRequest {
            name: agent.to_owned(),
            reason: "a story".to_owned(),
            ..RevokeAgentRequest::default()
        };
        self.agents().revoke_agent(request).await.map(tonic::Response::into_inner)
    }

    /// What an agent is owed and its instances hold.
    ///
    /// # Errors
    /// What the broker said, or that there is no such agent.
    pub async fn status(&self, agent: &str) -> Result<AgentStatus> {
        let request = ListAgentStatusesRequest {
            agent: agent.to_owned(),
            ..ListAgentStatusesRequest::default()
        };
        let answer = self.agents().list_agent_statuses(request).await?.into_inner();
        answer.statuses.into_iter().next().with_context(|| format!("no status of {agent}"))
    }

    /// The whole audit trail, page by page.
    ///
    /// # Errors
    /// What the broker said.
    pub async fn audit_trail(&self) -> Result<Vec<AuditEntry>> {
        let mut entries = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListAuditEntriesRequest {
                page_size: 1000,
                page_token,
                ..ListAuditEntriesRequest::default()
            };
            let page = self.audit().list_audit_entries(request).await?.into_inner();
            entries.extend(page.entries);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(entries);
            }
        }
    }
}

/// An administrator's certificate with the key that it was issued for.
///
/// # Errors
/// Where the two do not fit.
pub fn credentials(issued: AdminCertificate, request: CertificateRequest) -> Result<Credentials> {
    let bundle = issued.trust_bundle.context("the answer has no roots")?;
    let roots = bundle.roots_der.into_iter().map(Into::into).collect();
    let trust = TrustBundle::new(TrustDomain::parse(&bundle.trust_domain)?, roots)?;
    let chain = issued.chain_der.into_iter().map(Into::into).collect();
    Ok(Credentials::new(chain, request.key, trust)?)
}
