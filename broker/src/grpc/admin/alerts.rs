//! `AlertsService`.

use super::refuse;
use crate::{
    alerts::{Handle, Monitor, Sent},
    custody::{ChannelView, Custody},
    grpc::caller,
};
use secretref_domain::{
    alert::{ChannelKind, ChannelName},
    condition::{Condition, ConditionKey, ConditionKind},
    name::EnvironmentName,
};
use secretref_proto::{
    convert::field::{self, FieldError},
    v1,
};
use std::collections::BTreeSet;
use tonic::{Request, Response, Status};

pub(crate) struct Alerts {
    custody: Custody,
    alerts: Handle,
    monitor: Monitor,
}

impl Alerts {
    pub(crate) fn new(custody: Custody, alerts: Handle, monitor: Monitor) -> Self {
        Self { custody, alerts, monitor }
    }
}

#[tonic::async_trait]
impl v1::alerts_service_server::AlertsService for Alerts {
    async fn list_channels(
        &self,
        request: Request<v1::ListChannelsRequest>,
    ) -> Result<Response<v1::ListChannelsResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let environment = field::environment(&request.environment).map_err(refuse::field)?;
        let found = self.custody.list_channels(&caller, environment).await.map_err(refuse::of)?;
        let channels = found.into_iter().map(to_channel).collect();
        Ok(Response::new(v1::ListChannelsResponse { channels }))
    }

    async fn test_channel(
        &self,
        request: Request<v1::TestChannelRequest>,
    ) -> Result<Response<v1::TestChannelResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let environment = field::environment(&request.environment).map_err(refuse::field)?;
        let name: ChannelName = field::name("name", &request.name).map_err(refuse::field)?;
        let environment = self.custody.try_channel(&caller, environment, &name).await;
        let environment = environment.map_err(refuse::of)?;
        Ok(Response::new(match self.alerts.test(environment, name).await {
            Ok(()) => v1::TestChannelResponse { sent: true, ..Default::default() },
            Err(not) => v1::TestChannelResponse { sent: false, failure: not.reason, fix: not.fix },
        }))
    }

    async fn list_conditions(
        &self,
        request: Request<v1::ListConditionsRequest>,
    ) -> Result<Response<v1::ListConditionsResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let environment = field::environment(&request.environment).map_err(refuse::field)?;
        let all = request.all_environments;
        if all && environment.is_some() {
            let problem = "it is empty where all environments are asked for";
            return Err(refuse::field(FieldError::new("environment", problem)));
        }
        let days = days(request.expiring_days).map_err(refuse::field)?;
        let wanted = self.custody.may_see_conditions(&caller, environment, all).await;
        let wanted = wanted.map_err(refuse::of)?;
        let found = self.monitor.conditions(wanted.as_ref(), days).await.map_err(refuse::of)?;
        let environment = wanted.map(|name| name.to_string()).unwrap_or_default();
        let more = i32::try_from(found.len().saturating_sub(CONDITIONS_MAX)).unwrap_or(i32::MAX);
        let shown = found.into_iter().take(CONDITIONS_MAX);
        let conditions = shown.map(to_condition).collect();
        Ok(Response::new(v1::ListConditionsResponse { environment, conditions, more }))
    }

    async fn tell_conditions(
        &self,
        request: Request<v1::TellConditionsRequest>,
    ) -> Result<Response<v1::TellConditionsResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let environment = field::environment(&request.environment).map_err(refuse::field)?;
        let channel: ChannelName =
            field::name("channel", &request.channel).map_err(refuse::field)?;
        let days = days(request.expiring_days).map_err(refuse::field)?;
        let keys = |name, given: Vec<v1::Condition>| keys(name, given).map_err(refuse::field);
        let named = keys("began", request.began)?;
        let over = keys("over", request.over)?;
        let permitted = self.custody.may_tell_conditions(&caller, environment, &channel).await;
        let environment = permitted.map_err(refuse::of)?;
        let of_another = |key: &ConditionKey| key.environment != environment;
        if named.iter().chain(&over).any(of_another) {
            let problem = format!("a condition is not of environment {environment}");
            return Err(refuse::field(FieldError::new("began", problem)));
        }
        let told = self.monitor.tell(&environment, &channel, days, named, over).await;
        let Sent { told, failed } = told.map_err(refuse::of)?;
        let (failure, fix) = failed.map(|not| (not.reason, not.fix)).unwrap_or_default();
        let told = i32::try_from(told).unwrap_or(i32::MAX);
        Ok(Response::new(v1::TellConditionsResponse { told, failure, fix }))
    }
}

/// Within how many days a value ends soon.
fn days(given: i32) -> Result<Option<i64>, FieldError> {
    match given {
        0 => Ok(None),
        1..=DAYS_MAX => Ok(Some(given.into())),
        _ => {
            let problem = format!("it is {given}; it lies in 1 to {DAYS_MAX}");
            Err(FieldError::new("expiring_days", problem))
        }
    }
}

fn keys(
    name: &'static str,
    given: Vec<v1::Condition>,
) -> Result<BTreeSet<ConditionKey>, FieldError> {
    if given.len() > CONDITIONS_MAX {
        let problem = format!("there are {}; at most {CONDITIONS_MAX}", given.len());
        return Err(FieldError::new(name, problem));
    }
    let key = |given: v1::Condition| {
        let kind = ConditionKind::parse(&given.kind).ok_or_else(|| {
            FieldError::new("kind", format!("{:?} is no kind of condition", given.kind))
        })?;
        let environment: EnvironmentName = field::name("environment", &given.environment)?;
        Ok(ConditionKey {
            provider: field::optional("provider", &given.provider)?,
            reference: field::optional("secret_ref", &given.secret_ref)?,
            agent: field::optional("agent", &given.agent)?,
            tool: field::optional("tool", &given.tool)?,
            ..ConditionKey::of(kind, environment)
        })
    };
    given.into_iter().map(key).collect()
}

fn to_condition(condition: Condition) -> v1::Condition {
    let Condition { key, severity, since, ends, message, fix } = condition;
    let text = |name: Option<String>| name.unwrap_or_default();
    v1::Condition {
        kind: key.kind.as_str().to_owned(),
        severity: severity.as_str().to_owned(),
        secret_ref: text(key.reference.map(|name| name.to_string())),
        agent: text(key.agent.map(|name| name.to_string())),
        provider: text(key.provider.map(|name| name.to_string())),
        reason: message,
        fix,
        environment: key.environment.to_string(),
        tool: text(key.tool.map(|name| name.to_string())),
        since_time: Some(field::to_time(since)),
        expire_time: ends.map(field::to_time),
    }
}

fn to_channel(view: ChannelView) -> v1::AlertChannel {
    let ChannelView { name, environment, channel, problem } = view;
    let (problem, fix) = problem.unwrap_or_default();
    let kind = match channel.kind {
        ChannelKind::Slack => v1::ChannelKind::Slack,
        ChannelKind::Webhook => v1::ChannelKind::Webhook,
        ChannelKind::Log => v1::ChannelKind::Log,
    };
    v1::AlertChannel {
        name: name.to_string(),
        environment: environment.to_string(),
        kind: kind.into(),
        secret_ref: channel.secret_ref.map(|name| name.to_string()).unwrap_or_default(),
        problem,
        fix,
    }
}

/// Conditions of one request or response.
const CONDITIONS_MAX: usize = 1_000;
/// Ten years.
const DAYS_MAX: i32 = 3_650;
