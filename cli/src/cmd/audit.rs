//! `secretref audit`: `log` reads the audit trail, `verify` says whether it is what was written;
//! `--secrets` diagnoses refs.

mod archive;
mod export;
pub(super) mod findings;
mod items;
mod key;
mod log;
pub(super) mod refs;
pub(super) mod verify;

pub(super) use log::line;

use super::status::{self, Scope};
use crate::{
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
    print::{counted, plain, time},
};
use findings::Severity as Care;
use refs::Ref;
use secretref_proto::v1;
use serde::Serialize;

/// Read the audit trail, or diagnose refs.
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        secretref audit log --agent payment-analyst --since 2h\n  \
        secretref audit --secrets --unused-only\n  \
        secretref audit --secrets --check || echo \"something needs care\"\n\
        With --check the exit code is 1 on findings and 2 on a ref without a value. The codes of \
        findings are stable: unused-ref, deprecated-ref, no-expiry, expiring, expired, \
        capability-missing, agent-without-sidecar, equal-values, placeholder-value, stale-ref, \
        fallback-ref, failed and unresolved-ref."
)]
pub(crate) struct Audit {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Diagnose the refs of an environment
    #[arg(long)]
    secrets: bool,
    /// Only refs that nothing uses
    #[arg(long, requires = "secrets")]
    unused_only: bool,
    /// Show every ref: where it comes from, who is bound to it, versions, expiry and last access
    #[arg(long, requires = "secrets")]
    verbose: bool,
    /// Let the exit code tell of findings
    #[arg(long, requires = "secrets")]
    check: bool,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Read the audit trail, oldest entry first
    Log(log::Log),
    /// Verify the whole audit trail
    Verify(verify::Verify),
    /// Write the whole audit trail with its checkpoints
    Export(export::Export),
    /// Write the older part of the audit trail into an archive, and record that it is there
    Archive(archive::Archive),
    /// Print the key that checkpoints are verified by
    Key(key::Key),
}

#[derive(Serialize)]
struct Diagnosis<'a> {
    environment: &'a str,
    refs: i32,
    findings: &'a [Finding],
    #[serde(skip_serializing_if = "Option::is_none")]
    references: Option<&'a [Ref]>,
}

/// Something odd or wrong.
#[derive(Serialize)]
struct Finding {
    code: String,
    severity: &'static str,
    #[serde(rename = "ref")]
    name: String,
    agents: Vec<String>,
    message: String,
    fix: String,
}

impl Audit {
    /// Does what the command line says.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        match self.verb {
            Some(Verb::Log(command)) => command.run(session).await,
            Some(Verb::Verify(command)) => command.run(session).await,
            Some(Verb::Export(command)) => command.run(session).await,
            Some(Verb::Archive(command)) => command.run(session).await,
            Some(Verb::Key(command)) => command.run(session).await,
            None if self.secrets => self.diagnose(session).await,
            None => Err(Failure::usage(
                "audit of what? There are `audit log` and `audit --secrets`",
                "secretref audit log, or secretref audit --secrets",
            )),
        }
    }

    async fn diagnose(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let request = v1::DiagnoseReferencesRequest { environment: session.environment() };
        let client = session.references().await?;
        let answer = ask_twice(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.diagnose_references(request).await }
        })
        .await?;
        let option = session.environment_option();
        let found = answer.findings.into_iter().map(|it| Finding::of(it, &option));
        let mut findings: Vec<Finding> = found.collect();
        if self.unused_only {
            findings.retain(|finding| finding.code == UNUSED);
        } else {
            findings.extend(of_sidecars(session, &option).await?);
        }
        let references = match self.verbose {
            true => Some(refs::all(session).await?),
            false => None,
        };
        if session.out.json {
            let (environment, references) = (&*answer.environment, references.as_deref());
            let refs = answer.refs;
            let findings = &findings;
            session.out.json(&Diagnosis { environment, refs, findings, references })?;
        } else {
            for one in references.iter().flatten() {
                one.lines().iter().try_for_each(|line| session.out.line(&plain(line)))?;
            }
            findings.iter().try_for_each(|it| session.out.line(&plain(&it.line())))?;
            let refs = usize::try_from(answer.refs).unwrap_or(0);
            let (count, refs) = (counted(findings.len(), "finding"), counted(refs, "ref"));
            session.out.note(&format!("{count}; {refs} of environment {}", answer.environment));
        }
        Ok(match () {
            () if !self.check || findings.is_empty() => Exit::Done,
            () if findings.iter().any(|finding| finding.severity == "error") => Exit::Usage,
            () => Exit::Refused,
        })
    }
}

/// What only the sidecars' own words show: a value that was not taken, and one that ends soon.
async fn of_sidecars(session: &Session<'_>, option: &str) -> Result<Vec<Finding>, Failure> {
    let statuses = status::all(session, &Scope::Environment).await?;
    let all = findings::findings(&statuses, &[], &time::now(), option);
    let ours = all.into_iter().filter(|finding| {
        finding.severity == Care::Finding
            && ["failed", "expiring", "expired"].contains(&finding.kind)
    });
    let finding = |finding: findings::Finding| Finding {
        code: finding.kind.to_owned(),
        severity: "warning",
        name: finding.name,
        agents: finding.agent.into_iter().collect(),
        message: finding.detail,
        fix: finding.fix.unwrap_or_default(),
    };
    Ok(ours.map(finding).collect())
}

impl Finding {
    fn of(finding: v1::Finding, option: &str) -> Self {
        let severity = match finding.severity() {
            v1::FindingSeverity::Error => "error",
            v1::FindingSeverity::Warning | v1::FindingSeverity::Unspecified => "warning",
        };
        let ours = finding.fix.starts_with("secretref ") && !finding.fix.contains(',');
        let fix = if ours { format!("{}{option}", finding.fix) } else { finding.fix };
        let v1::Finding { code, secret_ref: name, agents, message, .. } = finding;
        Self { code, severity, name, agents, message, fix }
    }

    fn line(&self) -> String {
        let icon = if self.severity == "error" { "❌" } else { "⚠️" };
        let (code, name) = (&self.code, &self.name);
        // What is to be done is all there is to say of it.
        if code == UNUSED {
            return format!("{icon} {code}: {name} (delete after migration)");
        }
        let agents = match self.agents.as_slice() {
            [] => String::new(),
            [one] => format!("agent {one}"),
            several => format!("agents {}", several.join(", ")),
        };
        let subject = match (name.is_empty(), agents.is_empty()) {
            (true, _) => agents,
            (false, true) => name.clone(),
            (false, false) => format!("{name} ({agents})"),
        };
        let message = self.message.trim_end_matches('.');
        format!("{icon} {code}: {subject}: {message}. Fix: {}", self.fix)
    }
}

const UNUSED: &str = "unused-ref";
