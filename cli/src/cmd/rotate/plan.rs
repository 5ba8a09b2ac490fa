//! `secretref rotate --plan`.

use super::{Which, held};
use crate::{
    connect::{Session, ask},
    failure::{Exit, Failure},
    print::rotation::{effect, span},
};
use secretref_proto::v1;
use serde::Serialize;

/// A plan as programs read it.
#[derive(Serialize)]
struct Shown {
    #[serde(rename = "ref")]
    secret_ref: String,
    secret: String,
    rotator: String,
    overlaps: bool,
    overlap_seconds: i64,
    agents: Vec<Touched>,
}

#[derive(Serialize)]
struct Touched {
    agent: String,
    effect: &'static str,
    wave: i32,
}

pub(super) async fn run(which: Which, session: &Session<'_>) -> Result<Exit, Failure> {
    let answer = match &which.held_by {
        Some(agent) => held::plan(&which, agent, session).await?,
        None => {
            let (secret_ref, service) = which.named();
            let request = v1::PlanRotationsRequest {
                environment: session.environment(),
                secret_ref,
                service,
                days_remaining: which.days(),
            };
            let mut client = session.rotations().await?;
            ask(client.plan_rotations(request)).await?
        }
    };
    for one in &answer.refused {
        let v1::RotationRefusal { secret_ref, reason, fix } = one;
        session.out.warning(&format!("{secret_ref} would not be rotated: {reason}. Fix: {fix}"));
    }
    if session.out.json {
        let plans: Vec<Shown> = answer.plans.into_iter().map(shown).collect();
        session.out.json(&plans)?;
    } else {
        for plan in &answer.plans {
            print(plan, session)?;
        }
        if answer.plans.is_empty() {
            session.out.note(&which.nothing("would be"));
        }
    }
    Ok(if answer.refused.is_empty() { Exit::Done } else { Exit::Refused })
}

fn print(plan: &v1::RotationPlan, session: &Session<'_>) -> Result<(), Failure> {
    let out = session.out;
    let v1::RotationPlan { secret_ref, rotator, overlap_seconds, .. } = plan;
    out.line(&out.strong(&format!("{secret_ref}, by rotator {rotator}")))?;
    out.line(&match plan.overlaps {
        true => format!(
            "  both credentials are valid until everybody is on the new one, and {} after",
            span(*overlap_seconds)
        ),
        false => "  the service has one key at a time: from when the new one is set until an \
                  agent is on it, the agent is refused there"
            .to_owned(),
    })?;
    if plan.touches.is_empty() {
        return out.line("  no agent has it");
    }
    let row = |touch: &v1::PlannedTouch| {
        vec![format!("  {}", touch.wave), touch.agent.clone(), effect(touch.effect()).to_owned()]
    };
    let rows: Vec<Vec<String>> = plan.touches.iter().map(row).collect();
    out.table(&["  WAVE", "AGENT", "WHAT BECOMES OF ITS PROCESS"], &rows)
}

fn shown(plan: v1::RotationPlan) -> Shown {
    let touched = |touch: &v1::PlannedTouch| Touched {
        agent: touch.agent.clone(),
        effect: effect(touch.effect()),
        wave: touch.wave,
    };
    Shown {
        agents: plan.touches.iter().map(touched).collect(),
        secret_ref: plan.secret_ref,
        secret: plan.secret,
        rotator: plan.rotator,
        overlaps: plan.overlaps,
        overlap_seconds: plan.overlap_seconds,
    }
}
