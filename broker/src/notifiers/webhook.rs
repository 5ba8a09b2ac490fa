//! A web server that takes JSON. Keys are added and never renamed.

use secretref_domain::alert::{ChannelName, Notice};
use serde_json::{Value, json};

/// What is posted.
pub(super) fn body(channel: &ChannelName, notice: &Notice) -> Value {
    let Notice { id, at, alert, over, more } = notice;
    json!({
        "id": id.to_string(),
        "kind": alert.kind.as_str(),
        "severity": alert.kind.severity().as_str(),
        "time": at.to_string(),
        "channel": channel.as_str(),
        "environment": alert.environment.as_str(),
        "agent": alert.agent.as_ref().map(ToString::to_string),
        "tool": alert.tool.as_ref().map(ToString::to_string),
        "ref": alert.reference.as_ref().map(ToString::to_string),
        "provider": alert.provider.as_ref().map(ToString::to_string),
        "reason": alert.reason,
        "fix": alert.fix,
        "over": over,
        "more": more,
    })
}
