//! `RotationsService`.

use super::refuse;
use crate::{
    custody::{Custody, CustodyError},
    grpc::caller,
    rotation::{Request as Asked, Rotations as Engine},
};
use secretref_domain::{
    caller::Caller,
    id::{InstanceId, RotationId},
    limit::{REASON_BYTES_MAX, SERVICE_BYTES_MAX},
    name::{EnvironmentName, SecretName},
    rotation::{Phase, Proof, Rotation, Trigger, Waiting, waves},
};
use secretref_proto::{
    convert::field::{self, to_time},
    v1,
};
use tonic::{Request, Response, Status};

pub(crate) struct Rotations {
    custody: Custody,
    engine: Engine,
}

/// What a request asks to be rotated.
struct Selection {
    environment: Option<EnvironmentName>,
    /// The refs, and whether one was named.
    references: Vec<SecretName>,
    one: bool,
}

impl Rotations {
    pub(crate) fn new(custody: Custody, engine: Engine) -> Self {
        Self { custody, engine }
    }

    /// The refs that a ref or a service names.
    async fn select(
        &self,
        caller: &Caller,
        environment: &str,
        (secret_ref, service): (&str, &str),
        days_remaining: i32,
    ) -> Result<Selection, Status> {
        let environment: Option<EnvironmentName> =
            field::optional("environment", environment).map_err(refuse::field)?;
        let days = u32::try_from(days_remaining).map_err(|_| {
            refuse::invalid("days_remaining".into(), "it is less than 0; 0 means all".into())
        })?;
        let one = match (secret_ref, service) {
            ("", "") | (_, "") | ("", _) if !secret_ref.is_empty() || !service.is_empty() => {
                !secret_ref.is_empty()
            }
            _ => {
                let problem = "name a ref, or a `service`, and not both";
                return Err(refuse::invalid("secret_ref".into(), problem.into()));
            }
        };
        if service.len() > SERVICE_BYTES_MAX {
            let problem = format!("it is longer than {SERVICE_BYTES_MAX} bytes");
            return Err(refuse::invalid("service".into(), problem));
        }
        let named = field::optional("secret_ref", secret_ref).map_err(refuse::field)?;
        let found = self
            .custody
            .rotatable_refs(caller, environment.clone(), named.as_ref(), service, days)
            .await
            .map_err(refuse::of)?;
        Ok(Selection { environment, references: found, one })
    }

    /// A rotation by its identity, else the newest of a ref that is wanted.
    async fn find(
        &self,
        caller: &Caller,
        (uid, secret_ref, environment): (String, String, String),
        wanted: impl Fn(&Rotation) -> bool,
    ) -> Result<Rotation, Status> {
        let id: Option<RotationId> = field::optional("uid", &uid).map_err(refuse::field)?;
        let reference: Option<SecretName> =
            field::optional("secret_ref", &secret_ref).map_err(refuse::field)?;
        let environment: Option<EnvironmentName> =
            field::optional("environment", &environment).map_err(refuse::field)?;
        let environment = environment.unwrap_or_else(|| self.custody.active_environment());
        if id.is_none() && reference.is_none() {
            let problem = "name a rotation by its uid, or a ref by `secret_ref`";
            return Err(refuse::invalid("uid".into(), problem.into()));
        }
        let all = self.custody.rotations(caller).await.map_err(refuse::of)?;
        let ours = |it: &Rotation| match (&id, &reference) {
            (Some(id), _) => it.id == *id,
            (None, reference) => {
                it.environment == environment
                    && Some(&it.reference) == reference.as_ref()
                    && wanted(it)
            }
        };
        all.into_iter().find(ours).ok_or_else(|| {
            refuse::of(CustodyError::NotFound {
                kind: "rotation",
                name: if uid.is_empty() { secret_ref } else { uid },
                fix: "secretref rotate history".to_owned(),
            })
        })
    }

    async fn shown(&self, rotation: &Rotation) -> Result<v1::Rotation, Status> {
        let mut shown = show(rotation);
        if !rotation.phase.is_over() {
            let standing = self.engine.standing(rotation).await.map_err(refuse::of)?;
            shown.waits = standing.0.into_iter().map(wait).collect();
            if shown.proofs.is_empty() {
                shown.proofs = standing.1.iter().map(proof).collect();
            }
        }
        Ok(shown)
    }
}

