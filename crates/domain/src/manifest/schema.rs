//! The JSON Schema of a manifest, for editors and for checks before an apply.
//!
//! The keys are those of the tables that the reader goes by; what may stand at each of them is in
//! [`keys`]. The schema takes whatever the reader takes; the reader refuses more: what depends on
//! two places at once, dates that are none, and anything that looks like a credential.

mod forms;
mod keys;

use super::tables::{self, Table};
use crate::{reference::ProviderKind, rotation::RotatorKind};
use forms::{described, map};
use serde_json::{Map, Value, json};

/// The schema, in JSON Schema 2020-12.
#[must_use]
pub fn schema() -> Value {
    let mut root = object(&tables::FILE, &[]);
    let definitions: Map<String, Value> = DEFINED
        .iter()
        .map(|(name, table, required)| ((*name).to_owned(), object(table, required)))
        .chain([
            ("providers".to_owned(), providers()),
            ("rotators".to_owned(), rotators()),
            ("rotatorSecret".to_owned(), object(&tables::ROTATOR_SECRET, &["secretRef"])),
            ("providerSecret".to_owned(), either(&tables::PROVIDER_SECRET, &["secretRef", "file"])),
            ("vaultAuth".to_owned(), vault_auth()),
            ("channel".to_owned(), channel()),
        ])
        .collect();
    if let Some(root) = root.as_object_mut() {
        root.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        root.insert("title".into(), "SecretRef manifest".into());
        root.insert("$defs".into(), definitions.into());
    }
    root
}

/// Objects that stand at several places or are worth a name, with the keys that they must have.
const DEFINED: [(&str, &Table, &[&str]); 12] = [
    ("agent", &tables::AGENT, &[]),
    ("singleAgent", &tables::SINGLE_AGENT, &["id"]),
    ("group", &tables::GROUP, &[]),
    ("profile", &tables::PROFILE, &[]),
    ("binding", &tables::BINDING, &[]),
    ("credential", &tables::CREDENTIAL, &["secretRef"]),
    ("reference", &tables::REFERENCE, &[]),
    ("override", &tables::OVERRIDE, &[]),
    ("fallback", &tables::FALLBACK, &["provider"]),
    ("environment", &tables::ENVIRONMENT, &[]),
    ("gateway", &tables::GATEWAY, &[]),
    ("gatewaySecrets", &tables::GATEWAY_SECRETS, &[]),
];

/// An object of a table's keys and no others.
fn object(table: &Table, required: &[&str]) -> Value {
    let keys = table.keys.iter();
    let properties: Map<_, _> =
        keys.map(|key| ((*key).to_owned(), keys::property(table, key))).collect();
    let mut object = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// An object of a table's keys that has exactly one of these.
fn either(table: &Table, keys: &[&str]) -> Value {
    let mut object = object(table, &[]);
    let one = |key: &&str| json!({"required": [key]});
    object["oneOf"] = keys.iter().map(one).collect();
    object
}

/// A provider whose alias is the name of a type has that type; any other says its type.
fn providers() -> Value {
    let named: Map<String, Value> = ProviderKind::ALL
        .iter()
        .map(|(name, kind)| ((*name).to_owned(), provider(*kind, &[])))
        .collect();
    let mut typed: Vec<Value> =
        ProviderKind::ALL.iter().map(|(_, kind)| provider(*kind, &["type"])).collect();
    typed.push(provider(ProviderKind::Exec, &["source"]));
    let mut all = map(crate::name::ProviderAlias::GRAMMAR, json!({"anyOf": typed}));
    all["properties"] = named.into();
    described("Providers by alias; `type` where the alias is not its own type.", all)
}

fn provider(kind: ProviderKind, required: &[&str]) -> Value {
    let mut provider = object(super::providers::table(kind), required);
    provider["properties"]["type"] = json!({"const": kind.as_str()});
    provider
}

/// A rotator whose alias is the name of a type has that type; any other says its type.
fn rotators() -> Value {
    let rotator = |kind: RotatorKind, required: &[&str]| {
        let mut rotator = object(super::rotation::table(kind), required);
        rotator["properties"]["type"] = json!({"const": kind.as_str()});
        rotator
    };
    let named: Map<String, Value> =
        RotatorKind::ALL.iter().map(|(name, kind)| ((*name).into(), rotator(*kind, &[]))).collect();
    let typed: Vec<Value> =
        RotatorKind::ALL.iter().map(|(_, kind)| rotator(*kind, &["type"])).collect();
    let mut all = map(crate::name::RotatorAlias::GRAMMAR, json!({"anyOf": typed}));
    all["properties"] = named.into();
    described("Rotators by alias; `type` where the alias is not its own type.", all)
}

/// Each method of `auth` with the keys that it needs, and none of the other's.
fn vault_auth() -> Value {
    let method = |name: &str, required: &[&str], foreign: &[&str]| {
        let mut auth = object(&tables::VAULT_AUTH, required);
        auth["properties"]["method"] = json!({"const": name});
        if let Some(properties) = auth["properties"].as_object_mut() {
            properties.retain(|key, _| !foreign.contains(&key.as_str()));
        }
        auth
    };
    json!({"anyOf": [
        method("token", &["method", "token"], &["mount", "roleId", "secretId"]),
        method("approle", &["method", "roleId", "secretId"], &["token"]),
    ]})
}

fn channel() -> Value {
    let mut addressed = object(&tables::CHANNEL, &["type", "secretRef"]);
    addressed["properties"]["type"] = json!({"enum": ["slack", "webhook"]});
    let mut log = object(&tables::CHANNEL, &["type"]);
    log["properties"] = json!({"type": {"const": "log"}});
    json!({"anyOf": [addressed, log]})
}

#[cfg(test)]
mod tests;
