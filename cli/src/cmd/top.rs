//! `secretref top`: the fleet, live in a terminal.

mod fleet;

use super::{rotate, status};
use crate::{
    args::interval,
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
    print::time,
};
use fleet::Fleet;
use secretref_proto::v1;
use std::{pin::pin, time::Duration};

/// Show the fleet live: who is connected by which version, who is behind, rotations under way
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref top\n  \
    secretref top --environment production --interval 1s\n  \
    secretref top --once --json | jq .refs_behind\n\
    Every environment, unless --environment names one. What is not well comes first: conditions, \
    rotations under way, and the agents with most to catch up on. In a pipe it shows everything \
    once. Ctrl-C ends it with code 0.")]
pub(crate) struct Top {
    /// Show everything once, and end
    #[arg(long)]
    once: bool,
    /// How often it looks, 1s to 1h: 2s
    #[arg(long, value_name = "DURATION", value_parser = interval, conflicts_with = "once")]
    interval: Option<Duration>,
}

impl Top {
    /// Draws until it is interrupted, or shows it once.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let out = session.out;
        if self.once || out.json || !out.terminal {
            let fleet = read(session).await?;
            match out.json {
                true => out.json(&fleet.document())?,
                false => {
                    let lines = fleet.lines(out, &time::now());
                    lines.iter().try_for_each(|line| out.line(line))?;
                }
            }
            return Ok(Exit::Done);
        }
        self.on(session).await
    }

    /// A broker that goes away meanwhile is waited for: whoever watches wants to see it come back.
    async fn on(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let out = session.out;
        let mut interrupted = pin!(tokio::signal::ctrl_c());
        let (mut looked, mut lines) = (false, Vec::new());
        loop {
            let found = tokio::select! {
                _ = &mut interrupted => return Ok(Exit::Done),
                found = read(session) => found,
            };
            let away = match found {
                Ok(fleet) => {
                    lines = fleet.lines(out, &time::now());
                    None
                }
                Err(failure) if looked && failure.exit == Exit::Unreachable => {
                    Some(format!("the broker is away: {}", failure.first().0))
                }
                Err(failure) => return Err(failure),
            };
            let shown = away.iter().chain(&lines).cloned().collect();
            out.draw(shown, !std::mem::replace(&mut looked, true), "secretref top --once has all")?;
            tokio::select! {
                _ = &mut interrupted => return Ok(Exit::Done),
                () = tokio::time::sleep(self.interval.unwrap_or(INTERVAL)) => {}
            }
        }
    }
}

/// One look at everything.
async fn read(session: &Session<'_>) -> Result<Fleet, Failure> {
    let environment = session.environment();
    let all = environment.is_empty();
    let scope = if all { status::Scope::Fleet } else { status::Scope::Environment };
    let agents = status::all(session, &scope).await?;
    let rotations = rotate::list(session, "", true, ROTATIONS_MAX).await?;
    let request = v1::ListConditionsRequest {
        environment,
        all_environments: all,
        ..v1::ListConditionsRequest::default()
    };
    let client = session.alerts().await?;
    let conditions = ask_twice(|| {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.list_conditions(request).await }
    });
    let conditions = conditions.await?;
    Ok(Fleet { agents, rotations, conditions: conditions.conditions, more: conditions.more })
}

/// Rotations that are shown.
const ROTATIONS_MAX: i32 = 1_000;
/// How often it looks where nothing is said.
const INTERVAL: Duration = Duration::from_secs(2);
