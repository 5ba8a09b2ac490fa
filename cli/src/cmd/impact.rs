//! `secretref impact`.

use super::{incomplete, kept_name};
use crate::{
    args::since,
    connect::{Session, ask_slowly},
    failure::{Exit, Failure},
    print::{Printer, counted, time, trace, version},
};
use secretref_domain::clock::Timestamp;
use secretref_proto::v1;

/// Show whom a secret reached: who holds it, who ever did, who read it, through which tools.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref impact stripe-api-key\n  \
    secretref impact stripe-api-key --since 7d --json | jq -r '.recipients[].agent' | sort -u\n\
    It needs the auditor or the operator role. The trail is read from its newest entry backwards, \
    1,000,000 entries at most; it says where it stopped.")]
pub(crate) struct Impact {
    /// Name of the secret, or of the ref whose value it is
    name: String,
    /// Only what the trail has from then on: RFC 3339, a date, or a duration before now
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
}

impl Impact {
    /// Prints who holds it, who was sent it, who read it, and what is bound to it.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let request = v1::TraceSecretRequest {
            name: kept_name(&self.name)?,
            environment: session.environment(),
            start_time: self.since.map(time::wire),
        };
        let mut client = session.traces().await?;
        let found = ask_slowly(client.trace_secret(request)).await?;
        let found = found.ok_or_else(|| incomplete("trace"))?;
        tell_limits(session.out, &found, self.since);
        if session.out.json {
            session.out.json(&trace::Impact::from(found))?;
        } else {
            print(session.out, &found)?;
        }
        Ok(Exit::Done)
    }
}

/// What is not in the answer.
fn tell_limits(out: Printer, found: &v1::TraceSecretResponse, since: Option<Timestamp>) {
    let v1::TraceSecretResponse { more_recipients, more_readings, .. } = found;
    if *more_recipients > 0 {
        out.warning(&format!("{more_recipients} deliveries to further instances are left out"));
    }
    if *more_readings > 0 {
        out.warning(&format!("{more_readings} older readings are left out"));
    }
    examined(out, found.examined_since.as_ref(), found.examined_entries, since);
}

/// Says so where the trail is longer than what was read of it.
pub(super) fn examined(
    out: Printer,
    from: Option<&prost_types::Timestamp>,
    entries: i64,
    wanted: Option<Timestamp>,
) {
    let Some(from) = from else { return };
    if wanted.is_some_and(|wanted| time::micros(from) <= wanted.as_micros()) {
        return;
    }
    out.warning(&format!(
        "only the newest {entries} entries of the trail were read, from {} on: what is older is \
         not told",
        time::rfc3339(from)
    ));
}

fn print(out: Printer, found: &v1::TraceSecretResponse) -> Result<(), Failure> {
    let v1::TraceSecretResponse { secret, environment, current_version, .. } = found;
    let current = version(*current_version);
    out.line(&out.strong(&format!("{secret} of environment {environment}, current {current}")))?;
    section(out, "held now by", &counted(found.holders.len(), "instance"), || {
        let row = |it: &v1::SecretHolder| {
            let state = match it.evidence.as_str() {
                "" => it.state.to_lowercase(),
                evidence => format!("{}, {evidence}", it.state.to_lowercase()),
            };
            let link = if it.connected { "connected" } else { "away" };
            let since = time::moment(it.since_time.as_ref());
            let (agent, instance) = (it.agent.clone(), it.instance.clone());
            vec![agent, instance, version(it.version), state, since, link.to_owned()]
        };
        let header = ["AGENT", "INSTANCE", "VERSION", "STATE", "SINCE", "STREAM"];
        (header.to_vec(), found.holders.iter().map(row).collect())
    })?;
    section(out, "ever sent to", &counted(found.recipients.len(), "instance"), || {
        let row = |it: &v1::SecretRecipient| {
            let versions: Vec<String> = it.versions.iter().map(|it| version(*it)).collect();
            let [first, last] = [&it.first_time, &it.last_time].map(|at| time::moment(at.as_ref()));
            let (agent, instance) = (it.agent.clone(), it.instance.clone());
            vec![agent, instance, versions.join(" "), first, last]
        };
        let header = ["AGENT", "INSTANCE", "VERSIONS", "FIRST", "LAST"];
        (header.to_vec(), found.recipients.iter().map(row).collect())
    })?;
    section(out, "read here", &counted(found.readings.len(), "time"), || {
        let row = |it: &v1::SecretReading| {
            let at = time::moment(it.time.as_ref());
            vec![at, it.actor.clone(), it.action.clone(), version(it.version), it.reason.clone()]
        };
        let header = ["TIME", "BY", "HOW", "VERSION", "REASON"];
        (header.to_vec(), found.readings.iter().map(row).collect())
    })?;
    section(out, "bound to it", &counted(found.uses.len(), "tool credential"), || {
        let row = |it: &v1::SecretUse| {
            let tool = format!("{}.{}", it.tool, it.key);
            let (agent, group) = (it.agent.clone(), it.group.clone());
            vec![agent, tool, it.secret_ref.clone(), it.file.clone(), it.env_var.clone(), group]
        };
        let header = ["AGENT", "TOOL", "REF", "FILE", "ENV", "GROUP"];
        (header.to_vec(), found.uses.iter().map(row).collect())
    })
}

/// A title with a count, and a table where there is anything.
fn section<'t>(
    out: Printer,
    what: &str,
    count: &str,
    table: impl FnOnce() -> (Vec<&'t str>, Vec<Vec<String>>),
) -> Result<(), Failure> {
    out.line("")?;
    out.line(&out.strong(&format!("{what}: {count}")))?;
    match table() {
        (_, rows) if rows.is_empty() => Ok(()),
        (header, rows) => out.table(&header, &rows),
    }
}
