//! What each key of each table is. A key without a line here fails the schema's test.

use super::{
    super::{
        agents::{
            DESCRIPTION_BYTES_MAX, DISPLAY_NAME_BYTES_MAX, EVIDENCE, ON_FAILURE, OWNER_BYTES_MAX,
            RUNTIME_BYTES_MAX, TEMPLATE_BYTES_MAX, TOOLS_MAX,
        },
        providers::{ITEMS_MAX, OUTPUT_BYTES_MAX, SETTING_BYTES_MAX, TIMEOUT_MS_MAX},
        references::{FALLBACKS_MAX, TARGET_BYTES_MAX},
        rotation::{FORMS, LENGTH_MAX, RESTARTS_MAX, STEP_MS_MAX},
        tables::Table,
    },
    forms::{
        defined, described, flag, list, map, name, names, number, pattern, prose, text, words,
    },
    object,
};
use crate::{
    agent::{COMMAND_WORD_BYTES_MAX, COMMAND_WORDS_MAX, INHERIT_MAX, SIGNALS},
    alert::CHANNEL_BYTES_MAX,
    limit::{GROUPS_OF_AGENT_MAX, SCHEDULE_BYTES_MAX, SERVICE_BYTES_MAX, TIME_ZONE_BYTES_MAX},
    manifest::tables,
    name::{
        AgentName, CredentialKey, EnvVar, EnvironmentName, FileName, GroupName, ProviderAlias,
        RotatorAlias, SecretName, ToolName,
    },
    reference::ProviderKind,
};
use serde_json::{Value, json};

/// What may stand at a key of a table; `false`, which takes nothing, where it is not known.
pub(super) fn property(table: &Table, key: &str) -> Value {
    let whole = (table.of == tables::FILE.of).then(|| of_file(key)).flatten();
    whole
        .or_else(|| section(table, key))
        .or_else(|| of_agent(key))
        .or_else(|| of_credential(key))
        .or_else(|| of_reference(key))
        .or_else(|| of_provider(key))
        .or_else(|| of_rotation(key))
        .unwrap_or_else(|| false.into())
}

/// The keys of a whole manifest.
fn of_file(key: &str) -> Option<Value> {
    let (words, form) = match key {
        "agents" => ("Agents by name.", map(AgentName::GRAMMAR, defined("agent"))),
        "agent" => ("One agent, with its name as `id`.", defined("singleAgent")),
        "groups" => (
            "Tools that several agents share, by the name that their `groups` say.",
            map(GroupName::GRAMMAR, defined("group")),
        ),
        "refMap" => ("Refs by name.", map(SecretName::GRAMMAR, defined("reference"))),
        "environments" => (
            "What environments say otherwise.",
            map(EnvironmentName::GRAMMAR, defined("environment")),
        ),
        "openclaw" => ("The keys of the gateway.", object(&tables::OPENCLAW, &[])),
        "secrets" => ("Where secrets come from.", object(&tables::SECRETS, &[])),
        "alerts" => ("Where alerts go.", object(&tables::ALERTS, &[])),
        _ => return None,
    };
    Some(described(words, form))
}

/// The keys that mean something of their own in their table.
fn section(table: &Table, key: &str) -> Option<Value> {
    let is = |other: &Table| table.of == other.of;
    let setting = || text(SETTING_BYTES_MAX);
    let (words, form) = match key {
        "gateway" => ("The gateway.", defined("gateway")),
        "environment" => ("The active environment.", name(EnvironmentName::GRAMMAR)),
        "secrets" if is(&tables::GATEWAY) => {
            ("Refs and their provider.", defined("gatewaySecrets"))
        }
        "secrets" if !is_rotator(table) => (
            "Refs as the environment has them; they override `refMap`.",
            map(SecretName::GRAMMAR, defined("override")),
        ),
        "refMap" => ("Refs by name.", map(SecretName::GRAMMAR, defined("reference"))),
        "active-provider" => {
            ("Provider of refs that name none; default `store`.", name(ProviderAlias::GRAMMAR))
        }
        "providers" => ("Providers by alias.", defined("providers")),
        "rotators" => ("Rotators by alias.", defined("rotators")),
        "secrets" if is_rotator(table) => (
            "Secrets that the rotator needs, by the names that it calls them by.",
            map(SecretName::GRAMMAR, defined("rotatorSecret")),
        ),
        "file" if is_rotator(table) => {
            ("File on the broker's host, under a root of its configuration.", setting())
        }
        "command" | "role" | "address" | "path" if is_rotator(table) => {
            ("A setting of the rotator.", setting())
        }
        "secretId" if is_rotator(table) => {
            ("Secret there: its name or ARN, and `#MEMBER` for a part of it.", setting())
        }
        "timeoutMs" if is_rotator(table) => {
            ("How long a step may take, in milliseconds.", number(STEP_MS_MAX))
        }
        "channels" => {
            let mut channels = map("", defined("channel"));
            channels["propertyNames"] = text(CHANNEL_BYTES_MAX);
            ("Alert channels by name, such as `#finance-alerts`.", channels)
        }
        "command" if is(&tables::EXEC) => ("The program to run.", text(SETTING_BYTES_MAX)),
        "mount" => ("Where it is mounted.", text(SETTING_BYTES_MAX)),
        "file" if is(&tables::PROVIDER_SECRET) => {
            ("File on the broker's host that holds it.", text(SETTING_BYTES_MAX))
        }
        "path" if is(&tables::FILES) => (
            "File on the broker's host, under a root of its configuration.",
            text(SETTING_BYTES_MAX),
        ),
        "type" if is(&tables::CHANNEL) => ("Kind of channel.", words(["slack", "webhook", "log"])),
        _ => return None,
    };
    Some(described(words, form))
}

