//! What is different between two looks, for whoever reads lines. Pure.

use super::{
    View,
    screen::{connected, injected, remarks, title},
};
use crate::print::{json, plain, schedule, status};
use prost_types::Timestamp;
use secretref_proto::v1;
use std::collections::BTreeMap;

/// What was seen at one look, by environment and agent.
#[derive(Default)]
pub(super) struct Seen(BTreeMap<(String, String), v1::AgentStatus>);

/// Something to say of an agent: what it is said of, and in which words.
type Said = (String, String);

impl Seen {
    /// Takes a new look for the last one, and says in lines what is different.
    pub(super) fn lines(
        &mut self,
        now: Vec<v1::AgentStatus>,
        view: View,
        at: &Timestamp,
    ) -> Vec<String> {
        let now = Self::of(now);
        let mut lines = Vec::new();
        for (who, found) in &now.0 {
            // The same moment for both: what only grows older is no change.
            let before = self.0.get(who).map(|before| words(before, view, at)).unwrap_or_default();
            let words = words(found, view, at);
            let gone = before.iter().filter(|(of, _)| words.iter().all(|(it, _)| it != of));
            let gone = gone.filter(|(of, _)| !of.contains(' '));
            let gone = gone.map(|(of, _)| format!("{} {of}: no longer bound", who_is(found)));
            lines.extend(
                words.iter().filter(|said| !before.contains(said)).map(|said| &said.1).cloned(),
            );
            lines.extend(gone);
        }
        let gone = self.0.iter().filter(|(who, _)| !now.0.contains_key(*who));
        lines.extend(gone.map(|(_, found)| format!("{}: gone", title(found))));
        *self = now;
        lines.iter().map(|line| plain(line)).collect()
    }

    /// Takes a new look for the last one, and gives every agent that is different.
    pub(super) fn agents(&mut self, now: Vec<v1::AgentStatus>) -> Vec<status::Agent> {
        let now = Self::of(now);
        let changed = now.0.iter().filter(|(who, found)| self.0.get(*who) != Some(*found));
        let mut agents: Vec<status::Agent> =
            changed.map(|(_, found)| found.clone().into()).collect();
        let gone = self.0.iter().filter(|(who, _)| !now.0.contains_key(*who));
        agents
            .extend(gone.map(|((environment, agent), _)| status::Agent::gone(agent, environment)));
        *self = now;
        agents
    }

    fn of(statuses: Vec<v1::AgentStatus>) -> Self {
        let keyed = statuses.into_iter();
        Self(keyed.map(|it| ((it.environment.clone(), it.agent.clone()), it)).collect())
    }
}

fn who_is(found: &v1::AgentStatus) -> String {
    format!("{} ({})", found.agent, found.environment)
}

/// Everything that is said of an agent.
fn words(found: &v1::AgentStatus, view: View, at: &Timestamp) -> Vec<Said> {
    let title = title(found);
    let connected = match connected(found, at) {
        waiting if waiting == "waiting" => waiting,
        some => format!("{some} connected"),
    };
    if !view.secrets {
        let rest = match remarks(found, at).as_str() {
            "" => String::new(),
            rest => format!("; {rest}"),
        };
        let line = format!("{title}: {connected}, {}{rest}", injected(found));
        return vec![(String::new(), line)];
    }
    let who = who_is(found);
    let state = json::agent_state(found.state());
    let mut words = vec![(String::new(), format!("{who}: {state}, {connected}"))];
    // A blank is in no file's name.
    let schedules = (0..).zip(schedule::lines(found, at));
    words.extend(schedules.map(|(at, line)| (format!("schedule {at}"), format!("{who} {line}"))));
    let alarms = (0..).zip(status::trail_alarms(found));
    words.extend(alarms.map(|(at, line)| (format!("trail {at}"), format!("{who} {line}"))));
    words.extend(found.refs.iter().map(|one| {
        // The file's name is the one thing that no two refs of an agent share.
        (one.file.clone(), format!("{who} {}", status::headline(one, at)))
    }));
    words
}

#[cfg(test)]
mod tests;
