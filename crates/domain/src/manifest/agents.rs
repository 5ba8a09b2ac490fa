//! Agents: capabilities, auth-profiles, and tool bindings with their credentials.

use super::{
    Draft, groups, literal,
    problems::{At, Problems},
    process, scalar, tables,
    walk::{Fields, Node},
};
use crate::{
    agent::{AgentSpec, AuthProfile, Credential, OnFailure, OnRotate, Slot, ToolBinding},
    delivery::Evidence,
    limit::BINDINGS_MAX,
    name::{AgentName, CredentialKey, EnvVar, FileName, NameError, ToolName},
};
use std::collections::BTreeMap;

pub(super) const DISPLAY_NAME_BYTES_MAX: usize = 256;
pub(super) const DESCRIPTION_BYTES_MAX: usize = 4096;
pub(super) const RUNTIME_BYTES_MAX: usize = 64;
pub(super) const TOOLS_MAX: usize = 256;
pub(super) const OWNER_BYTES_MAX: usize = 65;
pub(super) const TEMPLATE_BYTES_MAX: usize = 64 * 1024;
const ON_ROTATE_BYTES_MAX: usize = 1024;
pub(super) const ON_FAILURE: [(&str, OnFailure); 2] =
    [("deny-and-log", OnFailure::DenyAndLog), ("deny-and-alert", OnFailure::DenyAndAlert)];

/// How it can be known that an agent is on a new version.
pub(super) const EVIDENCE: [(&str, Evidence); 5] = [
    ("written", Evidence::Written),
    ("read", Evidence::Read),
    ("reloaded", Evidence::Reloaded),
    ("gated", Evidence::Gated),
    ("confirmed", Evidence::Confirmed),
];

/// Reads `agents` and the single form `agent`.
pub(super) fn all(fields: &Fields<'_>, draft: &mut Draft, problems: &mut Problems) {
    if let Some(node) = fields.at("agents") {
        for (name, node) in node.entries("agents by name", AgentName::parse, problems) {
            if let Some(fields) = node.fields(&tables::AGENT, problems) {
                draft.agents.insert(name, agent(&fields, problems));
            }
        }
    }
    if let Some(node) = fields.at("agent")
        && let Some(fields) = node.fields(&tables::SINGLE_AGENT, problems)
    {
        let spec = agent(&fields, problems);
        let Some(id) = fields.at("id") else {
            problems.add(&node.at, "the agent has no `id`", "add `\"id\": \"NAME\"`");
            return;
        };
        let Some(name) = scalar::name(&id, AgentName::parse, problems) else {
            return;
        };
        if draft.agents.insert(name, spec).is_some() {
            let fix = "keep one of the two";
            problems.add(&id.at, "the agent stands under `agents` too", fix);
        }
    }
}

fn agent(fields: &Fields<'_>, problems: &mut Problems) -> AgentSpec {
    let display_name = prose(fields, "name", DISPLAY_NAME_BYTES_MAX, problems);
    let runtime = prose(fields, "runtime", RUNTIME_BYTES_MAX, problems);
    let (profiles, tools) = tools(fields, problems);
    let at = |key| fields.at(key);
    let spec = AgentSpec {
        display_name,
        description: description(fields, problems),
        runtime,
        groups: groups::named(fields, problems),
        capabilities: capabilities(fields, problems),
        command: at("command").map(|node| process::command(&node, problems)).unwrap_or_default(),
        process: at("process").map(|node| process::spec(&node, problems)).unwrap_or_default(),
        dotenv: at("dotenv").and_then(|node| scalar::name(&node, FileName::parse, problems)),
        profiles,
        tools,
    };
    if let Some(node) = at("dotenv")
        && let Some(file) = &spec.dotenv
        && spec.credentials().any(|(_, key, credential)| credential.file_name(key) == *file)
    {
        let problem = format!("the file {:?} is to hold a credential too", file.as_str());
        problems.add(&node.at, problem, "give the dotenv file another name");
    }
    spec
}

