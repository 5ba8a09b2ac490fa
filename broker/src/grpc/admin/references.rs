//! `ReferencesService`.

use super::{refuse, sources};
use crate::{
    custody::{BindingView, Custody, ReferenceView},
    grpc::caller,
};
use secretref_domain::{ledger::Finding, name::SecretName, version::Version};
use secretref_proto::{
    convert::field::{self, to_time},
    v1,
};
use tonic::{Request, Response, Status};

pub(crate) struct References {
    custody: Custody,
}

impl References {
    pub(crate) fn new(custody: Custody) -> Self {
        Self { custody }
    }
}

#[tonic::async_trait]
impl v1::references_service_server::ReferencesService for References {
    async fn list_references(
        &self,
        request: Request<v1::ListReferencesRequest>,
    ) -> Result<Response<v1::ListReferencesResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let environment = field::environment(&request.environment).map_err(refuse::field)?;
        let only: Option<SecretName> =
            field::optional("name", &request.name).map_err(refuse::field)?;
        let after: Option<SecretName> =
            field::optional("page_token", &request.page_token).map_err(refuse::field)?;
        let limit = field::page_size(request.page_size).map_err(refuse::field)?;
        let named = environment.clone();
        let (only, after) = (only.as_ref(), after.as_ref());
        let found = self.custody.list_references(&caller, environment, only, after, limit).await;
        let (found, more) = found.map_err(refuse::of)?;
        let last = found.last().filter(|_| more).map(|view| view.name.to_string());
        let active = || self.custody.active_environment();
        let environment = named.unwrap_or_else(active).to_string();
        let references = found.into_iter().map(|view| shown(&environment, view)).collect();
        let next_page_token = last.unwrap_or_default();
        Ok(Response::new(v1::ListReferencesResponse { references, next_page_token }))
    }

    async fn diagnose_references(
        &self,
        request: Request<v1::DiagnoseReferencesRequest>,
    ) -> Result<Response<v1::DiagnoseReferencesResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let environment = field::environment(&request.get_ref().environment);
        let environment = environment.map_err(refuse::field)?;
        let found = self.custody.diagnose(&caller, environment).await;
        let (environment, findings, refs) = found.map_err(refuse::of)?;
        let findings = findings.into_iter().take(FINDINGS_MAX).map(finding).collect();
        Ok(Response::new(v1::DiagnoseReferencesResponse {
            findings,
            refs: i32::try_from(refs).unwrap_or(i32::MAX),
            environment: environment.to_string(),
        }))
    }
}

fn shown(environment: &str, view: ReferenceView) -> v1::Reference {
    let (source, (reason, fix)) = match view.comes_to {
        Ok(source) => (source, Default::default()),
        Err(why) => (String::new(), why),
    };
    let reference = view.reference.as_ref();
    v1::Reference {
        name: view.name.to_string(),
        environment: environment.to_owned(),
        mapped: view.reference.is_some(),
        service: reference.and_then(|it| it.service.clone()).unwrap_or_default(),
        deprecation_time: reference.and_then(|it| it.deprecation_date).map(to_time),
        sources: view.sources.into_iter().map(sources::shown).collect(),
        source,
        secret: view.secret.map(|name| name.to_string()).unwrap_or_default(),
        version: view.version.map_or(0, |(version, _)| Version::get(version)),
        expire_time: view.version.and_then(|(_, end)| end).map(to_time),
        reason,
        fix,
        bindings: view.bindings.into_iter().take(BINDINGS_SHOWN_MAX).map(binding).collect(),
        last_access_time: view.last_access.map(to_time),
    }
}

fn binding(view: BindingView) -> v1::ReferenceBinding {
    v1::ReferenceBinding {
        agent: view.agent.to_string(),
        tool: view.tool.to_string(),
        key: view.key.to_string(),
        env_var: view.env_var.map(|name| name.to_string()).unwrap_or_default(),
        required: view.required,
    }
}

fn finding(finding: Finding) -> v1::Finding {
    let severity = match finding.code.is_error() {
        true => v1::FindingSeverity::Error,
        false => v1::FindingSeverity::Warning,
    };
    v1::Finding {
        code: finding.code.as_str().to_owned(),
        severity: severity.into(),
        secret_ref: finding.subject.map(|name| name.to_string()).unwrap_or_default(),
        agents: finding.agents.iter().take(AGENTS_SHOWN_MAX).map(ToString::to_string).collect(),
        message: finding.message,
        fix: finding.fix,
    }
}

const FINDINGS_MAX: usize = 10_000;
const BINDINGS_SHOWN_MAX: usize = 1_000;
const AGENTS_SHOWN_MAX: usize = 100;
