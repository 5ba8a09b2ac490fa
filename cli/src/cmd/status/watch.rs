//! `secretref status --watch`: looks again and again, and shows what is different.

use super::{NOBODY, Scope, View, change::Seen, read};
use crate::{
    connect::Session,
    failure::{Exit, Failure},
    print::{Printer, time},
};
use secretref_proto::v1::{self, AgentState, agents_service_client::AgentsServiceClient};
use std::{pin::pin, time::Duration};
use tonic::transport::Channel;

/// What is looked at.
pub(super) struct Watch<'s, 'c> {
    pub(super) session: &'s Session<'c>,
    pub(super) scope: Scope,
    /// Whether revoked agents are shown.
    pub(super) revoked: bool,
    pub(super) view: View,
}

impl Watch<'_, '_> {
    /// Looks until it is interrupted. A broker that goes away meanwhile is waited for: whoever
    /// watches wants to see it come back.
    pub(super) async fn run(self, interval: Duration) -> Result<Exit, Failure> {
        let out = self.session.out;
        let client = self.session.agents().await?;
        let mut interrupted = pin!(tokio::signal::ctrl_c());
        let (mut seen, mut looked, mut away) = (Seen::default(), false, false);
        loop {
            let found = tokio::select! {
                _ = &mut interrupted => return Ok(Exit::Done),
                found = self.read(&client) => found,
            };
            match found {
                Ok(found) => {
                    if std::mem::take(&mut away) {
                        out.note("the broker answers again");
                    }
                    self.show(&mut seen, found, !looked)?;
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

    /// One look.
    pub(super) async fn read(
        &self,
        client: &AgentsServiceClient<Channel>,
    ) -> Result<Vec<v1::AgentStatus>, Failure> {
        let mut statuses = read(client, self.session.environment(), &self.scope).await?;
        statuses.retain(|status| self.revoked || status.state() != AgentState::Revoked);
        Ok(statuses)
    }

    fn show(
        &self,
        seen: &mut Seen,
        found: Vec<v1::AgentStatus>,
        first: bool,
    ) -> Result<(), Failure> {
        let out = self.session.out;
        if out.json {
            return seen.agents(found).iter().try_for_each(|agent| out.json(agent));
        }
        let now = time::now();
        if out.terminal {
            return self.draw(out, &found, first, &now);
        }
        if first && found.is_empty() {
            out.note(NOBODY);
        }
        let at = time::moment(Some(&now));
        let lines = seen.lines(found, self.view, &now);
        lines.iter().try_for_each(|line| out.line(&format!("{at} {line}")))
    }

    fn draw(
        &self,
        out: Printer,
        found: &[v1::AgentStatus],
        first: bool,
        now: &prost_types::Timestamp,
    ) -> Result<(), Failure> {
        let mut lines = vec![format!("{} UTC; Ctrl-C ends", time::moment(Some(now)))];
        match found {
            [] => lines.push(NOBODY.to_owned()),
            _ => lines.extend(self.view.lines(out, found, now)),
        }
        out.draw(lines, first, "without --watch all are shown")
    }
}