/// The description of an agent or a group.
pub(super) fn description(fields: &Fields<'_>, problems: &mut Problems) -> String {
    prose(fields, "description", DESCRIPTION_BYTES_MAX, problems)
}

fn prose(fields: &Fields<'_>, key: &str, bytes_max: usize, problems: &mut Problems) -> String {
    let text = fields.at(key).and_then(|node| scalar::prose(&node, bytes_max, problems));
    text.unwrap_or_default().to_owned()
}

/// The auth-profiles and tool bindings of an agent or a group.
pub(super) fn tools(
    fields: &Fields<'_>,
    problems: &mut Problems,
) -> (BTreeMap<ToolName, AuthProfile>, BTreeMap<ToolName, ToolBinding>) {
    let (mut profiles, mut tools) = (BTreeMap::new(), BTreeMap::new());
    if let Some(node) = fields.at("auth-profiles") {
        for (tool, node) in node.entries("auth-profiles by tool", ToolName::parse, problems) {
            if let Some(profile) = profile(&node, problems) {
                profiles.insert(tool, profile);
            }
        }
    }
    if let Some(node) = fields.at("tool-bindings") {
        for (tool, node) in node.entries("tool bindings by tool", ToolName::parse, problems) {
            if let Some(binding) = binding(&tool, &node, problems) {
                tools.insert(tool, binding);
            }
        }
        let spec = AgentSpec { tools, ..AgentSpec::default() };
        whole(&spec, &node.at, problems);
        tools = spec.tools;
    }
    (profiles, tools)
}

/// The tools that an agent or the agents of a group may use.
pub(super) fn capabilities(fields: &Fields<'_>, problems: &mut Problems) -> Option<Vec<ToolName>> {
    let node = fields.at("capabilities")?;
    named_once(&node, "names of tools", TOOLS_MAX, ToolName::parse, problems)
}

/// A list of names, none of them twice.
pub(super) fn named_once<N: PartialEq>(
    node: &Node<'_>,
    of: &str,
    count_max: usize,
    parse: fn(&str) -> Result<N, NameError>,
    problems: &mut Problems,
) -> Option<Vec<N>> {
    let mut names = Vec::new();
    for item in node.items(of, count_max, problems)? {
        let Some(name) = scalar::name(&item, parse, problems) else {
            continue;
        };
        if names.contains(&name) {
            problems.add(&item.at, "the name stands twice", "keep one of the two");
        }
        names.push(name);
    }
    Some(names)
}

fn profile(node: &Node<'_>, problems: &mut Problems) -> Option<AuthProfile> {
    let fields = node.fields(&tables::PROFILE, problems)?;
    let on_failure = fields.at("on-failure");
    Some(AuthProfile {
        required: fields.at("required").and_then(|node| scalar::flag(&node, problems)),
        on_failure: on_failure
            .and_then(|node| scalar::word(&node, &ON_FAILURE, problems))
            .unwrap_or_default(),
    })
}

fn binding(tool: &ToolName, node: &Node<'_>, problems: &mut Problems) -> Option<ToolBinding> {
    let fields = node.fields(&tables::BINDING, problems)?;
    let required = fields.at("required").and_then(|node| scalar::flag(&node, problems));
    let mut credentials = BTreeMap::new();
    if let Some(node) = fields.at("credentials") {
        for (key, node) in node.entries("credentials by key", CredentialKey::parse, problems) {
            if let Some(credential) = credential(tool, &key, &node, problems) {
                credentials.insert(key, credential);
            }
        }
    }
    Some(ToolBinding { required, credentials })
}

