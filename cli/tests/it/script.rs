//! The answers of the fake broker.

mod references;

use super::Script;
use prost_types::Timestamp;
use secretref_proto::{
    ERROR_DOMAIN,
    v1::{
        self, agents_service_server::AgentsService, alerts_service_server::AlertsService,
        audit_service_server::AuditService, secrets_service_server::SecretsService,
    },
};
use std::collections::HashMap;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// 2026-11-23T12:03:11Z.
/// The key of a trail that has nothing in it.
pub(crate) const TRAIL_KEY: &str =
    "example.org/audit+34b4b407+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
const NOON: Timestamp = Timestamp { seconds: 1_795_435_391, nanos: 0 };
/// 2027-03-08T00:00:00Z.
const MARCH: Timestamp = Timestamp { seconds: 1_804_464_000, nanos: 0 };

fn refuse(code: Code, message: &str, fix: &str) -> Status {
    let metadata = HashMap::from([("fix".to_owned(), fix.to_owned())]);
    let details = ErrorDetails::with_error_info("REASON", ERROR_DOMAIN, metadata);
    Status::with_error_details(code, message, details)
}

fn secret(name: &str) -> v1::Secret {
    v1::Secret {
        name: name.to_owned(),
        environment: "production".to_owned(),
        service: "stripe".to_owned(),
        current_version: 7,
        update_time: Some(NOON),
        expire_time: Some(MARCH),
        ..v1::Secret::default()
    }
}

fn version(number: i64, state: v1::VersionState) -> v1::SecretVersion {
    v1::SecretVersion {
        version: number,
        state: state.into(),
        create_time: Some(NOON),
        size_bytes: 9,
        ..v1::SecretVersion::default()
    }
}

