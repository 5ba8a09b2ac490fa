//! `secretref alert list`.

use super::fix;
use crate::{
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
    print::json::present,
};
use secretref_proto::v1;
use serde::Serialize;

/// List the alert channels of an environment.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  secretref alert list --environment production --json")]
pub(crate) struct List {}

/// A channel as programs read it.
#[derive(Serialize)]
struct Shown {
    channel: String,
    environment: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "ref")]
    secret_ref: Option<String>,
    problem: Option<String>,
    fix: Option<String>,
}

impl List {
    /// Prints all channels, ordered by name.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let request = v1::ListChannelsRequest { environment: session.environment() };
        let client = session.alerts().await?;
        let answer = ask_twice(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.list_channels(request).await }
        })
        .await?;
        let channels: Vec<Shown> =
            answer.channels.into_iter().map(|it| shown(session, it)).collect();
        if session.out.json {
            session.out.json(&channels)?;
            return Ok(Exit::Done);
        }
        if channels.is_empty() {
            session
                .out
                .note("no alert channel is there yet; a manifest's alerts.channels sets some");
            return Ok(Exit::Done);
        }
        let row = |channel: &Shown| {
            let state = match (&channel.problem, &channel.fix) {
                (None, _) => "ready".to_owned(),
                (Some(problem), None) => problem.clone(),
                (Some(problem), Some(fix)) => format!("{problem}. Fix: {fix}"),
            };
            let reference = channel.secret_ref.clone().unwrap_or_else(|| "-".to_owned());
            vec![channel.channel.clone(), channel.kind.to_owned(), reference, state]
        };
        let rows: Vec<Vec<String>> = channels.iter().map(row).collect();
        session.out.table(&["CHANNEL", "TYPE", "REF", "STATE"], &rows)?;
        Ok(Exit::Done)
    }
}

fn shown(session: &Session<'_>, channel: v1::AlertChannel) -> Shown {
    let kind = match channel.kind() {
        v1::ChannelKind::Unspecified => "unknown",
        v1::ChannelKind::Slack => "slack",
        v1::ChannelKind::Webhook => "webhook",
        v1::ChannelKind::Log => "log",
    };
    Shown {
        channel: channel.name,
        environment: channel.environment,
        kind,
        secret_ref: present(channel.secret_ref),
        problem: present(channel.problem),
        fix: fix(session, channel.fix),
    }
}
