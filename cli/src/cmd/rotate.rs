//! `secretref rotate`.

mod abort;
mod evict;
mod held;
mod history;
mod plan;
mod progress;
mod receipt;
mod status;

pub(super) use history::list;

use super::{agent_name, secret_name};
use crate::{
    args::since,
    connect::{Session, ask, traced},
    failure::{Exit, Failure},
    print::rotation,
};
use secretref_domain::clock::Timestamp;
use secretref_proto::v1;

/// Replace a credential at its service and at every agent that has it, and revoke the old one once
/// it is proven that nobody is on it.
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        secretref rotate stripe-api-key --reason \"it was in a log\" --wait\n  \
        secretref rotate --service stripe --days-remaining 30\n  \
        secretref rotate --service stripe --force --reason \"leak\"\n  \
        secretref rotate stripe-api-key --plan\n  \
        secretref rotate --held-by payment-analyst --since 2d --reason \"host compromised\"\n  \
        secretref rotate status\n\
        With --wait it goes on until the rotation is over, and prints its receipt: Ctrl-C ends the \
        looking, not the rotation. Exit codes: 0 begun (with --wait: finished), or nothing to do; \
        1 refused, or (with --wait) failed; 3 no such ref or service."
)]
pub(crate) struct Rotate {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    which: Which,
    /// Without maintenance window and without overlap; never without the record
    #[arg(long)]
    force: bool,
    /// What for; it is in the audit trail and on the receipt
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    /// Print what would be done to whom, and do nothing
    #[arg(long, conflicts_with_all = ["force", "reason"])]
    plan: bool,
}

/// What is to be rotated.
#[derive(clap::Args)]
pub(super) struct Which {
    /// Name of the ref
    #[arg(required_unless_present_any = ["service", "held_by"])]
    name: Option<String>,
    /// Every ref of this service
    #[arg(long, value_name = "SERVICE", alias = "provider", conflicts_with = "name")]
    service: Option<String>,
    /// Every ref whose value this agent has held; what no rotator replaces is listed
    #[arg(long, value_name = "AGENT", conflicts_with_all = ["name", "service"])]
    held_by: Option<String>,
    /// Since when it held it: RFC 3339, a date, or a duration before now; without it, ever
    #[arg(long, value_name = "TIME", value_parser = since, requires = "held_by")]
    since: Option<Timestamp>,
    /// Only what stops being valid within so many days
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
    days_remaining: Option<u16>,
}

/// What else is done with rotations.
#[derive(clap::Subcommand)]
enum Verb {
    /// Show rotations that are under way, and whom they wait for
    Status(status::Status),
    /// Give a rotation up: everybody goes back to the old credential
    Abort(abort::Abort),
    /// Say that an instance never comes back, so that no rotation waits for it
    Evict(evict::Evict),
    /// List rotations, the newest first
    History(history::History),
    /// Print the signed receipt of a rotation, or verify one
    Receipt(receipt::Receipt),
}

impl Rotate {
    /// Begins rotations, or does what else was asked for.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        match self.verb {
            Some(Verb::Status(command)) => return command.run(session).await,
            Some(Verb::Abort(command)) => return command.run(session).await,
            Some(Verb::Evict(command)) => return command.run(session).await,
            Some(Verb::History(command)) => return command.run(session).await,
            Some(Verb::Receipt(command)) => return command.run(session).await,
            None => {}
        }
        let which = self.which.checked()?;
        if self.plan {
            return plan::run(which, session).await;
        }
        let answer = match &which.held_by {
            Some(agent) => {
                let reason = held::reason(self.reason, agent, which.since);
                held::start(&which, agent, self.force, reason, session).await?
            }
            None => {
                let (secret_ref, service) = which.named();
                let request = v1::StartRotationsRequest {
                    environment: session.environment(),
                    secret_ref,
                    service,
                    days_remaining: which.days(),
                    force: self.force,
                    reason: self.reason,
                };
                let mut client = session.rotations().await?;
                ask(client.start_rotations(traced(request))).await?
            }
        };
        let refused = !answer.refused.is_empty();
        for one in &answer.refused {
            let v1::RotationRefusal { secret_ref, reason, fix } = one;
            session.out.warning(&format!("{secret_ref} is not rotated: {reason}. Fix: {fix}"));
        }
        if answer.rotations.is_empty() {
            session.out.note(&which.nothing("is"));
            return Ok(if refused { Exit::Refused } else { Exit::Done });
        }
        let exit = match session.patience() {
            Some(_) => progress::follow(answer.rotations, session).await?,
            None => {
                for rotation in &answer.rotations {
                    begun(rotation, session)?;
                }
                Exit::Done
            }
        };
        Ok(if refused { Exit::Refused } else { exit })
    }
}

fn begun(found: &v1::Rotation, session: &Session<'_>) -> Result<(), Failure> {
    if session.out.json {
        return session.out.json(&rotation::Shown::from(found));
    }
    session.out.line(&format!(
        "{}: rotation {} began (v{}, {} agents in {} waves)",
        found.secret_ref, found.uid, found.old_version, found.agents, found.waves
    ))?;
    session.out.note(&format!("secretref rotate status {} shows how far it is", found.secret_ref));
    Ok(())
}

impl Which {
    fn checked(self) -> Result<Self, Failure> {
        if let Some(name) = &self.name {
            secret_name(name)?;
        }
        if let Some(agent) = &self.held_by {
            agent_name(agent)?;
        }
        Ok(self)
    }

    /// That nothing is, or would be, rotated.
    fn nothing(&self, verb: &str) -> String {
        match (&self.held_by, self.days_remaining) {
            (Some(_), None) => {
                format!("nothing {verb} rotated: it held nothing that a rotator can")
            }
            _ => format!("nothing {verb} rotated: no value ends that soon"),
        }
    }

    /// Ref and service, one of them empty.
    fn named(&self) -> (String, String) {
        (self.name.clone().unwrap_or_default(), self.service.clone().unwrap_or_default())
    }

    fn days(&self) -> i32 {
        self.days_remaining.map_or(0, i32::from)
    }
}
