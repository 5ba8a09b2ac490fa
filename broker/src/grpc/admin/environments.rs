//! `EnvironmentsService`.

use super::{agents, refuse, request_key};
use crate::{
    custody::{Custody, EnvironmentView, Move, Switch},
    grpc::caller,
    refresh::Refresh,
};
use secretref_proto::{convert::field, v1};
use tonic::{Request, Response, Status};

pub(crate) struct Environments {
    custody: Custody,
    refresh: Refresh,
}

impl Environments {
    pub(crate) fn new(custody: Custody, refresh: Refresh) -> Self {
        Self { custody, refresh }
    }
}

#[tonic::async_trait]
impl v1::environments_service_server::EnvironmentsService for Environments {
    async fn list_environments(
        &self,
        request: Request<v1::ListEnvironmentsRequest>,
    ) -> Result<Response<v1::ListEnvironmentsResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let found = self.custody.list_environments(&caller).await.map_err(refuse::of)?;
        let environments = found.into_iter().take(LISTED_MAX).map(shown).collect();
        Ok(Response::new(v1::ListEnvironmentsResponse { environments }))
    }

    async fn use_environment(
        &self,
        request: Request<v1::UseEnvironmentRequest>,
    ) -> Result<Response<v1::UseEnvironmentResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let key = request_key(&self.custody, &caller, &request.request_id, "use", &request)?;
        let switch = parse(&request)?;
        let asked = self.refresh.ahead_of_switch(&caller, &switch).await.map_err(refuse::of)?;
        let done = self.custody.switch(&caller, switch, asked, key).await.map_err(refuse::of)?;
        let switched = done.answer;
        Ok(Response::new(v1::UseEnvironmentResponse {
            previous_environment: switched.before.to_string(),
            environment: switched.environment.to_string(),
            agents: switched.moves.into_iter().map(moved).collect(),
            unresolved: switched.unresolved.into_iter().map(agents::unresolved).collect(),
            revision: if request.validate_only { 0 } else { done.revision.0 },
        }))
    }
}

fn parse(request: &v1::UseEnvironmentRequest) -> Result<Switch, Status> {
    if request.all_agents && !request.agents.is_empty() {
        let problem = "it stands beside `all_agents`; name agents, or move all of them";
        return Err(refuse::invalid("agents".into(), problem.into()));
    }
    if request.agents.len() > MOVED_MAX {
        let problem = format!("it names more than {MOVED_MAX}; move them in several goes");
        return Err(refuse::invalid("agents".into(), problem));
    }
    let agents = request.agents.iter().map(|name| field::name("agents", name));
    Ok(Switch {
        environment: field::name("environment", &request.environment).map_err(refuse::field)?,
        agents: agents.collect::<Result<_, _>>().map_err(refuse::field)?,
        all_agents: request.all_agents,
        validate_only: request.validate_only,
    })
}

fn shown(view: EnvironmentView) -> v1::Environment {
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    v1::Environment {
        name: view.name.to_string(),
        active: view.active,
        active_provider: view.active_provider.to_string(),
        refs: count(view.refs),
        agents: count(view.agents),
        secrets: count(view.secrets),
    }
}

fn moved(moved: Move) -> v1::AgentMove {
    let refs = moved.refs.into_iter().map(|(name, (before, after))| v1::RefMove {
        secret_ref: name.to_string(),
        before,
        after,
    });
    v1::AgentMove {
        agent: moved.agent.to_string(),
        from: moved.from.to_string(),
        refs: refs.collect(),
    }
}

const LISTED_MAX: usize = 1_000;
const MOVED_MAX: usize = 1_000;
