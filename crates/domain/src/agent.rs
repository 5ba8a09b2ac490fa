//! What an agent is and which credentials its tools are bound to.

mod clash;
mod on_rotate;
mod process;

pub use clash::{Clash, Slot};
pub use on_rotate::OnRotate;
pub(crate) use on_rotate::SIGNALS;
pub use process::{
    AgentSettings, COMMAND_WORD_BYTES_MAX, COMMAND_WORDS_MAX, GateSpec, INHERIT_MAX, ProcessSpec,
    SPAN_MS_MAX,
};

use crate::{
    clock::Timestamp,
    delivery::Evidence,
    name::{CredentialKey, EnvVar, FileName, GroupName, SecretName, ToolName},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An agent as its manifest describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSpec {
    /// Name for people, any UTF-8 of at most 256 bytes.
    pub display_name: String,
    /// Description for people, any UTF-8 of at most 4,096 bytes.
    pub description: String,
    /// Label of how it runs; 64 bytes at most.
    pub runtime: String,
    /// Groups whose tools it has too, the later before the earlier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupName>,
    /// Tools that it may use; absent: exactly its bound tools.
    pub capabilities: Option<Vec<ToolName>>,
    /// What `run` starts when no command is given.
    pub command: Vec<String>,
    /// How a sidecar runs its program, where it does.
    #[serde(default)]
    pub process: ProcessSpec,
    /// File of the secrets folder with a line for each environment variable.
    #[serde(default)]
    pub dotenv: Option<FileName>,
    /// Failure policy for each tool.
    pub profiles: BTreeMap<ToolName, AuthProfile>,
    /// Credentials for each tool.
    pub tools: BTreeMap<ToolName, ToolBinding>,
}

/// Failure policy for a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthProfile {
    /// Whether the agent cannot work without it; absent: silent.
    pub required: Option<bool>,
    /// What a denial does besides denying.
    pub on_failure: OnFailure,
}

/// What a denial does besides denying.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// It is written to the audit trail.
    #[default]
    DenyAndLog,
    /// It is written and the alert channels are told.
    DenyAndAlert,
}

/// The credentials of a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolBinding {
    /// Whether the agent cannot work without it; absent: silent.
    pub required: Option<bool>,
    /// The credentials, by key.
    pub credentials: BTreeMap<CredentialKey, Credential>,
}

/// One credential of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Ref that it is taken from.
    pub secret_ref: SecretName,
    /// Environment variable that it becomes.
    pub env_var: Option<EnvVar>,
    /// File that it becomes.
    pub file: Option<FileName>,
    /// Mode of the file; no bits for others.
    pub mode: Option<u32>,
    /// Owner of the file, as `user`, `user:group` or numbers.
    pub owner: Option<String>,
    /// Template that the file is made from.
    pub template: Option<String>,
    /// What happens to the agent when the value changes.
    pub on_rotate: Option<OnRotate>,
    /// How long it may be kept without a sign of the broker, in milliseconds.
    pub stale_max_ms: Option<i64>,
    /// How it is to be known that the agent is on a new version before a rotation revokes the old
    /// one; absent: that it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// From when on it should no longer be used.
    pub deprecation_date: Option<Timestamp>,
}

impl Credential {
    /// A credential of a ref, and nothing said of where it goes.
    #[must_use]
    pub fn of(secret_ref: SecretName) -> Self {
        Self {
            secret_ref,
            env_var: None,
            file: None,
            mode: None,
            owner: None,
            template: None,
            on_rotate: None,
            stale_max_ms: None,
            evidence: None,
            deprecation_date: None,
        }
    }

    /// Name of the file that the credential becomes: the one that is named, else the environment
    /// variable's (a sidecar container cannot set another's environment), else its key.
    #[must_use]
    pub fn file_name(&self, key: &CredentialKey) -> FileName {
        if let Some(file) = &self.file {
            return file.clone();
        }
        let name = self.env_var.as_ref().map_or(key.as_str(), EnvVar::as_str);
        FileName::parse(name).unwrap_or_else(|_| unreachable!("both grammars lie within files'"))
    }
}

impl AgentSpec {
    /// What its sidecar is told besides its secrets.
    #[must_use]
    pub fn settings(&self) -> AgentSettings {
        AgentSettings {
            dotenv: self.dotenv.clone(),
            command: self.command.clone(),
            process: self.process.clone(),
        }
    }

    /// Whether the agent may use a tool.
    #[must_use]
    pub fn may_use(&self, tool: &ToolName) -> bool {
        self.capabilities.as_ref().is_none_or(|tools| tools.contains(tool))
    }

    /// Every credential with its tool and key.
    pub fn credentials(&self) -> impl Iterator<Item = (&ToolName, &CredentialKey, &Credential)> {
        self.tools.iter().flat_map(|(tool, binding)| {
            binding.credentials.iter().map(move |(key, credential)| (tool, key, credential))
        })
    }

    /// Whether the agent cannot work without a credential of this tool: any `true` wins, then any
    /// `false`; all silent means `true`.
    #[must_use]
    pub fn requires(&self, tool: &ToolName, reference: Option<bool>) -> bool {
        let said = [
            reference,
            self.tools.get(tool).and_then(|binding| binding.required),
            self.profiles.get(tool).and_then(|profile| profile.required),
        ];
        said.contains(&Some(true)) || !said.contains(&Some(false))
    }
}
