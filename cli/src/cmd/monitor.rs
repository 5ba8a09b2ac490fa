//! `secretref monitor`: what is so and people should know of.

mod edges;
mod shown;

use crate::{
    args::interval,
    connect::{Session, ask, ask_twice},
    failure::{Exit, Failure},
    print::{counted, time},
};
use edges::{Edge, Seen};
use secretref_domain::alert::ChannelName;
use secretref_proto::v1::{self, alerts_service_client::AlertsServiceClient};
use shown::{Shown, Told};
use std::{pin::pin, time::Duration};
use tonic::transport::Channel;

/// Show what is so and people should know of, and go on showing what begins and what is over.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref monitor --check-expiry 7 --alert-channel '#finance-alerts'\n  \
    secretref monitor --once --check-expiry 30 || echo \"something needs care\"\n  \
    secretref monitor --json | jq 'select(.state == \"firing\")'\n\
    The broker looks by itself, and tells every channel of the environment once when something \
    begins and once when it is over, whether or not this runs. --alert-channel tells one channel \
    besides: of all that is so, and without --once of what begins and what is over from then on.\n\
    The kinds are stable: trail-alarm, expired, refused, denied, unresolved, rotation-failed, \
    provider-degraded, rotation-stuck, consumer-lagging, expiring and never-used. Exit codes: 0 \
    nothing is so, or ended with Ctrl-C; 1 with --once something is, or the channel was not told; \
    3 there is no such channel.")]
pub(crate) struct Monitor {
    /// Within how many days a value ends soon, whether or not it is rotated by itself; else as
    /// the broker is set up, which is 7 at first
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i32).range(1..=3_650))]
    check_expiry: Option<i32>,
    /// Tell people by this alert channel too
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    alert_channel: Option<String>,
    /// Show what is so now, and end
    #[arg(long)]
    once: bool,
    /// Every environment
    #[arg(long)]
    all: bool,
    /// How often it is looked, 1s to 1h: 5s
    #[arg(long, value_name = "DURATION", value_parser = interval, conflicts_with = "once")]
    interval: Option<Duration>,
}

/// What is looked at, and who is told.
struct Watch<'s, 'c> {
    session: &'s Session<'c>,
    client: AlertsServiceClient<Channel>,
    days: i32,
    all: bool,
    channel: Option<ChannelName>,
}

impl Monitor {
    /// Shows it once, or goes on.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let channel = self.alert_channel.as_deref().map(ChannelName::parse).transpose();
        let channel = channel
            .map_err(|error| Failure::usage(error.to_string(), "see secretref alert list"))?;
        if self.all && !session.environment().is_empty() {
            let what = "--all is every environment, and --environment is one";
            return Err(Failure::usage(what, "leave one of them out"));
        }
        let (days, all) = (self.check_expiry.unwrap_or(0), self.all);
        let watch = Watch { session, client: session.alerts().await?, days, all, channel };
        match self.once {
            true => watch.once().await,
            false => watch.on(self.interval.unwrap_or(INTERVAL)).await,
        }
    }
}

impl Watch<'_, '_> {
    async fn once(&self) -> Result<Exit, Failure> {
        let out = self.session.out;
        let answer = self.look().await?;
        let conditions: Vec<Shown> = answer.conditions.into_iter().map(Shown::of).collect();
        if out.json {
            out.json(&conditions)?;
        } else if conditions.is_empty() {
            out.note("nothing is so that anybody should know of");
        } else {
            let (header, rows) = shown::table(&conditions, self.all);
            out.table(&header, &rows)?;
        }
        if answer.more > 0 {
            out.note(&format!("and {} more", answer.more));
        }
        self.channel_is_there().await?;
        self.tell(conditions.iter().map(Shown::key).collect(), Vec::new()).await?;
        Ok(if conditions.is_empty() { Exit::Done } else { Exit::Refused })
    }

