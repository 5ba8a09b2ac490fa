//! Alerts: what people are told when something fails, and the channels by which they are told.

use crate::{
    clock::Timestamp,
    condition::ConditionKind,
    name::{AgentName, EnvironmentName, NameError, ProviderAlias, SecretName, ToolName},
};
use serde::{Deserialize, Serialize};
use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};
use uuid::Uuid;

/// Name of an alert channel, such as `#finance-alerts`: any text that steers no terminal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChannelName(Arc<str>);

/// Where alerts go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertChannel {
    /// What kind it is.
    pub kind: ChannelKind,
    /// Ref of its address, which is a secret; a log has none.
    pub secret_ref: Option<SecretName>,
}

/// What kind of channel alerts go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelKind {
    /// An incoming webhook of Slack.
    Slack,
    /// Any other webhook.
    Webhook,
    /// The broker's log.
    Log,
}

/// Something that people are to know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alert {
    /// What happened.
    pub kind: AlertKind,
    /// Whether it is so, or is over.
    pub state: AlertState,
    /// How bad it is.
    pub severity: Severity,
    /// Environment: its channels are told.
    pub environment: EnvironmentName,
    /// Provider that it is about, where it is about one.
    pub provider: Option<ProviderAlias>,
    /// Agent that it happened to, where it happened to one.
    pub agent: Option<AgentName>,
    /// Tool of the agent.
    pub tool: Option<ToolName>,
    /// Ref that it is about.
    pub reference: Option<SecretName>,
    /// Since when it is so, where it is so for a while.
    pub since: Option<Timestamp>,
    /// Why, in words.
    pub reason: String,
    /// The command or change that helps.
    pub fix: String,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertKind {
    /// An agent may not have a credential that one of its tools is bound to.
    Denied,
    /// A ref that an agent cannot work without has no value.
    Unresolved,
    /// A sidecar finds that the audit trail was set back, forked or signed by another key.
    TrailAlarm,
    /// Somebody tries a channel.
    Test,
    /// Something is so for a while, or is over.
    Condition(ConditionKind),
}

/// Whether something is so. The words are those that others use of alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertState {
    /// It is.
    Firing,
    /// It is over.
    Resolved,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Nothing is wrong.
    Info,
    /// Nothing fails yet.
    Warning,
    /// An agent cannot work, or a credential is about to be of no use.
    Error,
}

/// An alert on its way to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Names the trouble: the same when it is sent again, whether because an answer was lost or as
    /// a reminder.
    pub id: Uuid,
    /// When it was found, by the broker's clock.
    pub at: Timestamp,
    /// What it says.
    pub alert: Alert,
    /// How many others it stands for, where there were too many to send each.
    pub more: usize,
}

impl ChannelName {
    /// What a name is.
    pub const GRAMMAR: &'static str = "a text of 1 to 80 bytes without control characters";

    /// Takes a name that is in the grammar.
    ///
    /// # Errors
    /// [`NameError`] where it is not.
    pub fn parse(given: &str) -> Result<Self, NameError> {
        let why = match given {
            "" => "it is empty",
            _ if given.len() > CHANNEL_BYTES_MAX => "it is too long",
            _ if given.chars().any(char::is_control) => "it has a control character",
            _ => return Ok(Self(given.into())),
        };
        Err(NameError {
            kind: "channel's name",
            given: given.chars().take(128).collect(),
            why,
            grammar: Self::GRAMMAR,
        })
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ChannelName {
    type Err = NameError;
    fn from_str(given: &str) -> Result<Self, NameError> {
        Self::parse(given)
    }
}

impl TryFrom<String> for ChannelName {
    type Error = NameError;
    fn try_from(given: String) -> Result<Self, NameError> {
        Self::parse(&given)
    }
}

impl From<ChannelName> for String {
    fn from(name: ChannelName) -> String {
        name.0.as_ref().to_owned()
    }
}

impl Borrow<str> for ChannelName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl ChannelKind {
    /// Every kind with the name that manifests use.
    pub const ALL: [(&'static str, Self); 3] =
        [("slack", Self::Slack), ("webhook", Self::Webhook), ("log", Self::Log)];

    /// The name that manifests use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

impl Alert {
    /// That something happened in an environment, and nothing else yet.
    #[must_use]
    pub fn of(kind: AlertKind, environment: EnvironmentName) -> Self {
        Self {
            kind,
            state: AlertState::Firing,
            severity: kind.severity(),
            environment,
            provider: None,
            agent: None,
            tool: None,
            reference: None,
            since: None,
            reason: String::new(),
            fix: String::new(),
        }
    }

    /// What it is about, in a few words: `agent payer, tool stripe, ref stripe-key`.
    #[must_use]
    pub fn subject(&self) -> String {
        let agent = self.agent.as_ref().map(|name| format!("agent {name}"));
        let tool = self.tool.as_ref().map(|name| format!("tool {name}"));
        let provider = self.provider.as_ref().map(|name| format!("provider {name}"));
        let reference = self.reference.as_ref().map(|name| format!("ref {name}"));
        let parts = [agent, tool, provider, reference];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() {
            return format!("environment {}", self.environment);
        }
        parts.join(", ")
    }
}

impl AlertKind {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Unresolved => "unresolved",
            Self::TrailAlarm => "trail-alarm",
            Self::Test => "test",
            Self::Condition(kind) => kind.as_str(),
        }
    }

    /// How bad it is, where nothing else says so.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::Denied | Self::Unresolved | Self::TrailAlarm => Severity::Error,
            Self::Condition(_) => Severity::Warning,
            Self::Test => Severity::Info,
        }
    }
}

impl AlertState {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Longest name of a channel, in bytes.
pub const CHANNEL_BYTES_MAX: usize = 80;
/// Channels of one environment.
pub const CHANNELS_MAX: usize = 64;

#[cfg(test)]
mod tests;
