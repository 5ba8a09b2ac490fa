//! `secretref alert test`.

use super::fix;
use crate::{
    connect::{Session, ask},
    failure::{Exit, Failure},
    print::json::present,
};
use secretref_domain::alert::ChannelName;
use secretref_proto::v1;
use serde::Serialize;

/// Send a test alert by a channel, and say what came of it.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  secretref alert test '#finance-alerts'\n\
    It goes by the way that every alert goes: the address is read from its secret, on the record, \
    and tried once. Exit codes: 0 it was taken, 1 it was not, 3 there is no such channel.")]
pub(crate) struct Test {
    /// Name of the alert channel
    name: String,
}

#[derive(Serialize)]
struct Tried<'a> {
    channel: &'a str,
    sent: bool,
    failure: Option<String>,
    fix: Option<String>,
}

impl Test {
    /// Has it sent, and says what came of it.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let name = ChannelName::parse(&self.name)
            .map_err(|error| Failure::usage(error.to_string(), "see secretref alert list"))?;
        let request =
            v1::TestChannelRequest { name: name.to_string(), environment: session.environment() };
        let mut client = session.alerts().await?;
        let answer = ask(client.test_channel(request)).await?;
        let (failure, fix) = (present(answer.failure), fix(session, answer.fix));
        let exit = if answer.sent { Exit::Done } else { Exit::Refused };
        if session.out.json {
            let channel = name.as_str();
            session.out.json(&Tried { channel, sent: answer.sent, failure, fix })?;
            return Ok(exit);
        }
        if answer.sent {
            session.out.line(&format!("alert channel {name}: a test alert was sent"))?;
            return Ok(exit);
        }
        let reason = failure.unwrap_or_default();
        let what = format!("alert channel {:?}: nothing was sent: {reason}", name.as_str());
        let otherwise = "see whether the broker's host reaches the channel's server, and try again";
        Err(Failure::new(exit, what, fix.unwrap_or_else(|| otherwise.to_owned())))
    }
}
