//! `secretref doctor`: looks at the whole installation from where it stands, and says what to do.
//! What it looks at is gathered here; what is worth a finding is decided by pure code beside.

mod broker;
mod finding;
mod fleet;
mod host;
mod profile;

use super::{
    list,
    status::{self, Scope},
};
use crate::{
    connect::{self, Session, certificate::Ending, within},
    failure::{Exit, Failure},
    print::{counted, plain, time},
};
use broker::Answer;
use finding::{Finding, Severity};
use host::Host;
use secretref_proto::v1::{self, admins_service_client::AdminsServiceClient};
use serde::Serialize;
use tonic::transport::Channel;

/// Check the whole installation, and say what to do.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref doctor\n  \
    secretref doctor --json | jq -r '.findings[].code'\n\
    Exit codes: 0 nothing found or only notes, 1 findings, 2 the profile or its files are wrong or \
    a ref has no value, 69 broker unreachable. Codes of findings are stable.")]
pub(crate) struct Doctor {}

/// What was found.
#[derive(Serialize)]
struct Diagnosis<'a> {
    findings: &'a [Finding],
    checked: &'a [String],
}

/// What was looked at, and what was found.
#[derive(Default)]
struct Visit {
    findings: Vec<Finding>,
    checked: Vec<String>,
    unreachable: bool,
}

impl Doctor {
    /// Looks at what can be looked at: a step that fails keeps those from being taken that need it.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let mut visit = Visit::default();
        visit.host(session);
        visit.broker(session).await?;
        visit.print(session)?;
        Ok(visit.exit())
    }
}

impl Visit {
    fn host(&mut self, session: &Session<'_>) {
        let host = Host::look(session.config());
        self.findings.extend(host::findings(&host));
        self.checked.push("this host".to_owned());
    }

    async fn broker(&mut self, session: &Session<'_>) -> Result<(), Failure> {
        let found = match session.profile() {
            Ok(found) => found,
            Err(failure) => {
                self.findings.push(Finding::of("profile-missing", "profile", &failure));
                return Ok(());
            }
        };
        let ending = Ending::of(&found);
        let files = connect::check_files(&found);
        let wrong = profile::findings(&found, &files, ending, &session.profile_option());
        let usable = files.is_ok();
        self.findings.extend(wrong);
        self.checked.push(format!("profile of {}", found.address));
        if !usable {
            return Ok(());
        }
        // What is to be said of the certificate is a finding.
        session.do_not_warn();
        match session.reach(&found).await {
            Ok(channel) => self.ask(session, channel).await,
            Err(failure) => {
                self.unreachable = failure.exit == Exit::Unreachable;
                let code = if self.unreachable { "broker-unreachable" } else { "broker-refuses" };
                self.findings.push(Finding::of(code, &found.address, &failure));
                Ok(())
            }
        }
    }

    async fn ask(&mut self, session: &Session<'_>, channel: Channel) -> Result<(), Failure> {
        let asked = time::now();
        let mut client = AdminsServiceClient::new(channel);
        let answer = match within(client.get_broker(v1::GetBrokerRequest {})).await {
            Ok(answer) => Answer::Known(Box::new(answer)),
            Err(status) if status.code() == tonic::Code::Unimplemented => Answer::Older,
            Err(status) => {
                let failure = Failure::from(status);
                self.unreachable = failure.exit == Exit::Unreachable;
                self.findings.push(Finding::of("broker-refuses", "broker", &failure));
                return Ok(());
            }
        };
        let between = (time::micros(&asked), time::micros(&time::now()));
        self.findings.extend(broker::findings(&answer, env!("CARGO_PKG_VERSION"), between));
        if let Answer::Known(broker) = &answer {
            self.checked.push(format!("broker {}", broker.version));
        }
        let statuses = status::all(session, &Scope::Environment).await?;
        let secrets = list::all(session, false).await?;
        let option = session.environment_option();
        self.findings.extend(fleet::agents(
            &statuses,
            env!("CARGO_PKG_VERSION"),
            &time::now(),
            &option,
        ));
        self.findings.extend(fleet::refs(&statuses, &option));
        self.findings.extend(fleet::secrets(&secrets, &time::now(), &option));
        self.checked.push(counted(statuses.len(), "agent"));
        self.checked.push(counted(secrets.len(), "secret"));
        Ok(())
    }

    fn print(&self, session: &Session<'_>) -> Result<(), Failure> {
        let out = session.out;
        if out.json {
            let Self { findings, checked, .. } = self;
            return out.json(&Diagnosis { findings, checked });
        }
        for finding in &self.findings {
            out.line(&plain(&finding.line()))?;
        }
        let count = self.findings.iter().filter(|it| it.severity != Severity::Note).count();
        out.note(&format!("{}; looked at {}", counted(count, "finding"), self.checked.join(", ")));
        Ok(())
    }

    fn exit(&self) -> Exit {
        let worst = self.findings.iter().map(|finding| finding.severity).max();
        match worst {
            _ if self.unreachable => Exit::Unreachable,
            Some(Severity::Broken) => Exit::Usage,
            Some(Severity::Warning) => Exit::Refused,
            Some(Severity::Note) | None => Exit::Done,
        }
    }
}

/// Whether two versions are of the same major number and at most one minor number apart: a broker
/// serves those. What is no version is not compared.
fn distance(one: &str, other: &str) -> Option<i64> {
    let parse = |version: &str| -> Option<(i64, i64)> {
        let mut parts = version.split('.').map(|part| part.parse::<i64>().ok());
        Some((parts.next()??, parts.next()??))
    };
    let ((major, minor), (other_major, other_minor)) = (parse(one)?, parse(other)?);
    Some((major - other_major) * MAJOR + (minor - other_minor))
}

/// A major number is further than any minor one.
const MAJOR: i64 = 1_000_000;

#[cfg(test)]
mod tests;
