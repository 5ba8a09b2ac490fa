//! Groups in the ledger: what an agent comes to with its groups is worked out when a record of
//! either is folded, and kept.

use super::{Agent, Ledger, Touched};
use crate::{
    agent::AgentSpec,
    change::Change,
    group::{Effective, GroupSpec},
    id::AgentId,
    name::{EnvironmentName, GroupName, ToolName},
};
use std::collections::BTreeSet;

impl Agent {
    /// What it is together with its groups: what decides what it gets.
    #[must_use]
    pub fn effective(&self) -> &AgentSpec {
        self.grouped.as_ref().map_or(&self.spec, |grouped| &grouped.spec)
    }

    /// The group that a tool's binding comes from; none where the agent binds it itself.
    #[must_use]
    pub fn group_of(&self, tool: &ToolName) -> Option<&GroupName> {
        self.grouped.as_ref().and_then(|grouped| grouped.origins.get(tool))
    }
}

impl Ledger {
    /// A group of an environment.
    #[must_use]
    pub fn group(&self, environment: &EnvironmentName, name: &GroupName) -> Option<&GroupSpec> {
        self.groups.get(&(environment.clone(), name.clone()))
    }

    /// All groups of an environment, by name.
    pub fn groups(
        &self,
        environment: &EnvironmentName,
    ) -> impl Iterator<Item = (&GroupName, &GroupSpec)> {
        self.groups
            .iter()
            .filter(move |((of, _), _)| of == environment)
            .map(|((_, name), spec)| (name, spec))
    }

    /// The agents of an environment that name a group, ordered by name.
    pub fn agents_of_group(
        &self,
        environment: &EnvironmentName,
        group: &GroupName,
    ) -> impl Iterator<Item = &Agent> {
        self.agents_after(environment, None).filter(move |agent| agent.spec.groups.contains(group))
    }

    pub(super) fn fold_group(&mut self, change: &Change) -> Touched {
        let (environment, name) = match change {
            Change::GroupSet { environment, name, spec } => {
                self.groups.insert((environment.clone(), name.clone()), spec.clone());
                (environment, name)
            }
            Change::GroupRemoved { environment, name } => {
                self.groups.remove(&(environment.clone(), name.clone()));
                (environment, name)
            }
            _ => return Touched::default(),
        };
        let agents: BTreeSet<AgentId> =
            self.agents_of_group(environment, name).map(|agent| agent.id).collect();
        for agent in &agents {
            self.regroup(*agent);
            self.index(*agent);
        }
        Touched { agents, ..Touched::default() }
    }

    /// Works out what an agent comes to with its groups.
    pub(super) fn regroup(&mut self, agent: AgentId) {
        let groups = &self.groups;
        let Some(found) = self.agents.get_mut(&agent) else { return };
        found.grouped = (!found.spec.groups.is_empty()).then(|| {
            let environment = &found.environment;
            let group = |name: &GroupName| groups.get(&(environment.clone(), name.clone()));
            Box::new(Effective::of(&found.spec, group))
        });
    }
}
