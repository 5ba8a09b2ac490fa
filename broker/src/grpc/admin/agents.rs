//! `AgentsService`.

mod applied;

pub(super) use applied::unresolved;

use super::{refuse, request_key, status};
use crate::{
    custody::{Apply, Custody},
    grpc::caller,
    refresh::Refresh,
};
use secretref_domain::{
    caller::Caller,
    ledger::{Agent, Desired},
    limit::TOKEN_TTL_SECONDS_DEFAULT,
    manifest,
    name::{AgentName, EnvironmentName, GroupName},
};
use secretref_proto::{
    convert::field::{self, to_time},
    v1,
};
use tonic::{Request, Response, Status};

pub(crate) struct Agents {
    custody: Custody,
    refresh: Refresh,
}

impl Agents {
    pub(crate) fn new(custody: Custody, refresh: Refresh) -> Self {
        Self { custody, refresh }
    }
}

#[tonic::async_trait]
impl v1::agents_service_server::AgentsService for Agents {
    async fn apply_manifest(
        &self,
        request: Request<v1::ApplyManifestRequest>,
    ) -> Result<Response<v1::ApplyManifestResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let key = request_key(&self.custody, &caller, &request.request_id, "apply", &request)?;
        let files: Vec<_> = request
            .files
            .iter()
            .map(|file| (file.name.as_str(), file.content.as_slice()))
            .collect();
        let manifest = manifest::parse(&files)
            .map_err(|errors| refuse::invalid("files".into(), errors.to_string()))?;
        let apply = Apply {
            manifest,
            environment: field::environment(&request.environment).map_err(refuse::field)?,
            validate_only: request.validate_only,
            strict: request.strict,
            prune: request.prune,
        };
        let validate_only = request.validate_only;
        let asked = self.refresh.ahead_of(&caller, &apply).await.map_err(refuse::of)?;
        let done = self.custody.apply(&caller, apply, asked, key).await.map_err(refuse::of)?;
        Ok(Response::new(applied::of(done.answer, validate_only, done.revision.0)))
    }

    async fn get_agent(
        &self,
        request: Request<v1::GetAgentRequest>,
    ) -> Result<Response<v1::GetAgentResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let environment = field::environment(&request.environment).map_err(refuse::field)?;
        let name = field::name("name", &request.name).map_err(refuse::field)?;
        let found = self.custody.show_agent(&caller, environment, &name).await;
        let (agent, desired) = found.map_err(refuse::of)?;
        let agent = Some(self.to_agent(&agent, &desired));
        Ok(Response::new(v1::GetAgentResponse { agent }))
    }

    async fn list_agents(
        &self,
        request: Request<v1::ListAgentsRequest>,
    ) -> Result<Response<v1::ListAgentsResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let environment = field::environment(&request.environment).map_err(refuse::field)?;
        let after: Option<AgentName> =
            field::optional("page_token", &request.page_token).map_err(refuse::field)?;
        let limit = field::page_size(request.page_size).map_err(refuse::field)?;
        let group: Option<GroupName> =
            field::optional("group", &request.group).map_err(refuse::field)?;
        let (group, after) = (group.as_ref(), after.as_ref());
        let found = self.custody.list_agents(&caller, environment, group, after, limit).await;
        let (found, more) = found.map_err(refuse::of)?;
        let next_page_token = next_token(&found, more);
        let agents = found.iter().map(|(agent, desired)| self.to_agent(agent, desired)).collect();
        Ok(Response::new(v1::ListAgentsResponse { agents, next_page_token }))
    }

    async fn list_agent_statuses(
        &self,
        request: Request<v1::ListAgentStatusesRequest>,
    ) -> Result<Response<v1::ListAgentStatusesResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let limit = field::page_size(request.page_size).map_err(refuse::field)?;
        let (found, next_page_token) = if request.all_environments {
            self.fleet(&caller, &request, limit).await?
        } else {
            self.of_one_environment(&caller, &request, limit).await?
        };
        let mut statuses = Vec::with_capacity(found.len());
        for (agent, desired) in &found {
            let reports = self.custody.agent_reports(&caller, agent.id).await;
            let reports = reports.map_err(refuse::of)?;
            let schedules = self.custody.agent_schedules(&caller, agent.id).await;
            let schedules = schedules.map_err(refuse::of)?;
            statuses.push(status::of(&self.custody, agent, desired, reports, schedules));
        }
        Ok(Response::new(v1::ListAgentStatusesResponse { statuses, next_page_token }))
    }

    async fn create_join_token(
        &self,
        request: Request<v1::CreateJoinTokenRequest>,
    ) -> Result<Response<v1::CreateJoinTokenResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let environment = field::environment(&request.environment).map_err(refuse::field)?;
        let agent = field::name("agent", &request.agent).map_err(refuse::field)?;
        let ttl = match request.ttl_seconds {
            0 => TOKEN_TTL_SECONDS_DEFAULT,
            ttl => ttl,
        };
        let grant =
            self.custody.mint_token(&caller, environment, agent, ttl, request.readmit).await;
        let grant = grant.map_err(refuse::of)?;
        Ok(Response::new(v1::CreateJoinTokenResponse {
            token: grant.token.expose().to_string(),
            expire_time: Some(to_time(grant.expires_at)),
        }))
    }

    async fn revoke_agent(
        &self,
        request: Request<v1::RevokeAgentRequest>,
    ) -> Result<Response<v1::RevokeAgentResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let key = request_key(&self.custody, &caller, &request.request_id, "revoke", &request)?;
        let environment = field::environment(&request.environment).map_err(refuse::field)?;
        let name: AgentName = field::name("name", &request.name).map_err(refuse::field)?;
        let custody = &self.custody;
        let revoked =
            custody.revoke_agent(&caller, environment.clone(), name.clone(), request.reason, key);
        let done = revoked.await.map_err(refuse::of)?.answer;
        let held_secrets = custody.held(&caller, done.agent).await.map_err(refuse::of)?;
        let found = custody.show_agent(&caller, environment, &name).await.map_err(refuse::of)?;
        Ok(Response::new(v1::RevokeAgentResponse {
            agent: Some(self.to_agent(&found.0, &found.1)),
            cut_streams: i32::try_from(done.streams).unwrap_or(i32::MAX),
            held_secrets,
        }))
    }

    async fn quarantine_agent(
        &self,
        request: Request<v1::QuarantineAgentRequest>,
    ) -> Result<Response<v1::QuarantineAgentResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let key = request_key(&self.custody, &caller, &request.request_id, "quarantine", &request)?;
        let (environment, name) = named(&request.environment, &request.name)?;
        let custody = &self.custody;
        let (again, reason) = ((environment.clone(), name.clone()), request.reason);
        let done = custody.quarantine_agent(&caller, environment, name, reason, key).await;
        let done = done.map_err(refuse::of)?.answer;
        let found = custody.show_agent(&caller, again.0, &again.1).await.map_err(refuse::of)?;
        Ok(Response::new(v1::QuarantineAgentResponse {
            agent: Some(self.to_agent(&found.0, &found.1)),
            cut_streams: i32::try_from(done.streams).unwrap_or(i32::MAX),
        }))
    }

    async fn release_agent(
        &self,
        request: Request<v1::ReleaseAgentRequest>,
    ) -> Result<Response<v1::ReleaseAgentResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let key = request_key(&self.custody, &caller, &request.request_id, "release", &request)?;
        let (environment, name) = named(&request.environment, &request.name)?;
        let custody = &self.custody;
        let (again, reason) = ((environment.clone(), name.clone()), request.reason);
        let done = custody.release_agent(&caller, environment, name, reason, key).await;
        done.map_err(refuse::of)?;
        let found = custody.show_agent(&caller, again.0, &again.1).await.map_err(refuse::of)?;
        let agent = Some(self.to_agent(&found.0, &found.1));
        Ok(Response::new(v1::ReleaseAgentResponse { agent }))
    }
}

