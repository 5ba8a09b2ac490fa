//! An incoming webhook of Slack, or of what understands the same.
//!
//! What others wrote (names, reasons) stands in code spans and is escaped, so that nothing in it
//! becomes a mention, a link or a format, whoever shows it.

use secretref_domain::{
    alert::{Alert, AlertKind, AlertState, Notice, Severity},
    condition::ConditionKind,
};
use serde_json::{Value, json};

/// What is posted: blocks, and the same as one text for notifications and for servers that know no
/// blocks.
pub(super) fn body(notice: &Notice) -> Value {
    let Notice { id, at, alert, more } = notice;
    let title = title(alert);
    let facts = facts(alert);
    let reason = format!("*Reason*\n{}", code(&alert.reason));
    let fix = (!alert.fix.is_empty()).then(|| format!("*Fix*\n{}", code(&alert.fix)));
    let others = match more {
        0 => String::new(),
        more => format!("and {more} more · "),
    };
    let foot = format!("{others}{} · {}", code(&at.to_string()), code(&id.to_string()));
    let fields: Vec<Value> = facts.iter().map(|fact| text(fact)).collect();
    let mut blocks = vec![json!({"type": "section", "text": text(&title)})];
    blocks.push(json!({"type": "section", "fields": fields}));
    blocks.push(json!({"type": "section", "text": text(&reason)}));
    blocks.extend(fix.iter().map(|fix| json!({"type": "section", "text": text(fix)})));
    blocks.push(json!({"type": "context", "elements": [text(&foot)]}));
    let lines = facts.into_iter().map(|fact| fact.replace('\n', " "));
    let lines: Vec<String> =
        [title].into_iter().chain(lines).chain([reason]).chain(fix).chain([foot]).collect();
    let text = lines.join("\n");
    json!({"text": text, "blocks": blocks, "unfurl_links": false, "unfurl_media": false})
}

fn title(alert: &Alert) -> String {
    let about = |name: Option<String>| name.map(|name| code(&name)).unwrap_or_default();
    let agent = about(alert.agent.as_ref().map(ToString::to_string));
    let tool = about(alert.tool.as_ref().map(ToString::to_string));
    let of_agent = |icon: &str, says: String| match alert.state {
        AlertState::Firing => format!("{icon} {says}"),
        AlertState::Resolved => format!("{OVER} {says}"),
    };
    match alert.kind {
        AlertKind::Denied => {
            of_agent(":no_entry:", format!("{agent} is denied a credential of {tool}"))
        }
        AlertKind::Unresolved => {
            of_agent(":rotating_light:", format!("{agent} has no credential for {tool}"))
        }
        AlertKind::TrailAlarm => {
            of_agent(":rotating_light:", format!("{agent} finds the audit trail altered"))
        }
        AlertKind::Test => ":white_check_mark: SecretRef can write to this channel".to_owned(),
        AlertKind::Condition(kind) => of_condition(alert, kind),
    }
}

fn of_condition(alert: &Alert, kind: ConditionKind) -> String {
    let about = |name: Option<String>| name.map(|name| code(&name)).unwrap_or_default();
    let reference = about(alert.reference.as_ref().map(ToString::to_string));
    let agent = about(alert.agent.as_ref().map(ToString::to_string));
    let provider = about(alert.provider.as_ref().map(ToString::to_string));
    let says = match kind {
        ConditionKind::Expiring => format!("{reference} ends soon"),
        ConditionKind::Expired => format!("{reference} has expired"),
        ConditionKind::Refused => format!("{reference} is refused by its service"),
        ConditionKind::RotationFailed => format!("the rotation of {reference} failed"),
        ConditionKind::RotationStuck => format!("the rotation of {reference} stands still"),
        ConditionKind::ConsumerLagging => format!("{agent} is behind with {reference}"),
        ConditionKind::ProviderDegraded if alert.reference.is_some() => {
            format!("provider {provider} has nothing for {reference}")
        }
        ConditionKind::ProviderDegraded => format!("provider {provider} is degraded"),
        ConditionKind::NeverUsed => format!("{reference} has never been used"),
        ConditionKind::TrailAlarm => format!("{agent} finds the audit trail altered"),
        ConditionKind::Denied => format!("{agent} is denied {reference}"),
        ConditionKind::Unresolved => format!("{agent} has no {reference}"),
    };
    match (alert.state, alert.severity) {
        (AlertState::Resolved, _) => format!("{OVER} {says}"),
        (AlertState::Firing, Severity::Error) => format!(":rotating_light: {says}"),
        (AlertState::Firing, _) => format!(":warning: {says}"),
    }
}

fn facts(alert: &Alert) -> Vec<String> {
    let agent = alert.agent.as_ref().map(ToString::to_string);
    let tool = alert.tool.as_ref().map(ToString::to_string);
    let reference = alert.reference.as_ref().map(ToString::to_string);
    let environment = Some(alert.environment.to_string());
    let provider = alert.provider.as_ref().map(ToString::to_string);
    let since = alert.since.map(|since| since.to_string());
    let facts = [
        ("Environment", environment),
        ("Provider", provider),
        ("Agent", agent),
        ("Tool", tool),
        ("Ref", reference),
        ("Since", since),
    ];
    let fact = |(what, name): (&str, Option<String>)| Some(format!("*{what}*\n{}", code(&name?)));
    facts.into_iter().filter_map(fact).collect()
}

/// Verbatim: Slack makes no link of what looks like one.
fn text(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}

/// A text of others in a code span of its own, on one line.
fn code(given: &str) -> String {
    let mut out = String::from("`");
    for character in given.chars().take(TEXT_CHARS_MAX) {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // It would end the span.
            '`' => out.push('\''),
            other if other.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    if given.chars().nth(TEXT_CHARS_MAX).is_some() {
        out.push('…');
    }
    out.push('`');
    out
}

/// How a message begins of what is over.
const OVER: &str = ":white_check_mark: over:";
/// Characters of one text of others: escaped, they stay below the 3,000 of a block.
const TEXT_CHARS_MAX: usize = 500;

/// By which Slack says what is wrong with a webhook.
pub(super) const WORDS: [&str; 10] = [
    "action_prohibited",
    "channel_is_archived",
    "channel_not_found",
    "invalid_payload",
    "invalid_token",
    "no_active_hooks",
    "no_service",
    "no_team",
    "posting_to_general_channel_denied",
    "user_not_found",
];
