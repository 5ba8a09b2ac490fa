//! `secretref audit log`.

mod follow;

use crate::{
    args::since,
    cmd::{agent_name, secret_name},
    connect::{Session, ask},
    failure::{Exit, Failure},
    print::{json, plain, time},
};
use secretref_domain::clock::Timestamp;
use secretref_proto::v1;

/// Read the audit trail, oldest entry first.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref audit log --secret stripe-api-key --since 2026-11-01\n  \
    secretref audit log --decision denied --since 2d --until 1d\n  \
    secretref audit log --action secret.access --json\n  \
    secretref audit log --follow --since 10m --json | jq -r .action\n\
    --json prints one entry a line. With --follow it goes on until Ctrl-C, also over a broker that \
    is started again: no entry is missed, and none comes twice.")]
pub(crate) struct Log {
    /// Only entries of this agent, as actor or recipient
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Only entries of this secret
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,
    /// Only entries of this action, such as secret.put; or of a kind of actions, such as secret
    #[arg(long, value_name = "ACTION", default_value = "", hide_default_value = true)]
    action: String,
    /// Only what was allowed, or only what was denied
    #[arg(long, value_name = "DECISION", value_parser = ["allowed", "denied"])]
    decision: Option<String>,
    /// Only entries from then on: RFC 3339, a date, or a duration before now
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Only entries from before then, likewise
    #[arg(long, value_name = "TIME", value_parser = since, conflicts_with = "follow")]
    until: Option<Timestamp>,
    /// Go on, and print each entry as it is written
    #[arg(long)]
    follow: bool,
}

impl Log {
    /// Prints page after page, so that a long trail needs no memory.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let agent = self.agent.as_deref().map(agent_name).transpose()?.unwrap_or_default();
        let secret = self.secret.as_deref().map(secret_name).transpose()?.unwrap_or_default();
        let decision = self.decision.unwrap_or_default();
        if self.follow {
            let request = v1::FollowAuditRequest {
                position: String::new(),
                agent,
                secret,
                start_time: self.since.map(time::wire),
                environment: session.environment(),
                action: self.action,
                decision,
            };
            return follow::run(request, session).await;
        }
        let mut client = session.audit().await?;
        let mut page_token = String::new();
        loop {
            let request = v1::ListAuditEntriesRequest {
                page_size: PAGE_SIZE,
                page_token,
                agent: agent.clone(),
                secret: secret.clone(),
                start_time: self.since.map(time::wire),
                environment: session.environment(),
                action: self.action.clone(),
                decision: decision.clone(),
                end_time: self.until.map(time::wire),
            };
            let answer = ask(client.list_audit_entries(request)).await?;
            answer.entries.into_iter().try_for_each(|entry| tell(entry, session))?;
            if answer.next_page_token.is_empty() {
                return Ok(Exit::Done);
            }
            page_token = answer.next_page_token;
        }
    }
}

fn tell(entry: v1::AuditEntry, session: &Session<'_>) -> Result<(), Failure> {
    match session.out.json {
        true => session.out.json(&json::Entry::from(entry)),
        false => session.out.line(&line(&entry)),
    }
}

/// An entry as people read it.
pub(in crate::cmd) fn line(entry: &v1::AuditEntry) -> String {
    let object = match entry.version {
        0 => entry.object.clone(),
        version => format!("{} v{version}", entry.object),
    };
    let recipients = match entry.recipients.as_slice() {
        [] => String::new(),
        [one] => format!(" to {one}"),
        [first, rest @ ..] => format!(" to {first} and {} more", rest.len()),
    };
    let reason = match entry.reason.as_str() {
        "" => String::new(),
        reason => format!(" ({reason})"),
    };
    let at = time::moment(entry.time.as_ref());
    let v1::AuditEntry { action, actor, decision, .. } = entry;
    plain(&format!("{at} {decision} {action} {object}{recipients} by {actor}{reason}"))
}

const PAGE_SIZE: i32 = 200;