/// Environment and name of an agent.
fn named(environment: &str, name: &str) -> Result<(Option<EnvironmentName>, AgentName), Status> {
    let environment = field::environment(environment).map_err(refuse::field)?;
    Ok((environment, field::name("name", name).map_err(refuse::field)?))
}

impl Agents {
    /// A page of the agents that a request names, and the token of the next.
    async fn of_one_environment(
        &self,
        caller: &Caller,
        request: &v1::ListAgentStatusesRequest,
        limit: usize,
    ) -> Result<(Vec<(Agent, Desired)>, String), Status> {
        let environment = field::environment(&request.environment).map_err(refuse::field)?;
        let after: Option<AgentName> =
            field::optional("page_token", &request.page_token).map_err(refuse::field)?;
        let only: Option<AgentName> =
            field::optional("agent", &request.agent).map_err(refuse::field)?;
        let group: Option<GroupName> =
            field::optional("group", &request.group).map_err(refuse::field)?;
        if only.is_some() && group.is_some() {
            let problem = "it stands beside `agent`; name one of the two";
            return Err(refuse::invalid("group".into(), problem.into()));
        }
        if let Some(name) = only {
            let found = self.custody.show_agent(caller, environment, &name).await;
            return Ok((vec![found.map_err(refuse::of)?], String::new()));
        }
        let (group, after) = (group.as_ref(), after.as_ref());
        let found = self.custody.list_agents(caller, environment, group, after, limit).await;
        let (found, more) = found.map_err(refuse::of)?;
        let next_page_token = next_token(&found, more);
        Ok((found, next_page_token))
    }

