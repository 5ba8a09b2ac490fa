//! `AlertsService`.

use super::refuse;
use crate::{
    alerts::{Handle, NotSent},
    custody::{ChannelView, Custody},
    grpc::caller,
};
use secretref_domain::{
    alert::{Alert, AlertKind, ChannelKind, ChannelName, Notice},
    ledger::EXPIRING_SECONDS_DEFAULT,
    name::EnvironmentName,
};
use secretref_proto::{convert::field, v1};
use tonic::{Request, Response, Status};
use uuid::Uuid;

pub(crate) struct Alerts {
    custody: Custody,
    alerts: Handle,
}

impl Alerts {
    pub(crate) fn new(custody: Custody, alerts: Handle) -> Self {
        Self { custody, alerts }
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
        let ahead = ahead(request.expiring_days)?;
        let found = self.custody.conditions(&caller, environment, ahead).await;
        let (environment, found) = found.map_err(refuse::of)?;
        let more = found.len().saturating_sub(CONDITIONS_MAX);
        Ok(Response::new(v1::ListConditionsResponse {
            environment: environment.to_string(),
            conditions: found.into_iter().take(CONDITIONS_MAX).map(to_condition).collect(),
            more: i32::try_from(more).unwrap_or(i32::MAX),
        }))
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
        let ahead = ahead(request.expiring_days)?;
        if request.began.len().max(request.over.len()) > CONDITIONS_MAX {
            let problem = format!("there are more than {CONDITIONS_MAX}");
            return Err(refuse::invalid("began, over".into(), problem));
        }
        let environment = self.custody.tell_channel(&caller, environment, &channel).await;
        let environment = environment.map_err(refuse::of)?;
        let stands = self.custody.conditions(&caller, Some(environment.clone()), ahead).await;
        let (_, stands) = stands.map_err(refuse::of)?;
        let at = self.custody.now();
        let notice = |alert, over| Notice { id: Uuid::now_v7(), at, alert, over, more: 0 };
        let began: Vec<_> = request.began.into_iter().map(unadvised).collect();
        let began = |it: &&Alert| began.contains(&unadvised(to_condition(Alert::clone(it))));
        let mut notices: Vec<Notice> =
            stands.iter().filter(began).map(|it| notice(it.clone(), false)).collect();
        for over in request.over {
            let alert = to_alert(&environment, over)?;
            if !stands.iter().any(|it| it.unadvised() == alert) {
                notices.push(notice(alert, true));
            }
        }
        let (told, outcome) = self.alerts.tell(environment, channel, notices).await;
        let NotSent { reason, fix } = outcome.err().unwrap_or_default();
        let told = i32::try_from(told).unwrap_or(i32::MAX);
        Ok(Response::new(v1::TellConditionsResponse { told, failure: reason, fix }))
    }
}

/// How far ahead an end is told of, in seconds.
fn ahead(days: i32) -> Result<i64, Status> {
    match days {
        0 => Ok(EXPIRING_SECONDS_DEFAULT),
        1..=DAYS_MAX => Ok(i64::from(days) * 86_400),
        _ => Err(refuse::invalid("expiring_days".into(), format!("is not in 0..={DAYS_MAX}"))),
    }
}

fn to_condition(alert: Alert) -> v1::Condition {
    v1::Condition {
        kind: alert.kind.as_str().to_owned(),
        severity: alert.kind.severity().as_str().to_owned(),
        secret_ref: alert.reference.map(|it| it.to_string()).unwrap_or_default(),
        agent: alert.agent.map(|it| it.to_string()).unwrap_or_default(),
        provider: alert.provider.map(|it| it.to_string()).unwrap_or_default(),
        reason: alert.reason,
        fix: alert.fix,
    }
}

fn unadvised(condition: v1::Condition) -> v1::Condition {
    v1::Condition { fix: String::new(), ..condition }
}

/// What a client says that is over.
fn to_alert(environment: &EnvironmentName, given: v1::Condition) -> Result<Alert, Status> {
    let found = AlertKind::ALL.iter().find(|(word, _)| *word == given.kind);
    let Some((_, kind)) = found.filter(|(_, kind)| *kind != AlertKind::Test) else {
        return Err(refuse::invalid("over.kind".into(), "is no kind of a condition".into()));
    };
    if given.reason.len() > REASON_BYTES_MAX {
        let problem = format!("is longer than {REASON_BYTES_MAX} bytes");
        return Err(refuse::invalid("over.reason".into(), problem));
    }
    Ok(Alert {
        kind: *kind,
        environment: environment.clone(),
        agent: field::optional("over.agent", &given.agent).map_err(refuse::field)?,
        tool: None,
        reference: field::optional("over.secret_ref", &given.secret_ref).map_err(refuse::field)?,
        provider: field::optional("over.provider", &given.provider).map_err(refuse::field)?,
        reason: given.reason,
        fix: String::new(),
    })
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

/// Conditions of one answer, and of one request.
const CONDITIONS_MAX: usize = 1000;
const DAYS_MAX: i32 = 3650;
/// A reason of ours is at most as long.
const REASON_BYTES_MAX: usize = 4096;
