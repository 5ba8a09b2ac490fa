//! `secretref monitor`.

use crate::{
    connect::{Session, ask, ask_twice},
    failure::{Exit, Failure},
    print::{json::present, time},
};
use secretref_domain::alert::ChannelName;
use secretref_proto::v1::{self, Condition, alerts_service_client::AlertsServiceClient};
use serde::Serialize;
use std::{pin::pin, time::Duration};
use tonic::transport::Channel;

/// Say what ends, fails or is stuck, and tell a channel of it.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref monitor --check-expiry 7 --alert-channel '#finance-alerts' --once\n  \
    secretref monitor --json | jq -r 'select(.over | not) | .condition.reason'\n\
    Without --once it goes on, and says when each begins and when it is over. A broker watches by \
    itself and tells every channel; this is for another horizon, another channel, or one's own \
    eyes. Exit codes: 0 nothing stands (without --once: interrupted), 1 something does, or the \
    channel was not told, 3 there is no such channel.")]
pub(crate) struct Monitor {
    /// How many days ahead the end of a value is told of
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    #[arg(value_parser = clap::value_parser!(i32).range(1..=3650))]
    check_expiry: i32,
    /// Alert channel that is told too
    #[arg(long, value_name = "NAME")]
    alert_channel: Option<String>,
    /// Look once
    #[arg(long)]
    once: bool,
}

/// What stands, as programs read it.
#[derive(Serialize)]
struct Standing {
    environment: String,
    conditions: Vec<Shown>,
    more: i32,
    told: Option<i32>,
}

/// What began or is over, as programs read it.
#[derive(Serialize)]
struct Edge {
    at: String,
    over: bool,
    condition: Shown,
}

#[derive(Serialize)]
struct Shown {
    kind: String,
    severity: String,
    #[serde(rename = "ref")]
    secret_ref: Option<String>,
    agent: Option<String>,
    provider: Option<String>,
    reason: String,
    fix: Option<String>,
}

impl Monitor {
    /// Looks once, or until it is interrupted.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let channel = self.alert_channel.as_deref().map(ChannelName::parse).transpose();
        let channel = channel
            .map_err(|error| Failure::usage(error.to_string(), "see secretref alert list"))?;
        let client = session.alerts().await?;
        let watch = Watch { session, client, days: self.check_expiry, channel };
        if self.once { watch.once().await } else { watch.on().await }
    }
}

struct Watch<'s, 'c> {
    session: &'s Session<'c>,
    client: AlertsServiceClient<Channel>,
    days: i32,
    channel: Option<ChannelName>,
}

impl Watch<'_, '_> {
    async fn once(self) -> Result<Exit, Failure> {
        let out = self.session.out;
        let found = self.look().await?;
        let told = self.tell(&found.conditions, &[]).await?;
        let exit = if found.conditions.is_empty() { Exit::Done } else { Exit::Refused };
        if out.json {
            let conditions = found.conditions.into_iter().map(shown).collect();
            let (environment, more) = (found.environment, found.more);
            out.json(&Standing { environment, conditions, more, told })?;
            return Ok(exit);
        }
        if found.conditions.is_empty() {
            out.note(&format!("nothing stands in environment {}", found.environment));
            return Ok(exit);
        }
        let row =
            |it: &Condition| vec![it.kind.clone(), about(it), it.reason.clone(), it.fix.clone()];
        let rows: Vec<Vec<String>> = found.conditions.iter().map(row).collect();
        out.table(&["KIND", "ABOUT", "REASON", "FIX"], &rows)?;
        if found.more > 0 {
            out.note(&format!("and {} more", found.more));
        }
        if let (Some(told), Some(channel)) = (told, &self.channel) {
            out.note(&format!("alert channel {channel} was told of {told}"));
        }
        Ok(exit)
    }

