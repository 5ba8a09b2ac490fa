//! What there is to see of a fleet at one look. Pure.

use crate::print::{Printer, json, plain, rotation, time};
use prost_types::Timestamp;
use secretref_proto::v1::{self, AgentState, RefState};
use serde::Serialize;
use std::collections::BTreeMap;

/// What the broker said at one look.
pub(super) struct Fleet {
    pub(super) agents: Vec<v1::AgentStatus>,
    pub(super) rotations: Vec<v1::Rotation>,
    /// The worst first.
    pub(super) conditions: Vec<v1::Condition>,
    /// How many conditions there are besides.
    pub(super) more: i32,
}

/// How many there are of what, as programs read it.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Document<'f> {
    pub(super) agents: usize,
    pub(super) agents_connected: usize,
    pub(super) instances: usize,
    pub(super) instances_connected: usize,
    /// Connected sidecars by their version.
    pub(super) sidecars: BTreeMap<&'f str, usize>,
    pub(super) refs: usize,
    pub(super) refs_in_place: usize,
    /// Refs of connected agents that are not in place.
    pub(super) refs_behind: usize,
    pub(super) rotations: usize,
    pub(super) conditions: usize,
    pub(super) errors: usize,
}

impl Fleet {
    /// How many there are of what.
    pub(super) fn document(&self) -> Document<'_> {
        let mut it = Document {
            rotations: self.rotations.len(),
            conditions: self.conditions.len() + usize::try_from(self.more).unwrap_or(0),
            errors: self.conditions.iter().filter(|one| one.severity == "error").count(),
            ..Document::default()
        };
        for agent in self.agents.iter().filter(|agent| agent.state() != AgentState::Revoked) {
            let connected = agent.instances.iter().filter(|instance| instance.connected);
            it.agents += 1;
            it.instances += agent.instances.len();
            it.instances_connected += connected.clone().count();
            it.agents_connected += usize::from(connected.clone().next().is_some());
            for instance in connected.filter(|instance| !instance.client_version.is_empty()) {
                *it.sidecars.entry(&instance.client_version).or_default() += 1;
            }
            it.refs += agent.refs.len();
            let in_place = agent.refs.iter().filter(|one| one.state() == RefState::Injected);
            it.refs_in_place += in_place.count();
            it.refs_behind += behind(agent).count();
        }
        it
    }

    /// Everything, what is not well first.
    pub(super) fn lines(&self, out: Printer, now: &Timestamp) -> Vec<String> {
        let mut lines = self.head(now);
        if !self.conditions.is_empty() {
            let row = |it: &v1::Condition| {
                let since = it.since_time.as_ref().map(time::minute).unwrap_or_default();
                let what = match it.fix.as_str() {
                    "" => it.reason.clone(),
                    fix => format!("{}. Fix: {fix}", it.reason),
                };
                let about = [&it.secret_ref, &it.provider, &it.agent, &it.tool];
                let about = about.into_iter().filter(|name| !name.is_empty());
                let about = about.map(String::as_str).collect::<Vec<_>>().join(", ");
                [it.kind.clone(), it.environment.clone(), about, since, what].map(|it| plain(&it))
            };
            let rows: Vec<_> =
                self.conditions.iter().take(CONDITIONS_SHOWN).map(row).map(Vec::from).collect();
            let header = ["CONDITION", "ENVIRONMENT", "ABOUT", "SINCE", "WHAT"];
            lines.push(String::new());
            lines.extend(out.table_lines(&header, &rows));
            let more = self.document().conditions - rows.len();
            if more > 0 {
                lines.push(format!("… and {more} more: secretref monitor --once --all"));
            }
        }
        if !self.rotations.is_empty() {
            let rows: Vec<Vec<String>> = self.rotations.iter().map(rotation_row).collect();
            let header = ["ROTATION OF", "ENVIRONMENT", "VERSIONS", "PHASE", "PROVEN", "WAITS FOR"];
            lines.push(String::new());
            lines.extend(out.table_lines(&header, &rows));
        }
        let mut agents: Vec<_> = self.agents.iter().collect();
        agents.retain(|agent| agent.state() != AgentState::Revoked);
        agents.sort_by_key(|agent| std::cmp::Reverse(behind(agent).count()));
        let rows: Vec<Vec<String>> = agents.into_iter().map(agent_row).collect();
        lines.push(String::new());
        let header = ["AGENT", "ENVIRONMENT", "STATE", "CONNECTED", "SIDECAR", "REFS", "BEHIND"];
        lines.extend(out.table_lines(&header, &rows));
        lines
    }

    fn head(&self, now: &Timestamp) -> Vec<String> {
        let it = self.document();
        let sidecars: Vec<_> =
            it.sidecars.iter().map(|(version, count)| format!("{version} × {count}")).collect();
        let sidecars = if sidecars.is_empty() { "none".to_owned() } else { sidecars.join(", ") };
        vec![
            format!(
                "{} UTC   agents {} of {} connected   instances {} of {}   sidecars {}",
                time::moment(Some(now)),
                it.agents_connected,
                it.agents,
                it.instances_connected,
                it.instances,
                plain(&sidecars)
            ),
            format!(
                "refs {} of {} in place, {} behind   rotations {}   conditions {}, errors {}",
                it.refs_in_place, it.refs, it.refs_behind, it.rotations, it.conditions, it.errors
            ),
        ]
    }
}

/// Refs of a connected agent that are not in place.
fn behind(agent: &v1::AgentStatus) -> impl Iterator<Item = &v1::RefStatus> {
    let connected = agent.instances.iter().any(|instance| instance.connected);
    let lags = |one: &&v1::RefStatus| matches!(one.state(), RefState::Pending | RefState::Failed);
    agent.refs.iter().filter(move |_| connected).filter(lags)
}

fn agent_row(agent: &v1::AgentStatus) -> Vec<String> {
    let connected = agent.instances.iter().filter(|instance| instance.connected);
    let mut versions: Vec<_> =
        connected.clone().map(|instance| instance.client_version.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    let in_place = agent.refs.iter().filter(|one| one.state() == RefState::Injected).count();
    let lag = |one: &v1::RefStatus| {
        format!("{} v{} → v{}", one.secret_ref, one.applied_version, one.version)
    };
    let lags: Vec<String> = behind(agent).map(lag).collect();
    let row = [
        agent.agent.clone(),
        agent.environment.clone(),
        json::agent_state(agent.state()).to_owned(),
        format!("{} of {}", connected.count(), agent.instances.len()),
        versions.join(", "),
        format!("{in_place} of {}", agent.refs.len()),
        lags.join(", "),
    ];
    row.map(|cell| plain(&cell)).into()
}

fn rotation_row(found: &v1::Rotation) -> Vec<String> {
    let waits: Vec<String> = found.waits.iter().map(rotation::wait).collect();
    let waits = if found.trouble.is_empty() { waits.join("; ") } else { found.trouble.clone() };
    let row = [
        found.secret_ref.clone(),
        found.environment.clone(),
        rotation::versions(found),
        rotation::phase(found),
        format!("{} of {} agents", proven(found), found.agents),
        waits,
    ];
    row.map(|cell| plain(&cell)).into()
}

fn proven(found: &v1::Rotation) -> usize {
    let agents: std::collections::BTreeSet<&str> =
        found.proofs.iter().map(|proof| proof.agent.as_str()).collect();
    agents.len()
}

/// How many conditions are shown.
const CONDITIONS_SHOWN: usize = 8;

#[cfg(test)]
mod tests;
