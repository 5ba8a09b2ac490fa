//! `AlertsService`.

use super::refuse;
use crate::{
    alerts::Handle,
    custody::{ChannelView, Custody},
    grpc::caller,
};
use secretref_domain::alert::{ChannelKind, ChannelName};
use secretref_proto::{convert::field, v1};
use tonic::{Request, Response, Status};

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
