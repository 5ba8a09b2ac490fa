//! `secretref rotate status`.

use crate::{
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
    print::{rotation, time},
};
use secretref_proto::v1;

/// Show rotations that are under way, and whom they wait for.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  secretref rotate status stripe-api-key")]
pub(crate) struct Status {
    /// Name of the ref; without it all that are under way
    name: Option<String>,
}

impl Status {
    /// Prints them.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let found = match self.name {
            Some(name) => {
                let secret_ref = crate::cmd::secret_name(&name)?;
                let request = v1::GetRotationRequest {
                    secret_ref,
                    environment: session.environment(),
                    ..v1::GetRotationRequest::default()
                };
                let client = session.rotations().await?;
                let answer = ask_twice(|| {
                    let (mut client, request) = (client.clone(), request.clone());
                    async move { client.get_rotation(request).await }
                })
                .await?;
                answer.rotation.into_iter().collect()
            }
            None => super::history::list(session, "", true, 0).await?,
        };
        if session.out.json {
            let shown: Vec<_> = found.iter().map(rotation::Shown::from).collect();
            session.out.json(&shown)?;
            return Ok(Exit::Done);
        }
        if found.is_empty() {
            session.out.note("no rotation is under way");
        }
        for one in &found {
            print(one, session)?;
        }
        Ok(Exit::Done)
    }
}

fn print(found: &v1::Rotation, session: &Session<'_>) -> Result<(), Failure> {
    let out = session.out;
    let versions = rotation::versions(found);
    let head = format!("{} {versions}: {}", found.secret_ref, rotation::phase(found));
    out.line(&out.strong(&head))?;
    let began = time::moment(found.begin_time.as_ref());
    let force = if found.force { ", by force" } else { "" };
    let why = match found.request_reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    let (trigger, by) = (&found.trigger, &found.requested_by);
    out.line(&format!("  {trigger} by {by} at {began}{force}{why}"))?;
    if !found.reason.is_empty() {
        out.line(&format!("  {}", found.reason))?;
    }
    if !found.trouble.is_empty() {
        out.line(&format!("  ⚠️ {}", found.trouble))?;
    }
    for wait in &found.waits {
        out.line(&format!("  ⏳ {}", rotation::wait(wait)))?;
    }
    for proof in &found.proofs {
        let at = time::moment(proof.report_time.as_ref());
        let v1::RotationProof { agent, instance, version, evidence, .. } = proof;
        out.line(&format!("  ✅ {agent} {instance}: v{version} {evidence} {at}"))?;
    }
    for instance in &found.evicted_instances {
        out.line(&format!("  not waited for: {instance}"))?;
    }
    Ok(())
}
