//! Where a ref comes from.

use crate::{
    clock::Timestamp,
    name::{ProviderAlias, SecretName},
    rotation::RotationPolicy,
};
use serde::{Deserialize, Serialize};

/// A ref: a name that a manifest maps to a target inside a provider.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Provider; absent: the active one of the environment.
    pub provider: Option<ProviderAlias>,
    /// Path that an environment names instead of the provider's own: a file, whole unless there is
    /// a target; or a path in Vault, with the field `value` unless it ends in `#field`.
    #[serde(default)]
    pub path: Option<String>,
    /// Record, pointer or path inside the provider; absent: the ref's own name.
    pub target: Option<String>,
    /// Whether agents cannot work without it; absent: silent.
    pub required: Option<bool>,
    /// Where else to look, in this order.
    pub fallback: Vec<Source>,
    /// When its values stop being valid, where they do not say so themselves.
    pub expires_at: Option<Timestamp>,
    /// Service that issued it.
    pub service: Option<String>,
    /// From when on it should no longer be used.
    pub deprecation_date: Option<Timestamp>,
    /// How it is rotated, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationPolicy>,
}

/// One place to look.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Source {
    /// Provider.
    pub provider: ProviderAlias,
    /// Record, pointer or path inside it; absent: the ref's own name.
    pub target: Option<String>,
    /// As [`Reference::path`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// What kind of provider an alias names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderKind {
    /// The broker's own encrypted store.
    Store,
    /// Files on the broker's host.
    File,
    /// The broker's environment.
    Env,
    /// KV v2 of Vault or OpenBao.
    Vault,
    /// A program.
    Exec,
    /// AWS Secrets Manager.
    AwsSecretsmanager,
}

impl ProviderKind {
    /// Every kind with the name that manifests use.
    pub const ALL: [(&'static str, Self); 6] = [
        ("store", Self::Store),
        ("file", Self::File),
        ("env", Self::Env),
        ("vault", Self::Vault),
        ("exec", Self::Exec),
        ("aws-secretsmanager", Self::AwsSecretsmanager),
    ];

    /// The name that manifests use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    /// The kind of this name.
    #[must_use]
    pub fn parse(given: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == given).map(|(_, kind)| *kind)
    }
}

/// A provider as a manifest sets it up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderSpec {
    /// What kind it is.
    pub kind: ProviderKind,
    /// Its settings, checked against the kind's keys; never a secret.
    pub settings: serde_json::Map<String, serde_json::Value>,
}

impl ProviderSpec {
    /// The secrets that it needs for itself and that are refs, by the key of the setting, such as
    /// `auth.token`.
    #[must_use]
    pub fn own_secrets(&self) -> Vec<(&'static str, SecretName)> {
        let settings = serde_json::Value::Object(self.settings.clone());
        let need = |(key, pointer): &(&'static str, &str)| {
            let name = settings.pointer(pointer)?.get("secretRef")?.as_str()?;
            Some((*key, SecretName::parse(name).ok()?))
        };
        OWN_SECRETS.iter().filter_map(need).collect()
    }

    pub(crate) fn own_refs(&self) -> Vec<SecretName> {
        self.own_secrets().into_iter().map(|(_, name)| name).collect()
    }
}

/// Where settings name a secret that a provider needs for itself.
const OWN_SECRETS: [(&str, &str); 4] = [
    ("auth.token", "/auth/token"),
    ("auth.secretId", "/auth/secretId"),
    ("secretAccessKey", "/secretAccessKey"),
    ("sessionToken", "/sessionToken"),
];
