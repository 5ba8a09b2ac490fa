//! `secretref rotate --held-by`: whatever an agent has held is replaced.

use super::Which;
use crate::{
    cmd::agent::held::{is_valid, trace},
    connect::{Session, ask_twice_status},
    failure::Failure,
};
use secretref_domain::clock::Timestamp;
use secretref_proto::v1;
use std::collections::BTreeSet;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// A ref that is to be rotated, with its environment.
type Found = (String, String);

/// Why, for the trail and the receipt, where nobody says.
pub(super) fn reason(said: String, agent: &str, since: Option<Timestamp>) -> String {
    match (said.is_empty(), since) {
        (false, _) => said,
        (true, Some(since)) => format!("held by agent {agent} since {since}"),
        (true, None) => format!("held by agent {agent}"),
    }
}

/// Begins the rotation of each ref whose value the agent held.
pub(super) async fn start(
    which: &Which,
    agent: &str,
    force: bool,
    reason: String,
    session: &Session<'_>,
) -> Result<v1::StartRotationsResponse, Failure> {
    let (refs, refused) = find(which, agent, session).await?;
    let mut answer = v1::StartRotationsResponse { refused, ..Default::default() };
    let mut client = session.rotations().await?;
    for (environment, secret_ref) in refs {
        let request = v1::StartRotationsRequest {
            environment,
            secret_ref: secret_ref.clone(),
            service: String::new(),
            days_remaining: which.days(),
            force,
            reason: reason.clone(),
        };
        match crate::connect::within(client.start_rotations(request)).await {
            Ok(begun) => {
                answer.rotations.extend(begun.rotations);
                answer.refused.extend(begun.refused);
            }
            Err(status) => answer.refused.push(refusal(secret_ref, status)?),
        }
    }
    Ok(answer)
}

/// What the rotation of each ref whose value the agent held would do.
pub(super) async fn plan(
    which: &Which,
    agent: &str,
    session: &Session<'_>,
) -> Result<v1::PlanRotationsResponse, Failure> {
    let (refs, refused) = find(which, agent, session).await?;
    let mut answer = v1::PlanRotationsResponse { refused, ..Default::default() };
    let client = session.rotations().await?;
    for (environment, secret_ref) in refs {
        let request = v1::PlanRotationsRequest {
            environment,
            secret_ref: secret_ref.clone(),
            service: String::new(),
            days_remaining: which.days(),
        };
        let planned = ask_twice_status(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.plan_rotations(request).await }
        });
        match planned.await {
            Ok(planned) => {
                answer.plans.extend(planned.plans);
                answer.refused.extend(planned.refused);
            }
            Err(status) => answer.refused.push(refusal(secret_ref, status)?),
        }
    }
    Ok(answer)
}

/// The refs to rotate, and what has to be replaced by hand. What is destroyed is of no use to
/// whoever has it, and is left out.
async fn find(
    which: &Which,
    agent: &str,
    session: &Session<'_>,
) -> Result<(BTreeSet<Found>, Vec<v1::RotationRefusal>), Failure> {
    let secrets = trace(session, agent.to_owned(), which.since).await?;
    let (mut refs, mut refused) = (BTreeSet::new(), Vec::new());
    for held in secrets {
        let v1::TracedSecret { secret, environment, rotated_by_ref, reason, fix, .. } = &held;
        if !is_valid(&held) {
            session.out.note(&format!("{secret}: what it held is destroyed already"));
        } else if rotated_by_ref.is_empty() {
            let (secret_ref, reason, fix) = (secret.clone(), reason.clone(), fix.clone());
            refused.push(v1::RotationRefusal { secret_ref, reason, fix });
        } else {
            refs.insert((environment.clone(), rotated_by_ref.clone()));
        }
    }
    Ok((refs, refused))
}

/// One that is refused does not spare the others; anything else ends it.
fn refusal(secret_ref: String, status: Status) -> Result<v1::RotationRefusal, Failure> {
    if !matches!(status.code(), Code::FailedPrecondition | Code::NotFound) {
        return Err(status.into());
    }
    let info = status.get_details_error_info();
    let fix = info.and_then(|info| info.metadata.get("fix").cloned()).unwrap_or_default();
    Ok(v1::RotationRefusal { secret_ref, reason: status.message().to_owned(), fix })
}
