//! What an apply must not leave behind: agents whose groups are not there, or do not fit together.

use crate::custody::CustodyError;
use secretref_domain::{
    agent::Slot,
    ledger::{Agent, Ledger},
    limit::{BINDINGS_MAX, GROUPS_MAX},
    name::{AgentName, EnvironmentName, GroupName},
};
use std::collections::BTreeSet;

/// Lines that a refusal has: a status travels in headers, which are small.
const LINES_MAX: usize = 16;

/// What an apply has touched.
pub(super) struct Touched<'a> {
    pub(super) environment: &'a EnvironmentName,
    pub(super) agents: BTreeSet<&'a AgentName>,
    /// Groups that were set.
    pub(super) set: BTreeSet<&'a GroupName>,
    /// Groups that were removed.
    pub(super) removed: BTreeSet<&'a GroupName>,
}

/// Checks every agent that the apply set, or whose groups it set or removed, in the ledger as it
/// would be.
pub(super) fn check(after: &Ledger, touched: &Touched<'_>) -> Result<(), CustodyError> {
    in_use(after, touched)?;
    let mut lines = Vec::new();
    let count = after.groups(touched.environment).count();
    if count > GROUPS_MAX {
        lines.push(format!(
            "groups: environment {} would have {count}: {GROUPS_MAX} at most. Fix: join some",
            touched.environment
        ));
    }
    let concerned = |agent: &&Agent| {
        touched.agents.contains(&agent.name)
            || agent.spec.groups.iter().any(|group| touched.set.contains(group))
    };
    let agents = after.agents_after(touched.environment, None).filter(concerned);
    for agent in agents.filter(|agent| !agent.spec.groups.is_empty()) {
        unknown(after, agent, &mut lines);
        clashes(agent, &mut lines);
    }
    if lines.is_empty() {
        return Ok(());
    }
    let more = lines.len().saturating_sub(LINES_MAX);
    lines.truncate(LINES_MAX);
    if more > 0 {
        lines.push(format!("{more} more problems are not shown. Fix: correct these first"));
    }
    Err(CustodyError::invalid("files", lines.join("\n")))
}

/// Refuses to take a group away from agents that go on naming it.
fn in_use(after: &Ledger, touched: &Touched<'_>) -> Result<(), CustodyError> {
    for group in &touched.removed {
        let mut agents = after.agents_of_group(touched.environment, group);
        let names: Vec<&str> =
            agents.by_ref().take(LINES_MAX).map(|agent| agent.name.as_str()).collect();
        if names.is_empty() {
            continue;
        }
        let more = match agents.count() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let names = names.join(", ");
        return Err(CustodyError::Precondition {
            code: "GROUP_IN_USE",
            message: format!(
                "group {:?} would be removed, and these agents name it: {names}{more}",
                group.as_str()
            ),
            fix: "keep it under `groups`, or take it out of the agents' `groups` too".into(),
        });
    }
    Ok(())
}

fn unknown(after: &Ledger, agent: &Agent, lines: &mut Vec<String>) {
    for (index, group) in agent.spec.groups.iter().enumerate() {
        if after.group(&agent.environment, group).is_none() {
            lines.push(format!(
                "agents.{}.groups[{index}]: there is no group {:?} in environment {}. Fix: define \
                 it under `groups`, or remove it here",
                agent.name,
                group.as_str(),
                agent.environment
            ));
        }
    }
}

fn clashes(agent: &Agent, lines: &mut Vec<String>) {
    let effective = agent.effective();
    let count = effective.credentials().count();
    if count > BINDINGS_MAX {
        lines.push(format!(
            "agents.{}.groups: with its groups it has {count} credentials: {BINDINGS_MAX} at most. \
             Fix: leave a group out",
            agent.name
        ));
    }
    let place = |(tool, key): Slot<'_>| {
        let whose = match agent.group_of(tool) {
            Some(group) => format!("groups.{group}"),
            None => format!("agents.{}", agent.name),
        };
        format!("{whose}.tool-bindings.{tool}.credentials.{key}")
    };
    for clash in effective.clashes() {
        let (problem, fix) = clash.told(&place(clash.other));
        let (agent, at) = (&agent.name, place(clash.at));
        lines.push(format!("{at}: for agent {agent}, {problem}. Fix: {fix}"));
    }
}
