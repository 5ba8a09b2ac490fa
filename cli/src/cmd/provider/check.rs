//! `secretref provider check`.

use super::list;
use crate::{
    cmd::{audit::refs::Source, incomplete},
    connect::{Session, ask},
    failure::{Exit, Failure},
    print::{json::present, plain},
};
use secretref_domain::name::ProviderAlias;
use secretref_proto::v1;
use serde::Serialize;

/// Ask one provider now, or all of them.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  secretref provider check vault\n  \
    secretref provider check --environment production\n\
    The broker asks it live, for every ref that lies in it; a value that changed is taken over at \
    once. Exit codes: 0 everything answers, 1 something does not, 3 there is no such provider.")]
pub(crate) struct Check {
    /// Alias of the provider; without it all of them
    name: Option<String>,
}

#[derive(Serialize)]
struct Checked {
    provider: String,
    #[serde(rename = "type")]
    kind: String,
    well: bool,
    detail: Option<String>,
    fault: Option<String>,
    message: Option<String>,
    fix: Option<String>,
    sources: Vec<Source>,
    failing_refs: i32,
}

impl Check {
    /// Has them asked, and says what they answered.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let aliases = match self.name {
            Some(name) => {
                let fix = "see secretref provider list";
                ProviderAlias::parse(&name)
                    .map_err(|error| Failure::usage(error.to_string(), fix))?;
                vec![name]
            }
            None => {
                let all = list::all(session).await?;
                all.into_iter().filter(|it| it.r#type != "store").map(|it| it.alias).collect()
            }
        };
        let mut checked = Vec::new();
        for alias in aliases {
            checked.push(check(session, alias).await?);
        }
        if session.out.json {
            session.out.json(&checked)?;
        } else {
            if checked.is_empty() {
                session.out.note("there is no provider to check but the store");
            }
            for one in &checked {
                one.lines().iter().try_for_each(|line| session.out.line(&plain(line)))?;
            }
        }
        let well = checked.iter().all(|one| one.well && one.failing_refs == 0);
        Ok(if well { Exit::Done } else { Exit::Refused })
    }
}

async fn check(session: &Session<'_>, alias: String) -> Result<Checked, Failure> {
    let request = v1::CheckProviderRequest { alias, environment: session.environment() };
    let mut client = session.providers().await?;
    let answer = ask(client.check_provider(request)).await?;
    let provider = answer.provider.ok_or_else(|| incomplete("provider"))?;
    let well = answer.fault.is_none();
    let fault = answer.fault.unwrap_or_default();
    Ok(Checked {
        provider: provider.alias,
        kind: provider.r#type,
        well,
        detail: present(answer.detail),
        fault: present(fault.fault),
        message: present(fault.message),
        fix: present(fault.fix),
        sources: answer.sources.into_iter().map(Source::of).collect(),
        failing_refs: provider.failing_refs,
    })
}

impl Checked {
    fn lines(&self) -> Vec<String> {
        let (name, kind) = (&self.provider, &self.kind);
        let first = match (&self.fault, &self.message) {
            (Some(fault), message) => {
                let message = message.as_deref().unwrap_or_default();
                let fix = self.fix.as_deref().unwrap_or_default();
                format!("❌ {name} ({kind}): {fault}: it {message}. Fix: {fix}")
            }
            _ => {
                let detail = self.detail.as_deref().unwrap_or("it answers");
                format!("✅ {name} ({kind}): {detail}")
            }
        };
        let mut lines = vec![first];
        lines.extend(self.sources.iter().map(|source| format!("   {}", source.of_ref())));
        lines
    }
}