/// The keys of agents, groups and their tools.
fn of_agent(key: &str) -> Option<Value> {
    let (words, form) = match key {
        "id" => ("Name of the agent.", name(AgentName::GRAMMAR)),
        "name" => ("Name for people.", prose(DISPLAY_NAME_BYTES_MAX)),
        "description" => ("Description for people.", prose(DESCRIPTION_BYTES_MAX)),
        "runtime" => ("Label of how it runs, such as `subagent`.", prose(RUNTIME_BYTES_MAX)),
        "groups" => (
            "Groups whose tools it has too; a later one wins over an earlier one, its own tools \
             win over all.",
            names(GroupName::GRAMMAR, GROUPS_OF_AGENT_MAX),
        ),
        "capabilities" => (
            "Tools that it may use; absent: exactly its bound tools.",
            names(ToolName::GRAMMAR, TOOLS_MAX),
        ),
        "process" => ("How a sidecar runs the program.", object(&tables::PROCESS, &[])),
        "dotenv" => (
            "File of the secrets folder with a line for each environment variable.",
            name(FileName::GRAMMAR),
        ),
        "inherit" => (
            "Variables of the sidecar's own environment that it inherits, besides the usual ones.",
            names(EnvVar::GRAMMAR, INHERIT_MAX),
        ),
        "stopTimeout" => ("How long it has to end after SIGTERM; default 10s.", span()),
        "gate" => (
            "What it has to pass before its credentials count as applied.",
            object(&tables::GATE, &[]),
        ),
        "handOver" => ("Whether the next one is started before the last is stopped.", flag()),
        "alive" => ("How long it has to live.", span()),
        "http" => (
            "Address of its own host that has to answer with a status of 2xx.",
            pattern("^http://"),
        ),
        "timeout" => ("How long all of it may take; default 30s.", span()),
        "command" => {
            let mut command = list(prose(COMMAND_WORD_BYTES_MAX), COMMAND_WORDS_MAX);
            command["minItems"] = 1.into();
            ("What `run` starts when no command is given.", command)
        }
        "auth-profiles" => {
            ("Failure policy for each tool.", map(ToolName::GRAMMAR, defined("profile")))
        }
        "tool-bindings" => {
            ("Credentials for each tool.", map(ToolName::GRAMMAR, defined("binding")))
        }
        "on-failure" => (
            "What a denial does besides denying; default `deny-and-log`.",
            words(ON_FAILURE.iter().map(|(word, _)| *word)),
        ),
        "required" => ("Whether the agent cannot work without it.", flag()),
        "credentials" => {
            ("Credentials by key.", map(CredentialKey::GRAMMAR, defined("credential")))
        }
        _ => return None,
    };
    Some(described(words, form))
}

/// The keys of credentials.
fn of_credential(key: &str) -> Option<Value> {
    let (words, form) = match key {
        "secretRef" => ("Name of the ref; never a value.", name(SecretName::GRAMMAR)),
        "envVar" => ("Environment variable that it becomes.", name(EnvVar::GRAMMAR)),
        "file" => ("File that it becomes.", name(FileName::GRAMMAR)),
        "mode" => (
            "Mode of the file.",
            words(["0400", "400", "0440", "440", "0600", "600", "0640", "640"]),
        ),
        "owner" => ("Owner of the file: `user`, `user:group` or numbers.", text(OWNER_BYTES_MAX)),
        "template" => ("Template that the file is made from.", text(TEMPLATE_BYTES_MAX)),
        "onRotate" => {
            let signals = SIGNALS.join("|");
            let form = format!(
                "^(restart|none|signal:({signals})(@/.+)?|exec:/.*|http://.+|openclaw(:/.+)?)$"
            );
            ("What happens to the agent when the value changes.", pattern(&form))
        }
        "maxStale" => (
            "How long it may be kept without a sign of the broker, 1s to 90d.",
            pattern("^[0-9]+[smhd]$"),
        ),
        "evidence" => (
            "How it is to be known that the agent is on a new version; default `written`.",
            words(EVIDENCE.iter().map(|(word, _)| *word)),
        ),
        "deprecationDate" => ("From when on it should no longer be used.", date()),
        _ => return None,
    };
    Some(described(words, form))
}