#[tonic::async_trait]
impl v1::rotations_service_server::RotationsService for Rotations {
    async fn start_rotations(
        &self,
        request: Request<v1::StartRotationsRequest>,
    ) -> Result<Response<v1::StartRotationsResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let asked = request.into_inner();
        reason("reason", &asked.reason)?;
        let named = (asked.secret_ref.as_str(), asked.service.as_str());
        let selection =
            self.select(&caller, &asked.environment, named, asked.days_remaining).await?;
        if asked.force {
            let (environment, references) = (selection.environment.as_ref(), &selection.references);
            let hurried = self.engine.hurry(&caller, environment, references).await;
            hurried.map_err(refuse::of)?;
        }
        let mut answer = v1::StartRotationsResponse::default();
        for reference in selection.references {
            let begin = Asked {
                environment: selection.environment.clone(),
                reference: reference.clone(),
                reason: asked.reason.clone(),
                trigger: Trigger::Asked,
                force: asked.force,
            };
            match self.engine.begin(&caller, begin).await {
                Ok(rotation) => answer.rotations.push(show(&rotation)),
                Err(error) if selection.one => return Err(refuse::of(error)),
                Err(error) => answer.refused.push(refused(&reference, &error)?),
            }
        }
        Ok(Response::new(answer))
    }

    async fn plan_rotations(
        &self,
        request: Request<v1::PlanRotationsRequest>,
    ) -> Result<Response<v1::PlanRotationsResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let asked = request.into_inner();
        let named = (asked.secret_ref.as_str(), asked.service.as_str());
        let selection =
            self.select(&caller, &asked.environment, named, asked.days_remaining).await?;
        let mut answer = v1::PlanRotationsResponse::default();
        for reference in selection.references {
            let environment = selection.environment.clone();
            let plan = self.engine.plan(&caller, environment, &reference).await;
            match plan {
                Ok(plan) => answer.plans.push(planned(&reference, plan)),
                Err(error) if selection.one => return Err(refuse::of(error)),
                Err(error) => answer.refused.push(refused(&reference, &error)?),
            }
        }
        Ok(Response::new(answer))
    }

    async fn get_rotation(
        &self,
        request: Request<v1::GetRotationRequest>,
    ) -> Result<Response<v1::GetRotationResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let asked = request.into_inner();
        let named = (asked.uid, asked.secret_ref, asked.environment);
        let found = self.find(&caller, named, |_| true).await?;
        let rotation = Some(self.shown(&found).await?);
        Ok(Response::new(v1::GetRotationResponse { rotation }))
    }

    async fn get_receipt(
        &self,
        request: Request<v1::GetReceiptRequest>,
    ) -> Result<Response<v1::GetReceiptResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let asked = request.into_inner();
        let named = (asked.uid, asked.secret_ref, asked.environment);
        let finished = |it: &Rotation| it.phase == Phase::Finished;
        let found = self.find(&caller, named, finished).await?;
        let (receipt, key) = self.custody.receipt(&caller, found.id).await.map_err(refuse::of)?;
        let verifier_key = key.to_string();
        Ok(Response::new(v1::GetReceiptResponse { receipt, verifier_key }))
    }

    async fn list_rotations(
        &self,
        request: Request<v1::ListRotationsRequest>,
    ) -> Result<Response<v1::ListRotationsResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let asked = request.into_inner();
        let reference: Option<SecretName> =
            field::optional("secret_ref", &asked.secret_ref).map_err(refuse::field)?;
        let environment: Option<EnvironmentName> =
            field::optional("environment", &asked.environment).map_err(refuse::field)?;
        let most = field::page_size(asked.page_size).map_err(refuse::field)?;
        let all = self.custody.rotations(&caller).await.map_err(refuse::of)?;
        let wanted = all.into_iter().filter(|it| {
            environment.as_ref().is_none_or(|environment| it.environment == *environment)
                && reference.as_ref().is_none_or(|reference| it.reference == *reference)
                && !(asked.under_way && it.phase.is_over())
        });
        let mut rotations = Vec::new();
        for rotation in wanted.take(most) {
            rotations.push(self.shown(&rotation).await?);
        }
        Ok(Response::new(v1::ListRotationsResponse { rotations }))
    }

    async fn abort_rotation(
        &self,
        request: Request<v1::AbortRotationRequest>,
    ) -> Result<Response<v1::AbortRotationResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let asked = request.into_inner();
        reason("reason", &asked.reason)?;
        let reference: SecretName =
            field::name("secret_ref", &asked.secret_ref).map_err(refuse::field)?;
        let environment =
            field::optional("environment", &asked.environment).map_err(refuse::field)?;
        let aborted =
            self.custody.abort_rotation(&caller, environment, &reference, &asked.reason).await;
        let rotation = Some(show(&aborted.map_err(refuse::of)?));
        Ok(Response::new(v1::AbortRotationResponse { rotation }))
    }

    async fn evict_instance(
        &self,
        request: Request<v1::EvictInstanceRequest>,
    ) -> Result<Response<v1::EvictInstanceResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let asked = request.into_inner();
        let reference: SecretName =
            field::name("secret_ref", &asked.secret_ref).map_err(refuse::field)?;
        let environment =
            field::optional("environment", &asked.environment).map_err(refuse::field)?;
        let instance: InstanceId =
            field::name("instance", &asked.instance).map_err(refuse::field)?;
        let evicted =
            self.custody.evict_from_rotation(&caller, environment, &reference, instance).await;
        let rotation = Some(show(&evicted.map_err(refuse::of)?));
        Ok(Response::new(v1::EvictInstanceResponse { rotation }))
    }
}