fn current() -> Option<v1::SecretVersion> {
    Some(version(7, v1::VersionState::Current))
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl SecretsService for Script {
    async fn put_secret(
        &self,
        put: Request<v1::PutSecretRequest>,
    ) -> Answer<v1::PutSecretResponse> {
        let put = put.into_inner();
        let name = put.name.clone();
        let first = {
            let mut puts = self.puts.lock().unwrap();
            puts.push(put);
            puts.len() == 1
        };
        match name.as_str() {
            "deleted" => Err(refuse(
                Code::FailedPrecondition,
                "secret \"deleted\" is deleted",
                "secretref undelete deleted",
            )),
            "conflict" => Err(refuse(Code::Aborted, "the current version is 8", "look again")),
            "flaky" if first => Err(Status::unavailable("the connection broke")),
            name => Ok(Response::new(v1::PutSecretResponse {
                secret: Some(secret(name)),
                version: current(),
                revision: 42,
            })),
        }
    }

    async fn get_secret(
        &self,
        get: Request<v1::GetSecretRequest>,
    ) -> Answer<v1::GetSecretResponse> {
        let name = get.into_inner().name;
        if name == "missing" {
            let fix = "secretref put missing";
            return Err(refuse(Code::NotFound, "there is no secret \"missing\"", fix));
        }
        Ok(Response::new(v1::GetSecretResponse { secret: Some(secret(&name)) }))
    }

    async fn list_secrets(
        &self,
        list: Request<v1::ListSecretsRequest>,
    ) -> Answer<v1::ListSecretsResponse> {
        let (name, next_page_token) = match list.into_inner().page_token.as_str() {
            "" => ("a", "second".to_owned()),
            _ => ("b", String::new()),
        };
        let secrets = vec![secret(name)];
        Ok(Response::new(v1::ListSecretsResponse { secrets, next_page_token }))
    }

    async fn list_secret_versions(
        &self,
        _: Request<v1::ListSecretVersionsRequest>,
    ) -> Answer<v1::ListSecretVersionsResponse> {
        let versions = vec![
            version(7, v1::VersionState::Current),
            version(6, v1::VersionState::Previous),
            version(5, v1::VersionState::Destroyed),
        ];
        let next_page_token = String::new();
        Ok(Response::new(v1::ListSecretVersionsResponse { versions, next_page_token }))
    }

    async fn access_secret_version(
        &self,
        access: Request<v1::AccessSecretVersionRequest>,
    ) -> Answer<v1::AccessSecretVersionResponse> {
        let value = match access.into_inner().name.as_str() {
            "denied" => return Err(refuse(Code::PermissionDenied, "not a reader", "ask one")),
            "bytes" => b"\x00\xff\n".to_vec(),
            _ => b"sk_live_1".to_vec(),
        };
        Ok(Response::new(v1::AccessSecretVersionResponse { version: current(), value }))
    }

    async fn activate_secret_version(
        &self,
        activate: Request<v1::ActivateSecretVersionRequest>,
    ) -> Answer<v1::ActivateSecretVersionResponse> {
        let secret = Some(secret(&activate.into_inner().name));
        Ok(Response::new(v1::ActivateSecretVersionResponse {
            secret,
            version: current(),
            revision: 43,
        }))
    }

    async fn destroy_secret_version(
        &self,
        destroy: Request<v1::DestroySecretVersionRequest>,
    ) -> Answer<v1::DestroySecretVersionResponse> {
        let number = destroy.into_inner().version;
        let version = Some(version(number, v1::VersionState::Destroyed));
        Ok(Response::new(v1::DestroySecretVersionResponse { version }))
    }

    async fn delete_secret(
        &self,
        delete: Request<v1::DeleteSecretRequest>,
    ) -> Answer<v1::DeleteSecretResponse> {
        let secret = Some(secret(&delete.into_inner().name));
        Ok(Response::new(v1::DeleteSecretResponse { secret }))
    }

    async fn match_secrets(
        &self,
        _: Request<v1::MatchSecretsRequest>,
    ) -> Answer<v1::MatchSecretsResponse> {
        Ok(Response::new(v1::MatchSecretsResponse::default()))
    }

    async fn undelete_secret(
        &self,
        undelete: Request<v1::UndeleteSecretRequest>,
    ) -> Answer<v1::UndeleteSecretResponse> {
        let secret = Some(secret(&undelete.into_inner().name));
        Ok(Response::new(v1::UndeleteSecretResponse { secret }))
    }
}

fn agent(state: v1::AgentState) -> v1::Agent {
    v1::Agent {
        name: "payment-analyst".to_owned(),
        environment: "production".to_owned(),
        display_name: "支付分析 Agent\u{1b}[2J".to_owned(),
        state: state.into(),
        bindings: vec![v1::Binding {
            tool: "stripe-payment".to_owned(),
            key: "apiKey".to_owned(),
            secret_ref: "stripe-api-key".to_owned(),
            file: "STRIPE_API_KEY".to_owned(),
            env_var: "STRIPE_API_KEY".to_owned(),
            required: true,
            ..v1::Binding::default()
        }],
        ..v1::Agent::default()
    }
}

fn status(name: &str, state: v1::AgentState) -> v1::AgentStatus {
    let injected = v1::RefStatus {
        secret_ref: "stripe-api-key".to_owned(),
        env_var: "STRIPE_API_KEY".to_owned(),
        file: "STRIPE_API_KEY".to_owned(),
        state: v1::RefState::Injected.into(),
        version: 8,
        applied_version: 8,
        source: "store".to_owned(),
        instances: vec![v1::InstanceRefStatus {
            instance: "3f2a91c4".to_owned(),
            version: 8,
            state: "APPLIED".to_owned(),
            evidence: "written".to_owned(),
            report_time: Some(NOON),
            connected: true,
            ..v1::InstanceRefStatus::default()
        }],
        ..v1::RefStatus::default()
    };
    let unresolved = v1::RefStatus {
        secret_ref: "slack-bot-token".to_owned(),
        file: "SLACK".to_owned(),
        state: v1::RefState::Unresolved.into(),
        reason: "the store has no such secret".to_owned(),
        source: "store".to_owned(),
        ..v1::RefStatus::default()
    };
    v1::AgentStatus {
        agent: name.to_owned(),
        environment: "production".to_owned(),
        state: state.into(),
        refs: vec![injected, unresolved],
        instances: Vec::new(),
    }
}

#[tonic::async_trait]
impl AgentsService for Script {
    async fn apply_manifest(
        &self,
        apply: Request<v1::ApplyManifestRequest>,
    ) -> Answer<v1::ApplyManifestResponse> {
        let apply = apply.into_inner();
        if apply.files[0].content == b"bad" {
            let mut details =
                ErrorDetails::with_error_info("MANIFEST", ERROR_DOMAIN, HashMap::new());
            details.add_bad_request_violation("m.json: agents.a.capabilites", "is not a key");
            details.add_bad_request_violation("m.json: agents.b", "wants an object");
            return Err(Status::with_error_details(Code::InvalidArgument, "2 errors", details));
        }
        if apply.strict {
            let details =
                ErrorDetails::with_error_info("UNRESOLVED_REFS", ERROR_DOMAIN, HashMap::new());
            let message = "1 refs cannot be resolved";
            return Err(Status::with_error_details(Code::FailedPrecondition, message, details));
        }
        Ok(Response::new(v1::ApplyManifestResponse {
            changes: vec![v1::ManifestChange {
                kind: "agent".to_owned(),
                name: apply.files[0].name.clone(),
                action: "created".to_owned(),
                ..v1::ManifestChange::default()
            }],
            unresolved: vec![v1::UnresolvedRef {
                secret_ref: "slack-bot-token".to_owned(),
                agents: vec!["payment-analyst".to_owned()],
                reason: "it has no value".to_owned(),
                fix: "secretref put slack-bot-token".to_owned(),
                required: true,
                channels: Vec::new(),
            }],
            warnings: vec!["unused-ref: legacy".to_owned()],
            environment: "production".to_owned(),
            revision: 3,
        }))
    }

    async fn get_agent(&self, _: Request<v1::GetAgentRequest>) -> Answer<v1::GetAgentResponse> {
        let agent = Some(agent(v1::AgentState::Active));
        Ok(Response::new(v1::GetAgentResponse { agent }))
    }

    async fn list_agents(
        &self,
        _: Request<v1::ListAgentsRequest>,
    ) -> Answer<v1::ListAgentsResponse> {
        let agents = vec![agent(v1::AgentState::Active)];
        Ok(Response::new(v1::ListAgentsResponse { agents, next_page_token: String::new() }))
    }

    async fn list_agent_statuses(
        &self,
        list: Request<v1::ListAgentStatusesRequest>,
    ) -> Answer<v1::ListAgentStatusesResponse> {
        let mut statuses = vec![
            status("payment-analyst", v1::AgentState::Active),
            status("retired", v1::AgentState::Revoked),
        ];
        let wanted = list.into_inner().agent;
        statuses.retain(|status| wanted.is_empty() || status.agent == wanted);
        let next_page_token = String::new();
        Ok(Response::new(v1::ListAgentStatusesResponse { statuses, next_page_token }))
    }

    async fn create_join_token(
        &self,
        create: Request<v1::CreateJoinTokenRequest>,
    ) -> Answer<v1::CreateJoinTokenResponse> {
        let create = create.into_inner();
        let token = format!("srj_{}_{}", create.ttl_seconds, create.readmit);
        Ok(Response::new(v1::CreateJoinTokenResponse { token, expire_time: Some(MARCH) }))
    }

    async fn quarantine_agent(
        &self,
        asked: Request<v1::QuarantineAgentRequest>,
    ) -> Answer<v1::QuarantineAgentResponse> {
        let state = v1::AgentState::Quarantined.into();
        let agent = Some(v1::Agent { name: asked.into_inner().name, state, ..Default::default() });
        Ok(Response::new(v1::QuarantineAgentResponse { agent, cut_streams: 2 }))
    }

    async fn release_agent(
        &self,
        _: Request<v1::ReleaseAgentRequest>,
    ) -> Answer<v1::ReleaseAgentResponse> {
        Err(refuse(Code::FailedPrecondition, "it is not in quarantine", "look again"))
    }

    async fn revoke_agent(
        &self,
        _: Request<v1::RevokeAgentRequest>,
    ) -> Answer<v1::RevokeAgentResponse> {
        Ok(Response::new(v1::RevokeAgentResponse {
            agent: Some(agent(v1::AgentState::Revoked)),
            cut_streams: 1,
            held_secrets: vec!["stripe-api-key".to_owned()],
        }))
    }
}

#[tonic::async_trait]
impl AlertsService for Script {
    async fn list_channels(
        &self,
        list: Request<v1::ListChannelsRequest>,
    ) -> Answer<v1::ListChannelsResponse> {
        let environment = list.into_inner().environment;
        if environment == "empty" {
            return Ok(Response::new(v1::ListChannelsResponse::default()));
        }
        let gone = v1::AlertChannel { name: "#gone".to_owned(), ..v1::AlertChannel::default() };
        let mut channels = vec![
            v1::AlertChannel {
                name: "#finance-alerts".to_owned(),
                environment: environment.clone(),
                kind: v1::ChannelKind::Slack.into(),
                secret_ref: "slack-webhook".to_owned(),
                problem: "secret \"slack-webhook\" is deleted".to_owned(),
                fix: "secretref undelete slack-webhook".to_owned(),
            },
            v1::AlertChannel {
                name: "log".to_owned(),
                environment,
                kind: v1::ChannelKind::Log.into(),
                ..v1::AlertChannel::default()
            },
        ];
        channels.extend((channels[0].environment.is_empty()).then_some(gone));
        Ok(Response::new(v1::ListChannelsResponse { channels }))
    }

    async fn test_channel(
        &self,
        test: Request<v1::TestChannelRequest>,
    ) -> Answer<v1::TestChannelResponse> {
        let (failure, fix) = match test.into_inner().name.as_str() {
            "log" => {
                return Ok(Response::new(v1::TestChannelResponse {
                    sent: true,
                    ..Default::default()
                }));
            }
            "#slow" => ("it did not answer in time", ""),
            "#gone" => ("it answered 404 (no_service)", "secretref put slack-webhook"),
            _ => return Err(Status::not_found("alert channel \"#none\" is not there")),
        };
        let (failure, fix) = (failure.to_owned(), fix.to_owned());
        Ok(Response::new(v1::TestChannelResponse { sent: false, failure, fix }))
    }

    async fn list_conditions(
        &self,
        list: Request<v1::ListConditionsRequest>,
    ) -> Answer<v1::ListConditionsResponse> {
        let v1::ListConditionsRequest { environment, expiring_days, .. } = list.into_inner();
        if environment == "empty" {
            return Ok(Response::new(v1::ListConditionsResponse::default()));
        }
        let degraded = v1::Condition {
            kind: "provider-degraded".to_owned(),
            environment: "production".to_owned(),
            provider: "vault".to_owned(),
            severity: "error".to_owned(),
            since_time: Some(NOON),
            reason: "it is sealed (sealed); 3 refs: a, b, c".to_owned(),
            ..v1::Condition::default()
        };
        let expiring = v1::Condition {
            kind: "expiring".to_owned(),
            environment: "production".to_owned(),
            secret_ref: "stripe-api-key".to_owned(),
            severity: "warning".to_owned(),
            since_time: Some(NOON),
            expire_time: Some(MARCH),
            reason: format!("within {expiring_days} days"),
            fix: "secretref put stripe-api-key".to_owned(),
            ..v1::Condition::default()
        };
        let conditions = vec![degraded, expiring];
        Ok(Response::new(v1::ListConditionsResponse { environment, conditions, more: 0 }))
    }

    async fn tell_conditions(
        &self,
        tell: Request<v1::TellConditionsRequest>,
    ) -> Answer<v1::TellConditionsResponse> {
        let (told, failure, fix) = match tell.into_inner().channel.as_str() {
            "log" => (2, "", ""),
            "#gone" => (1, "it answered 404 (no_service)", "secretref put slack-webhook"),
            _ => return Err(Status::not_found("alert channel \"#none\" is not there")),
        };
        let (failure, fix) = (failure.to_owned(), fix.to_owned());
        Ok(Response::new(v1::TellConditionsResponse { told, failure, fix }))
    }
}

#[tonic::async_trait]
impl AuditService for Script {
    type FollowAuditStream = tokio_stream::Empty<Result<v1::FollowAuditResponse, Status>>;

    async fn follow_audit(
        &self,
        _: Request<v1::FollowAuditRequest>,
    ) -> Answer<Self::FollowAuditStream> {
        Err(Status::unimplemented("nothing is followed here"))
    }

    async fn list_audit_entries(
        &self,
        list: Request<v1::ListAuditEntriesRequest>,
    ) -> Answer<v1::ListAuditEntriesResponse> {
        let second = !list.into_inner().page_token.is_empty();
        let entry = v1::AuditEntry {
            lane: "l".to_owned(),
            seq: if second { 2 } else { 1 },
            time: Some(NOON),
            actor: "admin:root".to_owned(),
            action: "secret.put".to_owned(),
            object: "stripe-api-key".to_owned(),
            version: 8,
            decision: "allowed".to_owned(),
            hash: vec![0xab; 32],
            ..v1::AuditEntry::default()
        };
        let next_page_token = if second { String::new() } else { "second".to_owned() };
        Ok(Response::new(v1::ListAuditEntriesResponse { entries: vec![entry], next_page_token }))
    }

    async fn record_archive(
        &self,
        _: Request<v1::RecordArchiveRequest>,
    ) -> Answer<v1::RecordArchiveResponse> {
        Err(Status::unimplemented("nothing is archived here"))
    }

    async fn read_trail(&self, _: Request<v1::ReadTrailRequest>) -> Answer<v1::ReadTrailResponse> {
        Ok(Response::new(v1::ReadTrailResponse::default()))
    }

    async fn get_trail_key(
        &self,
        _: Request<v1::GetTrailKeyRequest>,
    ) -> Answer<v1::GetTrailKeyResponse> {
        Ok(Response::new(v1::GetTrailKeyResponse { key: TRAIL_KEY.to_owned() }))
    }
}
