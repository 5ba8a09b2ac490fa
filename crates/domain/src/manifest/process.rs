//! How an agent's program is run.

use super::{literal, problems::Problems, scalar, tables, walk::Node};
use crate::{
    agent::{
        COMMAND_WORD_BYTES_MAX, COMMAND_WORDS_MAX, GateSpec, INHERIT_MAX, ProcessSpec, SPAN_MS_MAX,
    },
    loopback::LoopbackUrl,
    name::EnvVar,
};

/// Reads `process`.
pub(super) fn spec(node: &Node<'_>, problems: &mut Problems) -> ProcessSpec {
    let silent = ProcessSpec::default();
    let Some(fields) = node.fields(&tables::PROCESS, problems) else { return silent };
    let stop = fields.at("stopTimeout");
    let hand_over = fields.at("handOver");
    ProcessSpec {
        inherit: fields.at("inherit").map(|node| inherit(&node, problems)).unwrap_or_default(),
        stop_timeout_ms: stop
            .and_then(|node| scalar::span_ms(&node, 0, SPAN_MS_MAX, problems))
            .unwrap_or(silent.stop_timeout_ms),
        gate: fields.at("gate").and_then(|node| gate(&node, problems)),
        hand_over: hand_over.and_then(|node| scalar::flag(&node, problems)).unwrap_or_default(),
    }
}

/// Reads a program and its arguments.
pub(super) fn command(node: &Node<'_>, problems: &mut Problems) -> Vec<String> {
    const FORM: &str = "a program and its arguments, each a text of its own";
    let Some(items) = node.items(FORM, COMMAND_WORDS_MAX, problems) else {
        return Vec::new();
    };
    if items.is_empty() {
        problems.add(&node.at, "the command is empty", format!("write {FORM}, or remove the key"));
    }
    let mut command = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let Some(word) = scalar::prose(item, COMMAND_WORD_BYTES_MAX, problems) else {
            continue;
        };
        if index == 0 && word.is_empty() {
            problems.add(&item.at, "the program has no name", "write the program's path");
        } else if literal::like_credential(word) {
            problems.add(
                &item.at,
                "a credential stands in the command, where every process can read it",
                "bind it to a tool as a `secretRef` and read it from its file",
            );
        }
        command.push(word.to_owned());
    }
    command
}

fn inherit(node: &Node<'_>, problems: &mut Problems) -> Vec<EnvVar> {
    let mut names = Vec::new();
    let items = node.items("names of environment variables", INHERIT_MAX, problems);
    for item in items.unwrap_or_default() {
        let Some(name) = scalar::name(&item, EnvVar::parse, problems) else { continue };
        if name.as_str().starts_with(OWN_PREFIX) {
            let problem = "variables of SecretRef itself are never inherited";
            problems.add(&item.at, problem, "remove it");
        } else if names.contains(&name) {
            problems.add(&item.at, "the variable is named twice", "keep one of the two");
        }
        names.push(name);
    }
    names
}

fn gate(node: &Node<'_>, problems: &mut Problems) -> Option<GateSpec> {
    let fields = node.fields(&tables::GATE, problems)?;
    let silent = GateSpec::default();
    let [alive, http, program, timeout] =
        ["alive", "http", "command", "timeout"].map(|key| fields.at(key));
    if alive.is_none() && http.is_none() && program.is_none() {
        let fix = "add `alive`, `http` or `command`, or remove the gate";
        problems.add(&node.at, "the gate asks for nothing", fix);
    }
    let gate = GateSpec {
        alive_ms: alive
            .and_then(|node| scalar::span_ms(&node, 0, SPAN_MS_MAX, problems))
            .unwrap_or(silent.alive_ms),
        http: http.and_then(|node| url(&node, problems)),
        command: program
            .map(|node| {
                let words = command(&node, problems);
                if words.first().is_some_and(|program| !program.starts_with('/')) {
                    let fix = "write the program's absolute path";
                    problems.add(&node.at, "the gate's program is looked for nowhere", fix);
                }
                words
            })
            .unwrap_or_default(),
        timeout_ms: timeout
            .and_then(|node| scalar::span_ms(&node, 1, SPAN_MS_MAX, problems))
            .unwrap_or(silent.timeout_ms),
    };
    if gate.alive_ms >= gate.timeout_ms {
        let problem = "the gate's `timeout` is over before its `alive`";
        problems.add(&node.at, problem, "make `timeout` (30s unless it is written) the longer one");
    }
    Some(gate)
}

fn url(node: &Node<'_>, problems: &mut Problems) -> Option<LoopbackUrl> {
    let given = scalar::text(node, crate::loopback::URL_BYTES_MAX, problems)?;
    match LoopbackUrl::parse(given) {
        Ok(url) => Some(url),
        Err(error) => {
            let fix = "write an address of the agent's own host, `http://127.0.0.1:PORT/PATH`";
            problems.add(&node.at, error.to_string(), fix);
            None
        }
    }
}

const OWN_PREFIX: &str = "SECRETREF_";