fn reason(name: &'static str, given: &str) -> Result<(), Status> {
    let problem = match given {
        long if long.len() > REASON_BYTES_MAX => {
            format!("it is longer than {REASON_BYTES_MAX} bytes")
        }
        text if text.chars().any(char::is_control) => {
            "it has a line break or another control character".to_owned()
        }
        _ => return Ok(()),
    };
    Err(refuse::invalid(name.into(), problem))
}

fn refused(reference: &SecretName, error: &CustodyError) -> Result<v1::RotationRefusal, Status> {
    let fix = match error {
        CustodyError::Precondition { fix, .. } | CustodyError::NotFound { fix, .. } => fix.clone(),
        // That one ref cannot be rotated is no reason to leave the others; anything else is.
        other => return Err(refuse::of(other.clone())),
    };
    let (secret_ref, reason) = (reference.to_string(), error.to_string());
    Ok(v1::RotationRefusal { secret_ref, reason, fix })
}

fn planned(reference: &SecretName, plan: crate::rotation::Planned) -> v1::RotationPlan {
    let crate::rotation::Planned { policy, secret, overlaps, touched } = plan;
    let waves = waves(touched.clone(), policy.restarts_at_once);
    let of = |number: usize, wave: &secretref_domain::rotation::Wave| {
        let among = wave.agents.iter().filter_map(|id| touched.iter().find(|it| it.agent == *id));
        let wave = i32::try_from(number + 1).unwrap_or(i32::MAX);
        let touch = |touch: &secretref_domain::rotation::Touch| v1::PlannedTouch {
            agent: touch.name.to_string(),
            effect: touch.effect as i32,
            wave,
        };
        among.map(touch).collect::<Vec<_>>()
    };
    v1::RotationPlan {
        secret_ref: reference.to_string(),
        secret: secret.to_string(),
        rotator: policy.rotator.to_string(),
        overlaps,
        overlap_seconds: policy.overlap_seconds,
        touches: waves.iter().enumerate().flat_map(|(number, wave)| of(number, wave)).collect(),
    }
}

fn show(rotation: &Rotation) -> v1::Rotation {
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let phase = match &rotation.phase {
        Phase::Minting => v1::RotationPhase::Minting,
        Phase::Setting => v1::RotationPhase::Setting,
        Phase::Testing => v1::RotationPhase::Testing,
        Phase::Pushing { .. } => v1::RotationPhase::Pushing,
        Phase::Promoting => v1::RotationPhase::Promoting,
        Phase::Draining { .. } => v1::RotationPhase::Draining,
        Phase::Revoking => v1::RotationPhase::Revoking,
        Phase::Withdrawing { .. } => v1::RotationPhase::Withdrawing,
        Phase::Finished => v1::RotationPhase::Finished,
        Phase::Failed { .. } => v1::RotationPhase::Failed,
        Phase::Aborted { .. } => v1::RotationPhase::Aborted,
    };
    let (reason, wave, drain) = match &rotation.phase {
        Phase::Withdrawing { why, .. } | Phase::Failed { why } | Phase::Aborted { why } => {
            (why.clone(), 0, None)
        }
        Phase::Pushing { wave } => (String::new(), count(wave + 1), None),
        Phase::Draining { until } => (String::new(), 0, Some(*until)),
        _ => (String::new(), 0, None),
    };
    v1::Rotation {
        uid: rotation.id.to_string(),
        environment: rotation.environment.to_string(),
        secret_ref: rotation.reference.to_string(),
        secret: rotation.name.to_string(),
        rotator: rotation.rotator.to_string(),
        old_version: rotation.old.get(),
        new_version: rotation.new.map_or(0, |new| new.get()),
        phase: phase.into(),
        reason,
        requested_by: rotation.asked.by.clone(),
        request_reason: rotation.asked.reason.clone(),
        trigger: rotation.asked.trigger.to_string(),
        force: rotation.asked.force,
        begin_time: Some(to_time(rotation.began_at)),
        phase_time: Some(to_time(rotation.since)),
        drain_time: drain.map(to_time),
        wave,
        waves: count(rotation.waves.len()),
        agents: count(rotation.waves.iter().map(|wave| wave.agents.len()).sum()),
        trouble: rotation.trouble.as_ref().map(|it| it.message.clone()).unwrap_or_default(),
        proofs: rotation.proofs.iter().map(proof).collect(),
        waits: Vec::new(),
        evicted_instances: rotation.evicted.iter().map(ToString::to_string).collect(),
    }
}

fn proof(proof: &Proof) -> v1::RotationProof {
    v1::RotationProof {
        agent: proof.name.to_string(),
        instance: proof.instance.to_string(),
        version: proof.version.get(),
        evidence: proof.evidence.as_str().to_owned(),
        report_time: Some(to_time(proof.at)),
    }
}

fn wait(waiting: Waiting) -> v1::RotationWait {
    v1::RotationWait {
        agent: waiting.agent.map(|agent| agent.to_string()).unwrap_or_default(),
        instance: waiting.instance.map(|instance| instance.to_string()).unwrap_or_default(),
        what: waiting.what,
        until_time: waiting.until.map(to_time),
        away: waiting.away,
    }
}
