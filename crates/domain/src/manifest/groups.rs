//! Groups: tools that several agents share.

use super::{
    Draft, agents,
    problems::Problems,
    tables,
    walk::{Fields, Node},
};
use crate::{
    group::GroupSpec,
    limit::{GROUPS_MAX, GROUPS_OF_AGENT_MAX},
    name::GroupName,
};

/// Reads `groups`.
pub(super) fn all(node: &Node<'_>, draft: &mut Draft, problems: &mut Problems) {
    let entries = node.entries("groups by name", GroupName::parse, problems);
    if entries.len() > GROUPS_MAX {
        let problem = format!("{} groups are too many: {GROUPS_MAX} at most", entries.len());
        problems.add(&node.at, problem, "join some of them");
    }
    for (name, node) in entries {
        if let Some(fields) = node.fields(&tables::GROUP, problems) {
            draft.groups.insert(name, group(&fields, problems));
        }
    }
}

/// Reads the names of an agent's groups.
pub(super) fn named(fields: &Fields<'_>, problems: &mut Problems) -> Vec<GroupName> {
    let Some(node) = fields.at("groups") else {
        return Vec::new();
    };
    agents::named_once(&node, "names of groups", GROUPS_OF_AGENT_MAX, GroupName::parse, problems)
        .unwrap_or_default()
}

fn group(fields: &Fields<'_>, problems: &mut Problems) -> GroupSpec {
    let (profiles, tools) = agents::tools(fields, problems);
    GroupSpec {
        description: agents::description(fields, problems),
        capabilities: agents::capabilities(fields, problems),
        profiles,
        tools,
    }
}