    /// A broker that goes away meanwhile is waited for: whoever watches wants to see it come back.
    async fn on(&self, interval: Duration) -> Result<Exit, Failure> {
        let out = self.session.out;
        let mut interrupted = pin!(tokio::signal::ctrl_c());
        let (mut seen, mut looked, mut away) = (Seen::default(), false, false);
        loop {
            let found = tokio::select! {
                _ = &mut interrupted => return Ok(Exit::Done),
                found = self.look() => found,
            };
            match found {
                Ok(answer) => {
                    if std::mem::take(&mut away) {
                        out.note("the broker answers again");
                    }
                    let conditions = answer.conditions.into_iter().map(Shown::of);
                    let edges = seen.turn(conditions, answer.more > 0);
                    self.show(&edges, !looked).await?;
                    looked = true;
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
                () = tokio::time::sleep(interval) => {}
            }
        }
    }

    async fn show(&self, edges: &[Edge], first: bool) -> Result<(), Failure> {
        let out = self.session.out;
        let now = time::now();
        for edge in edges {
            match out.json {
                true => out.json(&Told::of(edge, &now))?,
                false => {
                    let line = edge.condition().line(edge.is_over());
                    out.line(&format!("{} {line}", time::moment(Some(&now))))?;
                }
            }
        }
        if first && edges.is_empty() && !out.json {
            out.note("nothing is so that anybody should know of; Ctrl-C ends");
        }
        let keys = |over: bool| {
            let those = edges.iter().filter(|edge| edge.is_over() == over);
            those.map(|edge| edge.condition().key()).collect::<Vec<_>>()
        };
        if first {
            self.channel_is_there().await?;
            return self.tell(keys(false), Vec::new()).await;
        }
        // It may be better the next time, and whoever watches goes on.
        self.tell(keys(false), keys(true)).await.or_else(|failure| {
            out.failure(&failure);
            Ok(())
        })
    }

    /// That there is such a channel is said at once, and not when there is something to tell.
    async fn channel_is_there(&self) -> Result<(), Failure> {
        let Some(channel) = &self.channel else { return Ok(()) };
        let request = v1::ListChannelsRequest { environment: self.session.environment() };
        let listed = ask_twice(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.list_channels(request).await }
        })
        .await?;
        if listed.channels.iter().any(|it| it.name == channel.as_str()) {
            return Ok(());
        }
        let fix = format!("secretref alert list{}", self.session.environment_option());
        let what = format!("alert channel {:?} is not there", channel.as_str());
        Err(Failure::new(Exit::NotFound, what, fix))
    }

    async fn look(&self) -> Result<v1::ListConditionsResponse, Failure> {
        let request = v1::ListConditionsRequest {
            environment: self.session.environment(),
            all_environments: self.all,
            expiring_days: self.days,
        };
        ask_twice(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.list_conditions(request).await }
        })
        .await
    }

    async fn tell(
        &self,
        began: Vec<v1::Condition>,
        over: Vec<v1::Condition>,
    ) -> Result<(), Failure> {
        let Some(channel) = &self.channel else { return Ok(()) };
        // Where none is named all are meant.
        if began.is_empty() && over.is_empty() {
            return Ok(());
        }
        let request = v1::TellConditionsRequest {
            environment: self.session.environment(),
            channel: channel.to_string(),
            expiring_days: self.days,
            began,
            over,
        };
        let answer = ask(self.client.clone().tell_conditions(request)).await?;
        let told = counted(usize::try_from(answer.told).unwrap_or(0), "condition");
        if answer.failure.is_empty() {
            if answer.told > 0 {
                self.session.out.note(&format!("alert channel {channel} was told of {told}"));
            }
            return Ok(());
        }
        let what = format!("alert channel {channel} was told of {told}: {}", answer.failure);
        let fix = match answer.fix.as_str() {
            "" => "see whether the broker's host reaches the channel's server".to_owned(),
            fix if fix.starts_with("secretref ") => {
                format!("{fix}{}", self.session.environment_option())
            }
            fix => fix.to_owned(),
        };
        Err(Failure::new(Exit::Refused, what, fix))
    }
}

/// How often it is looked where nothing is said.
const INTERVAL: Duration = Duration::from_secs(5);
