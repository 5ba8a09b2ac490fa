//! A web server that takes JSON. Keys are added and never renamed.

use secretref_domain::alert::{ChannelName, Notice};
use serde_json::{Value, json};

/// What is posted.
pub(super) fn body(channel: &ChannelName, notice: &Notice) -> Value {
    let Notice { id, at, alert, more } = notice;
    json!({
        "id": id.to_string(),
        "kind": alert.kind.as_str(),
        "state": alert.state.as_str(),
        "severity": alert.severity.as_str(),
        "time": at.to_string(),
        "since": alert.since.map(|since| since.to_string()),
        "channel": channel.as_str(),
        "environment": alert.environment.as_str(),
        "provider": alert.provider.as_ref().map(ToString::to_string),
        "agent": alert.agent.as_ref().map(ToString::to_string),
        "tool": alert.tool.as_ref().map(ToString::to_string),
        "ref": alert.reference.as_ref().map(ToString::to_string),
        "reason": alert.reason,
        "fix": alert.fix,
        "more": more,
    })
}
