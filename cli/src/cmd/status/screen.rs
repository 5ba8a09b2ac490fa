//! Statuses as a person reads them, all at once.

use super::View;
use crate::print::{Printer, json, plain, schedule, status};
use prost_types::Timestamp;
use secretref_proto::v1::{self, RefState};

impl View {
    /// All that there is to show.
    pub(super) fn lines(
        self,
        out: Printer,
        statuses: &[v1::AgentStatus],
        now: &Timestamp,
    ) -> Vec<String> {
        if !self.secrets {
            let rows: Vec<Vec<String>> = statuses.iter().map(|it| self.row(it, now)).collect();
            let header = ["ENVIRONMENT", "AGENT", "STATE", "CONNECTED", "REFS", ""];
            return out.table_lines(&header[usize::from(!self.fleet)..], &rows);
        }
        let mut lines = Vec::new();
        for found in statuses {
            if !self.single {
                lines.push(out.strong(&title(found)));
            }
            lines.extend(status::trail_alarms(found));
            lines.extend(schedule::lines(found, now));
            lines.extend(found.refs.iter().flat_map(|one| status::lines(one, now)));
        }
        lines
    }

    /// One agent in one line of the table.
    fn row(self, found: &v1::AgentStatus, now: &Timestamp) -> Vec<String> {
        let mut row = vec![
            found.agent.clone(),
            json::agent_state(found.state()).to_owned(),
            connected(found, now),
            injected(found),
            remarks(found, now),
        ];
        if self.fleet {
            row.insert(0, found.environment.clone());
        }
        row
    }
}

/// Who an agent is.
pub(super) fn title(found: &v1::AgentStatus) -> String {
    let state = json::agent_state(found.state());
    plain(&format!("{} ({}, {state})", found.agent, found.environment))
}

/// How many of its instances hold a stream, or that none has to before the next run.
pub(super) fn connected(found: &v1::AgentStatus, now: &Timestamp) -> String {
    match found.instances.iter().filter(|instance| instance.connected).count() {
        0 if schedule::waits(found, now) => "waiting".to_owned(),
        connected => format!("{connected} of {}", found.instances.len()),
    }
}

/// How many of its refs are where they belong, or will be when the next run begins.
pub(super) fn injected(found: &v1::AgentStatus) -> String {
    let count = |state| found.refs.iter().filter(|found| found.state() == state).count();
    let all = found.refs.len();
    match count(RefState::Scheduled) {
        0 => format!("{} of {all} injected", count(RefState::Injected)),
        scheduled => format!("{scheduled} of {all} scheduled"),
    }
}

/// Which refs are not where they belong, by state; and when the agent runs by a schedule, when.
pub(super) fn remarks(found: &v1::AgentStatus, now: &Timestamp) -> String {
    let mut rest: Vec<String> = Vec::new();
    for state in NOT_WELL {
        let refs = found.refs.iter().filter(|found| found.state() == state);
        let labels: Vec<&str> = refs.map(status::label).collect();
        if !labels.is_empty() {
            rest.push(format!("{}: {}", status::state(state), labels.join(", ")));
        }
    }
    rest.extend(schedule::lines(found, now));
    rest.extend(status::trail_alarms(found));
    rest.join("; ")
}

const NOT_WELL: [RefState; 5] = [
    RefState::Denied,
    RefState::Unresolved,
    RefState::Failed,
    RefState::Pending,
    RefState::Waiting,
];

#[cfg(test)]
mod tests;