    /// A page of the agents of every environment, and the token of the next.
    async fn fleet(
        &self,
        caller: &Caller,
        request: &v1::ListAgentStatusesRequest,
        limit: usize,
    ) -> Result<(Vec<(Agent, Desired)>, String), Status> {
        let v1::ListAgentStatusesRequest { environment, agent, group, page_token, .. } = request;
        if [environment, agent, group].into_iter().any(|given| !given.is_empty()) {
            let problem = "it stands beside `environment`, `agent` or `group`; leave those out";
            return Err(refuse::invalid("all_environments".into(), problem.into()));
        }
        let after = match page_token.split_once('/') {
            None if page_token.is_empty() => None,
            None => {
                let problem = "it is not a token of a page of every environment";
                return Err(refuse::invalid("page_token".into(), problem.into()));
            }
            Some((environment, agent)) => {
                let environment = field::name("page_token", environment).map_err(refuse::field)?;
                Some((environment, field::name("page_token", agent).map_err(refuse::field)?))
            }
        };
        let found = self.custody.list_fleet(caller, after.as_ref(), limit).await;
        let (found, more) = found.map_err(refuse::of)?;
        let last = found.last().filter(|_| more);
        let next = last.map(|(agent, _)| format!("{}/{}", agent.environment, agent.name));
        Ok((found, next.unwrap_or_default()))
    }

    fn to_agent(&self, agent: &Agent, desired: &Desired) -> v1::Agent {
        let owed = desired.secrets.iter().flat_map(|secret| &secret.targets);
        let targets = owed.chain(desired.missing.iter().map(|missing| &missing.target));
        let mut bindings: Vec<_> = targets
            .map(|target| v1::Binding {
                tool: target.tool.to_string(),
                key: target.key.to_string(),
                secret_ref: target.reference.to_string(),
                file: target.file.to_string(),
                env_var: target.env_var.as_ref().map(ToString::to_string).unwrap_or_default(),
                required: target.required,
                group: agent.group_of(&target.tool).map(ToString::to_string).unwrap_or_default(),
            })
            .collect();
        bindings.sort_by(|one, other| (&one.tool, &one.key).cmp(&(&other.tool, &other.key)));
        let capabilities = agent.effective().capabilities.iter().flatten();
        v1::Agent {
            name: agent.name.to_string(),
            environment: agent.environment.to_string(),
            uid: agent.id.to_string(),
            display_name: agent.spec.display_name.clone(),
            description: agent.spec.description.clone(),
            runtime: agent.spec.runtime.clone(),
            capabilities: capabilities.map(ToString::to_string).collect(),
            state: status::agent_state(agent).into(),
            bindings,
            create_time: Some(to_time(agent.created_at)),
            update_time: Some(to_time(agent.updated_at)),
            instances: status::instances(&self.custody, agent),
            groups: agent.spec.groups.iter().map(ToString::to_string).collect(),
            quarantine_time: agent.quarantined_at.map(to_time),
        }
    }
}

fn next_token(found: &[(Agent, Desired)], more: bool) -> String {
    let last = found.last().filter(|_| more).map(|(agent, _)| agent.name.to_string());
    last.unwrap_or_default()
}
