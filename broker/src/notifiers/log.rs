//! The broker's log: one event at WARN, whose fields keep their names.

use secretref_domain::{
    alert::{ChannelName, Notice},
    name::{AgentName, ProviderAlias, SecretName, ToolName},
};

/// Writes an alert into the log.
pub(super) fn write(channel: &ChannelName, notice: &Notice) {
    let Notice { id, at, alert, more } = notice;
    tracing::warn!(
        target: "secretref::alert",
        channel = channel.as_str(),
        id = %id,
        kind = alert.kind.as_str(),
        state = alert.state.as_str(),
        severity = alert.severity.as_str(),
        time = %at,
        since = alert.since.map(|since| since.to_string()),
        environment = alert.environment.as_str(),
        provider = alert.provider.as_ref().map(ProviderAlias::as_str),
        agent = alert.agent.as_ref().map(AgentName::as_str),
        tool = alert.tool.as_ref().map(ToolName::as_str),
        "ref" = alert.reference.as_ref().map(SecretName::as_str),
        reason = alert.reason,
        fix = alert.fix,
        more = *more,
        "alert"
    );
}
