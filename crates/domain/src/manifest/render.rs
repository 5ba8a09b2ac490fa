//! What is kept, as a manifest would say it: the keys of people, not those of the log. What says
//! nothing is left out, so that reading it again gives the same.

use crate::{
    agent::{AgentSpec, AuthProfile, Credential, GateSpec, OnFailure, ProcessSpec, ToolBinding},
    alert::AlertChannel,
    group::GroupSpec,
    name::ToolName,
    reference::{ProviderSpec, Reference, Source},
    rotation::{RotationPolicy, RotatorSpec},
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// An agent, as it stands under `agents`.
#[must_use]
pub fn agent(spec: &AgentSpec) -> Value {
    // Every field, so that a new one is not forgotten here.
    let AgentSpec {
        display_name,
        description,
        runtime,
        groups,
        capabilities,
        command,
        process,
        dotenv,
        profiles,
        tools,
    } = spec;
    let mut object = Members::default();
    object.text("name", display_name);
    object.text("description", description);
    object.text("runtime", runtime);
    object.some("groups", (!groups.is_empty()).then(|| names(groups)));
    object.some("capabilities", capabilities.as_ref().map(|tools| names(tools)));
    object.some("command", (!command.is_empty()).then(|| command.clone()));
    object.some("process", (*process != ProcessSpec::default()).then(|| program(process)));
    object.some("dotenv", dotenv.as_ref().map(ToString::to_string));
    object.tools(profiles, tools);
    object.into()
}

fn program(process: &ProcessSpec) -> Value {
    let ProcessSpec { inherit, stop_timeout_ms, gate: passes, hand_over } = process;
    let silent = ProcessSpec::default();
    let mut object = Members::default();
    object.some("inherit", (!inherit.is_empty()).then(|| names(inherit)));
    let stop = (*stop_timeout_ms != silent.stop_timeout_ms).then(|| span(*stop_timeout_ms));
    object.some("stopTimeout", stop);
    object.some("gate", passes.as_ref().map(gate));
    object.some("handOver", hand_over.then_some(true));
    object.into()
}

fn gate(gate: &GateSpec) -> Value {
    let GateSpec { alive_ms, http, command, timeout_ms } = gate;
    let silent = GateSpec::default();
    let mut object = Members::default();
    object.some("alive", (*alive_ms != silent.alive_ms).then(|| span(*alive_ms)));
    object.some("http", http.as_ref().map(ToString::to_string));
    object.some("command", (!command.is_empty()).then(|| command.clone()));
    object.some("timeout", (*timeout_ms != silent.timeout_ms).then(|| span(*timeout_ms)));
    object.into()
}

/// A group, as it stands under `groups`.
#[must_use]
pub fn group(spec: &GroupSpec) -> Value {
    let GroupSpec { description, capabilities, profiles, tools } = spec;
    let mut object = Members::default();
    object.text("description", description);
    object.some("capabilities", capabilities.as_ref().map(|tools| names(tools)));
    object.tools(profiles, tools);
    object.into()
}

/// A ref, as it stands under `refMap` or in an environment.
#[must_use]
pub fn reference(reference: &Reference) -> Value {
    let Reference {
        provider,
        path,
        target,
        required,
        fallback,
        expires_at,
        service,
        deprecation_date,
        rotation,
    } = reference;
    let mut object = Members::default();
    object.some("provider", provider.as_ref().map(ToString::to_string));
    object.some("path", path.clone());
    object.some("target", target.clone());
    object.some("required", *required);
    let sources: Vec<Value> = fallback.iter().map(source).collect();
    object.some("fallback", (!sources.is_empty()).then_some(sources));
    object.some("expiresAt", expires_at.map(|at| at.to_string()));
    object.some("service", service.clone());
    object.some("deprecationDate", deprecation_date.map(|at| at.to_string()));
    object.some("rotation", rotation.as_ref().map(policy));
    object.into()
}

fn policy(policy: &RotationPolicy) -> Value {
    let RotationPolicy {
        rotator,
        before_expiry_seconds,
        schedule,
        jitter_seconds,
        window,
        time_zone,
        overlap_seconds,
        restarts_at_once,
    } = policy;
    let silent = RotationPolicy::of(rotator.clone());
    let mut object = Members::default();
    object.text("rotator", rotator.as_str());
    let times = [
        ("beforeExpiry", *before_expiry_seconds, silent.before_expiry_seconds),
        ("jitter", *jitter_seconds, silent.jitter_seconds),
        ("overlap", *overlap_seconds, silent.overlap_seconds),
    ];
    for (key, seconds, default) in times {
        object.some(key, (seconds != default).then(|| duration(seconds * 1000)));
    }
    object.some("schedule", schedule.clone());
    object.some("window", window.clone());
    object.some("timeZone", (*time_zone != silent.time_zone).then(|| time_zone.clone()));
    let restarts = *restarts_at_once != silent.restarts_at_once;
    object.some("restartsAtOnce", restarts.then_some(*restarts_at_once));
    object.into()
}

/// A rotator, as it stands under `secrets.rotators`.
#[must_use]
pub fn rotator(spec: &RotatorSpec) -> Value {
    let RotatorSpec { kind, settings } = spec;
    let mut object = Members::default();
    object.text("type", kind.as_str());
    object.0.extend(settings.clone());
    object.into()
}

/// A provider, as it stands under `secrets.providers`.
#[must_use]
pub fn provider(spec: &ProviderSpec) -> Value {
    let ProviderSpec { kind, settings } = spec;
    let mut object = Members::default();
    object.text("type", kind.as_str());
    object.0.extend(settings.clone());
    object.into()
}

/// An alert channel, as it stands under `alerts.channels`.
#[must_use]
pub fn channel(channel: &AlertChannel) -> Value {
    let AlertChannel { kind, secret_ref } = channel;
    let mut object = Members::default();
    object.text("type", kind.as_str());
    object.some("secretRef", secret_ref.as_ref().map(ToString::to_string));
    object.into()
}

fn source(source: &Source) -> Value {
    let Source { provider, target, path: _ } = source;
    let mut object = Members::default();
    object.text("provider", provider.as_str());
    object.some("target", target.clone());
    object.into()
}

fn profile(profile: &AuthProfile) -> Value {
    let AuthProfile { required, on_failure } = profile;
    let mut object = Members::default();
    object.some("required", *required);
    // What is the default is not said.
    let alert = (*on_failure == OnFailure::DenyAndAlert).then_some("deny-and-alert");
    object.some("on-failure", alert);
    object.into()
}

fn binding(binding: &ToolBinding) -> Value {
    let ToolBinding { required, credentials } = binding;
    let mut object = Members::default();
    object.some("required", *required);
    let members: Map<_, _> =
        credentials.iter().map(|(key, it)| (key.to_string(), credential(it))).collect();
    object.some("credentials", (!members.is_empty()).then_some(members));
    object.into()
}

fn credential(credential: &Credential) -> Value {
    let Credential {
        secret_ref,
        env_var,
        file,
        mode,
        owner,
        template,
        on_rotate,
        stale_max_ms,
        evidence,
        deprecation_date,
    } = credential;
    let mut object = Members::default();
    object.text("secretRef", secret_ref.as_str());
    object.some("envVar", env_var.as_ref().map(ToString::to_string));
    object.some("file", file.as_ref().map(ToString::to_string));
    object.some("mode", mode.map(|mode| format!("{mode:04o}")));
    object.some("owner", owner.clone());
    object.some("template", template.clone());
    object.some("onRotate", on_rotate.clone().map(String::from));
    object.some("maxStale", stale_max_ms.map(duration));
    object.some("evidence", evidence.map(|evidence| evidence.as_str()));
    object.some("deprecationDate", deprecation_date.map(|at| at.to_string()));
    object.into()
}

/// A duration in the largest unit of which it is a multiple.
fn duration(ms: i64) -> String {
    let units = [(24 * 3600, "d"), (3600, "h"), (60, "m")];
    let seconds = ms / 1000;
    let unit = units.into_iter().find(|(length, _)| seconds % length == 0);
    let (length, unit) = unit.unwrap_or((1, "s"));
    format!("{}{unit}", seconds / length)
}

/// A short time, in seconds where it is a multiple of them.
fn span(ms: i64) -> String {
    if ms % 1000 == 0 { format!("{}s", ms / 1000) } else { format!("{ms}ms") }
}

fn names<N: ToString>(names: &[N]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// An object in the making.
#[derive(Default)]
struct Members(Map<String, Value>);

impl Members {
    /// A text, unless it is empty.
    fn text(&mut self, key: &str, text: &str) {
        self.some(key, (!text.is_empty()).then_some(text));
    }

    fn some(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.insert(key.to_owned(), value.into());
        }
    }

    fn tools(
        &mut self,
        profiles: &BTreeMap<ToolName, AuthProfile>,
        tools: &BTreeMap<ToolName, ToolBinding>,
    ) {
        let profiles: Map<_, _> =
            profiles.iter().map(|(tool, it)| (tool.to_string(), profile(it))).collect();
        self.some("auth-profiles", (!profiles.is_empty()).then_some(profiles));
        let tools: Map<_, _> =
            tools.iter().map(|(tool, it)| (tool.to_string(), binding(it))).collect();
        self.some("tool-bindings", (!tools.is_empty()).then_some(tools));
    }
}

impl From<Members> for Value {
    fn from(members: Members) -> Self {
        Self::Object(members.0)
    }
}