fn credential(
    tool: &ToolName,
    key: &CredentialKey,
    node: &Node<'_>,
    problems: &mut Problems,
) -> Option<Credential> {
    let literal = node.value.is_string() || node.value.is_number() || node.value.is_boolean();
    // A record with a value, as the file provider has it, is a literal in a longer coat.
    if literal || node.value.get("value").is_some() {
        literal::refuse_credential(node, tool.as_str(), key.as_str(), problems);
        return None;
    }
    let fields = node.fields(&tables::CREDENTIAL, problems)?;
    let secret_ref = match fields.at("secretRef") {
        Some(node) => scalar::secret_name(&node, problems),
        None => {
            let fix = "add `\"secretRef\": \"NAME\"`";
            problems.add(fields.place(), "the credential has no `secretRef`", fix);
            None
        }
    };
    let at = |key| fields.at(key);
    Some(Credential {
        env_var: at("envVar").and_then(|node| scalar::name(&node, EnvVar::parse, problems)),
        file: at("file").and_then(|node| scalar::name(&node, FileName::parse, problems)),
        mode: at("mode").and_then(|node| scalar::mode(&node, problems)),
        owner: at("owner").and_then(|node| owner(&node, problems)),
        template: at("template").and_then(|node| template(&node, problems)),
        on_rotate: at("onRotate").and_then(|node| on_rotate(&node, problems)),
        stale_max_ms: at("maxStale").and_then(|node| scalar::duration_ms(&node, problems)),
        evidence: at("evidence").and_then(|node| scalar::word(&node, &EVIDENCE, problems)),
        deprecation_date: at("deprecationDate").and_then(|node| scalar::date(&node, problems)),
        // Last, so that what is wrong with the others is reported too.
        secret_ref: secret_ref?,
    })
}

fn owner(node: &Node<'_>, problems: &mut Problems) -> Option<String> {
    let given = scalar::text(node, OWNER_BYTES_MAX, problems)?;
    let name = |part: &str| {
        let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b);
        let first = |b: u8| b.is_ascii_lowercase() || b == b'_';
        part.len() <= 32 && part.bytes().next().is_some_and(first) && part.bytes().all(rest)
    };
    // The highest number means "no change" to chown.
    let number = |part: &str| part.parse().is_ok_and(|id: u32| id < u32::MAX);
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let one = |part: &str| name(part) || digits(part) && number(part);
    let (user, group) = given.split_once(':').unwrap_or((given, "root"));
    if one(user) && one(group) {
        return Some(given.to_owned());
    }
    let fix = "write `user`, `user:group` or their numbers";
    problems.add(&node.at, "it is not an owner of a file", fix);
    None
}

fn template(node: &Node<'_>, problems: &mut Problems) -> Option<String> {
    let given = scalar::prose(node, TEMPLATE_BYTES_MAX, problems)?;
    if given.is_empty() {
        problems.add(&node.at, "the template is empty", "write one, or remove the key");
    } else if given.split_whitespace().any(literal::like_credential) {
        let fix = "store it with `secretref put NAME` and bind it as a credential of its own";
        problems.add(&node.at, "a credential stands in the template", fix);
    } else {
        return Some(given.to_owned());
    }
    None
}

fn on_rotate(node: &Node<'_>, problems: &mut Problems) -> Option<OnRotate> {
    let given = scalar::text(node, ON_ROTATE_BYTES_MAX, problems)?;
    let parsed = OnRotate::try_from(given.to_owned());
    if parsed.is_err() {
        problems.add(
            &node.at,
            "it is nothing that can be done to an agent",
            "write `restart`, `none`, `signal:HUP` (or INT, TERM, USR1, USR2, QUIT, WINCH), \
             `signal:HUP@/absolute/pid-file`, `http://127.0.0.1:PORT/path` or \
             `exec:/absolute/program`",
        );
    }
    parsed.ok()
}

/// What concerns all bindings of an agent or a group: how many there are, and that no file and no
/// variable is to hold two things.
fn whole(spec: &AgentSpec, at: &At, problems: &mut Problems) {
    let count = spec.credentials().count();
    if count > BINDINGS_MAX {
        let problem = format!("{count} credentials are too many: there may be {BINDINGS_MAX}");
        problems.add(at, problem, "give some of its tools to another agent");
    }
    let place = |(tool, key): Slot<'_>| at.key(tool.as_str()).key("credentials").key(key.as_str());
    for clash in spec.clashes() {
        let (problem, fix) = clash.told(place(clash.other).path());
        problems.add(&place(clash.at), problem, fix);
    }
}
