//! `TracesService`.

use super::refuse;
use crate::{
    custody::{
        AgentReach, Custody, Examined, HeldSecret, Holder, Replacement, SecretReach, Use,
        VersionFate,
    },
    grpc::caller,
};
use futures_util::{Stream, stream};
use secretref_domain::{
    clock::Timestamp,
    id::InstanceId,
    name::{AgentName, SecretName},
    trace::{Held, Reading, Sent},
};
use secretref_proto::{
    convert::field::{self, FieldError, to_time},
    v1,
};
use std::pin::Pin;
use tonic::{Request, Response, Status};

pub(crate) struct Traces(Custody);

impl Traces {
    pub(crate) fn new(custody: Custody) -> Self {
        Self(custody)
    }
}

/// One message, once it is there.
type Answer<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl v1::traces_service_server::TracesService for Traces {
    type TraceSecretStream = Answer<v1::TraceSecretResponse>;
    type TraceAgentStream = Answer<v1::TraceAgentResponse>;

    async fn trace_secret(
        &self,
        request: Request<v1::TraceSecretRequest>,
    ) -> Result<Response<Self::TraceSecretStream>, Status> {
        let caller = caller::admin(&self.0, &request)?;
        let asked = request.into_inner();
        let environment = field::environment(&asked.environment).map_err(refuse::field)?;
        let name: SecretName = field::name("name", &asked.name).map_err(refuse::field)?;
        let since = since(asked.start_time.as_ref()).map_err(refuse::field)?;
        let custody = self.0.clone();
        Ok(Response::new(Box::pin(stream::once(async move {
            let reach = custody.trace_secret(&caller, environment, &name, since).await;
            reach.map(|reach| of_secret(&reach)).map_err(refuse::of)
        }))))
    }

    async fn trace_agent(
        &self,
        request: Request<v1::TraceAgentRequest>,
    ) -> Result<Response<Self::TraceAgentStream>, Status> {
        let caller = caller::admin(&self.0, &request)?;
        let asked = request.into_inner();
        let environment = field::environment(&asked.environment).map_err(refuse::field)?;
        let name: AgentName = field::name("agent", &asked.agent).map_err(refuse::field)?;
        let since = since(asked.start_time.as_ref()).map_err(refuse::field)?;
        let custody = self.0.clone();
        Ok(Response::new(Box::pin(stream::once(async move {
            let reach = custody.trace_agent(&caller, environment, name, since).await;
            reach.map(of_agent).map_err(refuse::of)
        }))))
    }
}

fn since(given: Option<&prost_types::Timestamp>) -> Result<Timestamp, FieldError> {
    Ok(field::time("start_time", given)?.unwrap_or(Timestamp::from_micros(0)))
}

fn of_secret(reach: &SecretReach) -> v1::TraceSecretResponse {
    let (recipients, more_recipients) = reach.trace.recipients();
    let (readings, more_readings) = reach.trace.readings();
    let Examined { since, entries } = reach.examined;
    v1::TraceSecretResponse {
        secret: reach.name.to_string(),
        environment: reach.environment.to_string(),
        current_version: reach.current.get(),
        holders: reach.holders.iter().map(holder).collect(),
        recipients: recipients.into_iter().map(recipient).collect(),
        more_recipients: count(more_recipients),
        readings: readings.iter().map(reading).collect(),
        more_readings: count(more_readings),
        uses: reach.uses.iter().map(bound).collect(),
        examined_since: since.map(to_time),
        examined_entries: entries,
    }
}

fn holder(holder: &Holder) -> v1::SecretHolder {
    v1::SecretHolder {
        agent: holder.agent.to_string(),
        instance: holder.instance.to_string(),
        version: holder.version,
        state: holder.state.as_str().to_owned(),
        evidence: holder.evidence.as_str().to_owned(),
        since_time: Some(to_time(holder.since)),
        connected: holder.connected,
    }
}

fn recipient((instance, sent): (InstanceId, &Sent)) -> v1::SecretRecipient {
    v1::SecretRecipient {
        agent: sent.agent.clone(),
        instance: instance.to_string(),
        versions: sent.versions.iter().copied().collect(),
        first_time: Some(to_time(sent.first)),
        last_time: Some(to_time(sent.last)),
        deliveries: i64::try_from(sent.deliveries).unwrap_or(i64::MAX),
    }
}

fn reading(reading: &Reading) -> v1::SecretReading {
    v1::SecretReading {
        time: Some(to_time(reading.at)),
        actor: reading.actor.clone(),
        action: reading.action.clone(),
        version: reading.version,
        reason: reading.reason.clone(),
        peer: reading.peer.clone(),
    }
}

fn bound(bound: &Use) -> v1::SecretUse {
    let target = &bound.target;
    v1::SecretUse {
        agent: bound.agent.to_string(),
        tool: target.tool.to_string(),
        key: target.key.to_string(),
        secret_ref: target.reference.to_string(),
        file: target.file.to_string(),
        env_var: target.env_var.as_ref().map(ToString::to_string).unwrap_or_default(),
        group: bound.group.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}

fn of_agent(reach: AgentReach) -> v1::TraceAgentResponse {
    let Examined { since, entries } = reach.examined;
    v1::TraceAgentResponse {
        secrets: reach.secrets.into_iter().map(held_secret).collect(),
        examined_since: since.map(to_time),
        examined_entries: entries,
    }
}

fn held_secret(secret: HeldSecret) -> v1::TracedSecret {
    let (rotated_by_ref, reason, fix) = match secret.replaced {
        Replacement::By(name) => {
            (name.to_string(), String::new(), format!("secretref rotate {name}"))
        }
        Replacement::ByHand { reason, fix } => (String::new(), reason, fix),
    };
    v1::TracedSecret {
        secret: secret.name,
        environment: secret.environment,
        versions: secret.versions.iter().map(held_version).collect(),
        rotated_by_ref,
        reason,
        fix,
    }
}

fn held_version((version, fate, held): &(i64, VersionFate, Held)) -> v1::TracedVersion {
    let state = match fate {
        VersionFate::Current => v1::TracedVersionState::Current,
        VersionFate::Pending => v1::TracedVersionState::Pending,
        VersionFate::Draining => v1::TracedVersionState::Draining,
        VersionFate::Previous => v1::TracedVersionState::Previous,
        VersionFate::Destroyed => v1::TracedVersionState::Destroyed,
    };
    v1::TracedVersion {
        version: *version,
        state: state.into(),
        first_time: Some(to_time(held.first)),
        last_time: Some(to_time(held.last)),
        instances: count(held.instances.len()),
    }
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
