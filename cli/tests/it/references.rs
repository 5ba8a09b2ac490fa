//! Refs as the fake broker has them.

use super::{Answer, MARCH, NOON, refuse};
use crate::broker::Script;
use secretref_proto::v1::{self, references_service_server::ReferencesService};
use tonic::{Code, Request, Response};

#[tonic::async_trait]
impl ReferencesService for Script {
    async fn list_references(
        &self,
        list: Request<v1::ListReferencesRequest>,
    ) -> Answer<v1::ListReferencesResponse> {
        let request = list.into_inner();
        let name = match request.name.as_str() {
            "" | "stripe-api-key" => "stripe-api-key".to_owned(),
            other => {
                return Err(refuse(Code::NotFound, &format!("ref {other:?} is not there"), ""));
            }
        };
        let fault = v1::SourceFault {
            fault: "sealed".into(),
            message: "is sealed".into(),
            fix: "bao operator unseal".into(),
            since_time: Some(NOON),
        };
        let vault = v1::SourceStatus {
            secret_ref: name.clone(),
            provider: "vault".into(),
            r#type: "vault".into(),
            target: "prod/stripe#key".into(),
            secret: "stripe-api-key@vault".into(),
            version: 3,
            fault: Some(fault),
            since_time: Some(NOON),
            ..v1::SourceStatus::default()
        };
        let file = v1::SourceStatus {
            secret_ref: name.clone(),
            provider: "file".into(),
            r#type: "file".into(),
            secret: "stripe-api-key@file".into(),
            version: 1,
            taken: true,
            ..v1::SourceStatus::default()
        };
        let binding = v1::ReferenceBinding {
            agent: "payment-analyst".into(),
            tool: "stripe-payment".into(),
            key: "apiKey".into(),
            env_var: "STRIPE_API_KEY".into(),
            required: true,
        };
        let reference = v1::Reference {
            name,
            environment: "production".into(),
            mapped: true,
            sources: vec![vault, file],
            source: "file, fallback of vault".into(),
            secret: "stripe-api-key@file".into(),
            version: 1,
            expire_time: Some(MARCH),
            bindings: vec![binding],
            ..v1::Reference::default()
        };
        let references = vec![reference];
        Ok(Response::new(v1::ListReferencesResponse { references, ..Default::default() }))
    }

    async fn diagnose_references(
        &self,
        _: Request<v1::DiagnoseReferencesRequest>,
    ) -> Answer<v1::DiagnoseReferencesResponse> {
        let finding = |code: &str, severity: v1::FindingSeverity, name: &str| v1::Finding {
            code: code.into(),
            severity: severity.into(),
            secret_ref: name.into(),
            agents: vec!["payment-analyst".into()],
            message: "the store has no such secret".into(),
            fix: format!("secretref put {name}"),
        };
        let unresolved = v1::FindingSeverity::Error;
        let mut unused = finding("unused-ref", v1::FindingSeverity::Warning, "legacy-github-token");
        unused.agents.clear();
        let findings = vec![finding("unresolved-ref", unresolved, "slack-bot-token"), unused];
        let environment = "production".to_owned();
        Ok(Response::new(v1::DiagnoseReferencesResponse { findings, refs: 3, environment }))
    }
}