/// The keys of refs and their fallbacks.
fn of_reference(key: &str) -> Option<Value> {
    let (words, form) = match key {
        "provider" => ("Alias of the provider.", name(ProviderAlias::GRAMMAR)),
        "target" => (
            "Record, pointer or path inside the provider; default the ref's own name.",
            text(TARGET_BYTES_MAX),
        ),
        "path" => ("A file, or a path in a Vault.", text(TARGET_BYTES_MAX)),
        "fallback" => {
            ("Where else to look, in this order.", list(defined("fallback"), FALLBACKS_MAX))
        }
        "expiresAt" => ("When its values stop being valid.", date()),
        "service" => ("Service that issued it.", text(SERVICE_BYTES_MAX)),
        "rotation" => ("How it is rotated.", object(&tables::ROTATION, &["rotator"])),
        _ => return None,
    };
    Some(described(words, form))
}

/// The keys of providers.
fn of_provider(key: &str) -> Option<Value> {
    let setting = || text(SETTING_BYTES_MAX);
    let (words, form) = match key {
        "type" => ("Type of the provider.", words(ProviderKind::ALL.iter().map(|(name, _)| *name))),
        "source" => ("`exec`, as OpenClaw says it.", json!({"const": "exec"})),
        "address" => ("Address of the Vault.", setting()),
        "namespace" => ("Namespace of the Vault.", setting()),
        "caFile" => (
            "PEM file on the broker's host with the authorities of its certificate; default the \
             host's own.",
            setting(),
        ),
        "auth" => ("How the broker is let in.", defined("vaultAuth")),
        "method" => ("How the broker is let in.", words(["token", "approle"])),
        "token" | "secretId" | "secretAccessKey" | "sessionToken" => {
            ("A secret, by ref or by file.", defined("providerSecret"))
        }
        "roleId" | "region" | "endpoint" | "accessKeyId" => {
            ("A setting of the service.", setting())
        }
        "args" | "trustedDirs" => {
            ("Texts for the program.", list(prose(SETTING_BYTES_MAX), ITEMS_MAX))
        }
        "passEnv" => ("Variables that are passed on.", list(name(EnvVar::GRAMMAR), ITEMS_MAX)),
        "env" => ("Variables that are set.", map(EnvVar::GRAMMAR, prose(SETTING_BYTES_MAX))),
        "timeoutMs" | "noOutputTimeoutMs" => ("A time in milliseconds.", number(TIMEOUT_MS_MAX)),
        "maxOutputBytes" => ("A length in bytes.", number(OUTPUT_BYTES_MAX)),
        "jsonOnly" | "allowSymlinkCommand" => ("A switch of the provider.", flag()),
        _ => return None,
    };
    Some(described(words, form))
}

/// The keys of rotations and rotators.
fn of_rotation(key: &str) -> Option<Value> {
    let (words, form) = match key {
        "rotator" => ("Alias of the rotator.", name(RotatorAlias::GRAMMAR)),
        "beforeExpiry" => ("How long before its end it is rotated; default 7d, 0s: never.", span()),
        "jitter" => ("By how much a scheduled one is put off at most; default 5m.", span()),
        "overlap" => ("How long the old one stays valid afterwards; default 1h.", span()),
        "schedule" => ("When it is rotated besides, as cron says it.", text(SCHEDULE_BYTES_MAX)),
        "window" => ("The minutes in which one may begin, as cron.", text(SCHEDULE_BYTES_MAX)),
        "timeZone" => ("Time zone of both; default UTC.", text(TIME_ZONE_BYTES_MAX)),
        "restartsAtOnce" => ("Agents of one kind restarted at a time.", number(RESTARTS_MAX)),
        "length" => ("Length of the value, in characters; default 32.", number(LENGTH_MAX)),
        "alphabet" => (
            "Characters of the value: `alphanumeric`, `hex`, `base64url`, or themselves.",
            text(SETTING_BYTES_MAX),
        ),
        "prefix" => ("What the value begins with.", text(SETTING_BYTES_MAX)),
        "users" => ("The role, or two that take turns.", list(text(SETTING_BYTES_MAX), 2)),
        "overlaps" => ("Whether the service can hold two credentials at once.", flag()),
        "form" => ("How the value is written.", words(FORMS.iter().map(|(word, _)| *word))),
        _ => return None,
    };
    Some(described(words, form))
}

fn is_rotator(table: &Table) -> bool {
    table.of.starts_with("a rotator")
}

/// A short time.
fn span() -> Value {
    pattern("^[0-9]+(ms|s|m|h|d)$")
}

/// A date, or a time with its zone; the schema sees that it begins with a date.
fn date() -> Value {
    pattern("^[+-]?[0-9]{4,6}-?[0-9]{2}-?[0-9]{2}([Tt ].*)?$")
}