    /// Looks until it is interrupted. A broker that goes away meanwhile is waited for.
    async fn on(self) -> Result<Exit, Failure> {
        let out = self.session.out;
        let mut interrupted = pin!(tokio::signal::ctrl_c());
        let (mut stands, mut looked, mut away) = (Vec::<Condition>::new(), false, false);
        loop {
            let found = tokio::select! {
                _ = &mut interrupted => return Ok(Exit::Done),
                found = self.look() => found,
            };
            match found {
                Ok(found) => {
                    if std::mem::take(&mut away) {
                        out.note("the broker answers again");
                    }
                    if !looked && found.conditions.is_empty() {
                        out.note(&format!("nothing stands in environment {}", found.environment));
                    }
                    looked = true;
                    let began = lacking(&found.conditions, &stands);
                    let over = lacking(&stands, &found.conditions);
                    stands = found.conditions;
                    self.show(&began, false)?;
                    self.show(&over, true)?;
                    // What a channel does not take is said, and the looking goes on.
                    if let Err(failure) = self.tell(&began, &over).await {
                        out.failure(&failure);
                    }
                }
                Err(failure) if looked && failure.exit == Exit::Unreachable => {
                    if !std::mem::replace(&mut away, true) {
                        out.failure(&failure);
                    }
                }
                Err(failure) => return Err(failure),
            }
            tokio::select! {
                _ = &mut interrupted => return Ok(Exit::Done),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn look(&self) -> Result<v1::ListConditionsResponse, Failure> {
        let environment = self.session.environment();
        let request = v1::ListConditionsRequest { environment, expiring_days: self.days };
        ask_twice(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.list_conditions(request).await }
        })
        .await
    }

    /// Tells the channel; how many it was told of, where there is one.
    async fn tell(&self, began: &[Condition], over: &[Condition]) -> Result<Option<i32>, Failure> {
        let Some(channel) = &self.channel else { return Ok(None) };
        let request = v1::TellConditionsRequest {
            environment: self.session.environment(),
            channel: channel.to_string(),
            expiring_days: self.days,
            began: began.to_vec(),
            over: over.to_vec(),
        };
        let answer = ask(self.client.clone().tell_conditions(request)).await?;
        if answer.failure.is_empty() {
            return Ok(Some(answer.told));
        }
        let name = channel.as_str();
        let what = format!("alert channel {name:?} was not told: {}", answer.failure);
        let fix = present(answer.fix).unwrap_or_else(|| format!("secretref alert test {name:?}"));
        Err(Failure::new(Exit::Refused, what, fix))
    }

    fn show(&self, conditions: &[Condition], over: bool) -> Result<(), Failure> {
        let (out, at) = (self.session.out, time::now());
        for condition in conditions {
            if out.json {
                let (at, condition) = (at.to_string(), shown(condition.clone()));
                out.json(&Edge { at, over, condition })?;
                continue;
            }
            let Condition { kind, reason, fix, .. } = condition;
            let about = about(condition);
            out.line(&match over {
                true => format!("{at} ✅ over: {kind}, {about}: {reason}"),
                false if fix.is_empty() => format!("{at} ⚠️ {kind}, {about}: {reason}"),
                false => format!("{at} ⚠️ {kind}, {about}: {reason}. Fix: {fix}"),
            })?;
        }
        Ok(())
    }
}

/// Those of the first that the second has not, whatever is advised.
fn lacking(all: &[Condition], known: &[Condition]) -> Vec<Condition> {
    let same = |one: &Condition, other: &Condition| {
        let bare = |it: &Condition| Condition { fix: String::new(), ..it.clone() };
        bare(one) == bare(other)
    };
    all.iter().filter(|it| !known.iter().any(|other| same(it, other))).cloned().collect()
}

fn about(condition: &Condition) -> String {
    let Condition { secret_ref, agent, provider, .. } = condition;
    let parts = [("agent", agent), ("ref", secret_ref), ("provider", provider)];
    let named = parts.iter().filter(|(_, name)| !name.is_empty());
    named.map(|(what, name)| format!("{what} {name}")).collect::<Vec<_>>().join(", ")
}

fn shown(condition: Condition) -> Shown {
    Shown {
        kind: condition.kind,
        severity: condition.severity,
        secret_ref: present(condition.secret_ref),
        agent: present(condition.agent),
        provider: present(condition.provider),
        reason: condition.reason,
        fix: present(condition.fix),
    }
}

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
