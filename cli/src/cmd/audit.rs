//! `secretref audit`: `log` reads the audit trail; `--secrets` diagnoses refs.

pub(super) mod findings;
mod log;

pub(super) use log::line;

use super::{
    list,
    status::{self, Scope},
};
use crate::{
    connect::Session,
    failure::{Exit, Failure},
    print::{counted, plain, time},
};
use findings::{Finding, Severity, findings};
use serde::Serialize;

/// Read the audit trail, or diagnose refs.
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        secretref audit log --agent payment-analyst --since 2h\n  \
        secretref audit --secrets --check || echo \"something needs care\"\n\
        With --check the exit code is 1 on findings and 2 on a required or optional ref without \
        a value."
)]
pub(crate) struct Audit {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Diagnose the refs of all agents
    #[arg(long)]
    secrets: bool,
    /// Show the refs that are well too
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
}

#[derive(Serialize)]
struct Diagnosis<'a> {
    agents: usize,
    refs: usize,
    findings: Vec<&'a Finding>,
}

impl Audit {
    /// Does what the command line says.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        match self.verb {
            Some(Verb::Log(command)) => command.run(session).await,
            None if self.secrets => self.diagnose(session).await,
            None => Err(Failure::usage(
                "audit of what? There are `audit log` and `audit --secrets`",
                "secretref audit log, or secretref audit --secrets",
            )),
        }
    }

    async fn diagnose(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let statuses = status::all(session, &Scope::Environment).await?;
        let secrets = list::all(session, false).await?;
        let all = findings(&statuses, &secrets, &time::now(), &session.environment_option());
        let is_shown = |finding: &&Finding| self.verbose || finding.severity != Severity::Well;
        let shown: Vec<&Finding> = all.iter().filter(is_shown).collect();
        let refs = statuses.iter().map(|status| status.refs.len()).sum();
        if session.out.json {
            session.out.json(&Diagnosis { agents: statuses.len(), refs, findings: shown })?;
        } else {
            let lines = shown.iter().map(|finding| plain(&finding.line()));
            lines.into_iter().try_for_each(|line| session.out.line(&line))?;
            let count = all.iter().filter(|finding| finding.severity != Severity::Well).count();
            let (refs, agents) = (counted(refs, "ref"), counted(statuses.len(), "agent"));
            session.out.note(&format!("{}; {refs} of {agents}", counted(count, "finding")));
        }
        let has = |severity| all.iter().any(|finding| finding.severity == severity);
        Ok(match () {
            () if !self.check => Exit::Done,
            () if has(Severity::Unresolved) => Exit::Usage,
            () if has(Severity::Finding) => Exit::Refused,
            () => Exit::Done,
        })
    }
}
