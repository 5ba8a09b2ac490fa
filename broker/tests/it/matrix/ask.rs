//! Any method of the wire, with a request about any object, as bytes.

use super::Object;
use crate::{
    place::manifest,
    world::{hello, put_request},
};
use anyhow::{Context, Result};
use bytes::{Buf, BufMut};
use http::uri::PathAndQuery;
use prost::Message;
use secretref_identity::request::CertificateRequest;
use secretref_proto::{
    method::Method,
    v1::{self, WatchRequest, watch_request},
};
use secretref_testkit::wait::DEADLINE;
use tokio::time::timeout;
use tokio_stream::iter;
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Channel,
};

/// Who is called what on each object.
pub(super) struct Names {
    /// Administrators: whoever asks, and another.
    pub(super) own_admin: String,
    pub(super) other_admin: String,
    /// Join tokens, one for each object; the last is of nobody.
    pub(super) tokens: [String; 4],
}

/// The request of a method about an object. A new method needs an arm here.
#[allow(clippy::too_many_lines, reason = "one arm for each method of the wire")]
pub(super) fn request(method: Method, object: Object, names: &Names) -> Result<Vec<u8>> {
    let (environment, secret, agent) = match object {
        Object::Own => ("default", "a", "worker"),
        Object::Anothers => ("default", "b", "neighbour"),
        Object::Elsewhere => ("staging", "c", "stranger"),
        Object::Unknown => ("default", "nothing", "no-one"),
    };
    let (environment, name) = (environment.to_owned(), secret.to_owned());
    let agent = agent.to_owned();
    let admin = match object {
        Object::Own => names.own_admin.clone(),
        Object::Anothers | Object::Elsewhere => names.other_admin.clone(),
        Object::Unknown => "no-admin".to_owned(),
    };
    let csr = || -> Result<Vec<u8>> { Ok(CertificateRequest::generate()?.der) };
    let request = match method {
        Method::PutSecret => {
            v1::PutSecretRequest { environment, ..put_request(secret, b"new") }.encode_to_vec()
        }
        Method::GetSecret => v1::GetSecretRequest { name, environment }.encode_to_vec(),
        Method::ListSecrets => {
            v1::ListSecretsRequest { environment, ..Default::default() }.encode_to_vec()
        }
        Method::ListSecretVersions => {
            v1::ListSecretVersionsRequest { name, environment, ..Default::default() }
                .encode_to_vec()
        }
        Method::AccessSecretVersion => {
            let reason = "the matrix".to_owned();
            v1::AccessSecretVersionRequest { name, environment, reason, ..Default::default() }
                .encode_to_vec()
        }
        Method::ActivateSecretVersion => {
            v1::ActivateSecretVersionRequest { name, environment, version: 1, ..Default::default() }
                .encode_to_vec()
        }
        Method::DestroySecretVersion => {
            v1::DestroySecretVersionRequest { name, environment, version: 1, ..Default::default() }
                .encode_to_vec()
        }
        Method::DeleteSecret => {
            v1::DeleteSecretRequest { name, environment, ..Default::default() }.encode_to_vec()
        }
        Method::UndeleteSecret => {
            v1::UndeleteSecretRequest { name, environment, ..Default::default() }.encode_to_vec()
        }
        Method::ApplyManifest => {
            let content = manifest(&agent, &[secret]).into_bytes();
            let files = vec![v1::ManifestFile { name: "manifest.json".into(), content }];
            v1::ApplyManifestRequest { files, environment, ..Default::default() }.encode_to_vec()
        }
        Method::GetAgent => v1::GetAgentRequest { name: agent, environment }.encode_to_vec(),
        Method::ListAgents => {
            v1::ListAgentsRequest { environment, ..Default::default() }.encode_to_vec()
        }
        Method::ListAgentStatuses => {
            v1::ListAgentStatusesRequest { environment, agent, ..Default::default() }
                .encode_to_vec()
        }
        Method::CreateJoinToken => {
            v1::CreateJoinTokenRequest { agent, environment, ..Default::default() }.encode_to_vec()
        }
        Method::RevokeAgent => {
            v1::RevokeAgentRequest { name: agent, environment, ..Default::default() }
                .encode_to_vec()
        }
        Method::QuarantineAgent => {
            v1::QuarantineAgentRequest { name: agent, environment, ..Default::default() }
                .encode_to_vec()
        }
        Method::ReleaseAgent => {
            v1::ReleaseAgentRequest { name: agent, environment, ..Default::default() }
                .encode_to_vec()
        }
        Method::CreateAdmin => {
            let roles = vec![v1::AdminRole::Auditor.into()];
            let certificate_request_der = csr()?;
            v1::CreateAdminRequest {
                name: admin,
                roles,
                certificate_request_der,
                ..Default::default()
            }
            .encode_to_vec()
        }
        Method::GetAdmin => v1::GetAdminRequest { name: admin }.encode_to_vec(),
        Method::ListAdmins => v1::ListAdminsRequest::default().encode_to_vec(),
        Method::RenewAdmin => {
            let certificate_request_der = csr()?;
            v1::RenewAdminRequest { name: admin, certificate_request_der, ..Default::default() }
                .encode_to_vec()
        }
        Method::RevokeAdmin => {
            v1::RevokeAdminRequest { name: admin, ..Default::default() }.encode_to_vec()
        }
        Method::GetBroker => v1::GetBrokerRequest {}.encode_to_vec(),
        Method::ListAuditEntries => {
            v1::ListAuditEntriesRequest { environment, agent, secret: name, ..Default::default() }
                .encode_to_vec()
        }
        Method::MatchSecrets => v1::MatchSecretsRequest {
            key: vec![7; 32],
            digests: vec![vec![8; 32]],
            ..Default::default()
        }
        .encode_to_vec(),
        Method::ReadTrail => v1::ReadTrailRequest::default().encode_to_vec(),
        Method::RecordArchive => {
            v1::RecordArchiveRequest { size: 1, sha256: vec![7; 32] }.encode_to_vec()
        }
        Method::GetTrailKey => v1::GetTrailKeyRequest {}.encode_to_vec(),
        Method::FollowAudit => {
            v1::FollowAuditRequest { environment, agent, secret: name, ..Default::default() }
                .encode_to_vec()
        }
        Method::TraceSecret => {
            v1::TraceSecretRequest { name, environment, start_time: None }.encode_to_vec()
        }
        Method::TraceAgent => {
            v1::TraceAgentRequest { agent, environment, start_time: None }.encode_to_vec()
        }
        Method::ListProviders => v1::ListProvidersRequest { environment }.encode_to_vec(),
        Method::CheckProvider => {
            v1::CheckProviderRequest { alias: "store".to_owned(), environment }.encode_to_vec()
        }
        Method::ListReferences => {
            v1::ListReferencesRequest { environment, ..Default::default() }.encode_to_vec()
        }
        Method::DiagnoseReferences => v1::DiagnoseReferencesRequest { environment }.encode_to_vec(),
        Method::ListEnvironments => v1::ListEnvironmentsRequest {}.encode_to_vec(),
        Method::UseEnvironment => {
            let validate_only = true;
            v1::UseEnvironmentRequest { environment, validate_only, ..Default::default() }
                .encode_to_vec()
        }
        // No ref names a rotator, and nothing is rotated: what is asked here is who may.
        Method::StartRotations => {
            v1::StartRotationsRequest { secret_ref: name, environment, ..Default::default() }
                .encode_to_vec()
        }
        Method::PlanRotations => {
            v1::PlanRotationsRequest { secret_ref: name, environment, ..Default::default() }
                .encode_to_vec()
        }
        Method::GetRotation => {
            v1::GetRotationRequest { secret_ref: name, environment, ..Default::default() }
                .encode_to_vec()
        }
        Method::GetReceipt => {
            v1::GetReceiptRequest { secret_ref: name, environment, ..Default::default() }
                .encode_to_vec()
        }
        Method::ListRotations => {
            v1::ListRotationsRequest { environment, ..Default::default() }.encode_to_vec()
        }
        Method::AbortRotation => {
            v1::AbortRotationRequest { secret_ref: name, environment, ..Default::default() }
                .encode_to_vec()
        }
        Method::EvictInstance => {
            let instance = uuid::Uuid::nil().to_string();
            v1::EvictInstanceRequest { secret_ref: name, environment, instance }.encode_to_vec()
        }
        Method::ListChannels => v1::ListChannelsRequest { environment }.encode_to_vec(),
        // Nobody has one: what is asked here is who may.
        Method::TestChannel => v1::TestChannelRequest { name, environment }.encode_to_vec(),
        Method::ListConditions => {
            v1::ListConditionsRequest { environment, ..Default::default() }.encode_to_vec()
        }
        Method::TellConditions => {
            v1::TellConditionsRequest { environment, channel: name, ..Default::default() }
                .encode_to_vec()
        }
        Method::Join => {
            let token = names.tokens[object as usize].clone();
            v1::JoinRequest { token, certificate_request_der: csr()? }.encode_to_vec()
        }
        Method::Renew => v1::RenewRequest { certificate_request_der: csr()? }.encode_to_vec(),
        Method::Resolve => v1::ResolveRequest { ids: vec![name] }.encode_to_vec(),
        Method::Watch => {
            let message = Some(watch_request::Message::Hello(hello()));
            WatchRequest { message }.encode_to_vec()
        }
    };
    Ok(request)
}

/// Calls a path with one message; nothing where it was answered. Of a stream, the first message is
/// enough.
pub(crate) async fn call(
    channel: &Channel,
    path: PathAndQuery,
    message: Vec<u8>,
) -> Result<Option<Status>> {
    let mut client = Grpc::new(channel.clone());
    let called = async {
        client.ready().await?;
        match client.streaming(Request::new(iter([message])), path, Raw).await {
            Err(status) => Ok(Some(status)),
            Ok(answered) => Ok(answered.into_inner().message().await.err()),
        }
    };
    timeout(DEADLINE, called).await.context("no answer came")?
}

/// Messages as they are.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        from.advance(from.remaining());
        Ok(Some(()))
    }
}
