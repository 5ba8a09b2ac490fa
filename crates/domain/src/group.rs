//! Groups: tools that several agents share, and what an agent comes to with them.
//!
//! ```text
//! groups, in the order in which the agent names them ─▶ a later one replaces an earlier one's
//!                                     the agent's own ─▶ replaces any group's
//! ```
//! A tool is replaced whole, its binding and its auth-profile each by itself: half of one binding
//! and half of another would be a third that nobody wrote. An agent's own `capabilities` count
//! alone, so that no group widens what its manifest lists.

use crate::{
    agent::{AgentSpec, AuthProfile, ToolBinding},
    name::{GroupName, ToolName},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A group as its manifest describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSpec {
    /// Description for people, any UTF-8 of at most 4,096 bytes.
    pub description: String,
    /// Tools that its agents may use; absent: exactly its bound tools.
    pub capabilities: Option<Vec<ToolName>>,
    /// Failure policy for each tool.
    pub profiles: BTreeMap<ToolName, AuthProfile>,
    /// Credentials for each tool.
    pub tools: BTreeMap<ToolName, ToolBinding>,
}

/// What an agent comes to with its groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effective {
    /// The agent as if it bound all of it itself.
    pub spec: AgentSpec,
    /// The group that each tool's binding comes from; a tool of the agent's own is not among them.
    pub origins: BTreeMap<ToolName, GroupName>,
}

impl Effective {
    /// Lays an agent's own say over its groups'. A group that is not there adds nothing.
    pub fn of<'g>(
        own: &AgentSpec,
        mut group: impl FnMut(&GroupName) -> Option<&'g GroupSpec>,
    ) -> Self {
        let (mut profiles, mut tools, mut origins) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut groups = Vec::with_capacity(own.groups.len());
        for name in &own.groups {
            let Some(spec) = group(name) else { continue };
            profiles.extend(spec.profiles.clone());
            tools.extend(spec.tools.clone());
            origins.extend(spec.tools.keys().map(|tool| (tool.clone(), name.clone())));
            groups.push(spec);
        }
        profiles.extend(own.profiles.clone());
        tools.extend(own.tools.clone());
        origins.retain(|tool, _| !own.tools.contains_key(tool));
        let capabilities = capabilities(own, &groups);
        Self { spec: AgentSpec { capabilities, profiles, tools, ..own.clone() }, origins }
    }
}

/// The agent's own list where it has one; else what each group lists or binds, and what the agent
/// binds; nothing where no group lists anything, which means exactly the bound tools.
fn capabilities(own: &AgentSpec, groups: &[&GroupSpec]) -> Option<Vec<ToolName>> {
    if own.capabilities.is_some() || groups.iter().all(|group| group.capabilities.is_none()) {
        return own.capabilities.clone();
    }
    let listed = groups.iter().flat_map(|group| {
        let bound = group.tools.keys().filter(|_| group.capabilities.is_none());
        group.capabilities.iter().flatten().chain(bound)
    });
    let all: BTreeSet<ToolName> = listed.chain(own.tools.keys()).cloned().collect();
    Some(all.into_iter().collect())
}

#[cfg(test)]
mod tests;
