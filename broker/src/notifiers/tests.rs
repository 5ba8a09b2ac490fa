use super::*;
use crate::outbound::Patience;
use secretref_domain::{
    alert::{Alert, AlertKind},
    clock::Timestamp,
    name::{AgentName, EnvironmentName, SecretName, ToolName},
};
use serde_json::Value;
use uuid::Uuid;

fn notice(kind: AlertKind, reason: &str) -> Notice {
    let alert = Alert {
        agent: Some(AgentName::parse("payer").unwrap()),
        tool: Some(ToolName::parse("stripe").unwrap()),
        reference: Some(SecretName::parse("evil.example/key").unwrap()),
        reason: reason.into(),
        fix: "secretref put evil.example/key".into(),
        ..Alert::of(kind, EnvironmentName::parse("prod").unwrap())
    };
    Notice { id: Uuid::nil(), at: Timestamp::from_micros(0), alert, more: 0 }
}

/// Every text of a document, as it is shown.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(key, _)| *key != "type")
            .flat_map(|(_, value)| texts(value))
            .collect(),
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        _ => Vec::new(),
    }
}

/// What is left of a text once its code spans are taken out.
fn outside(text: &str) -> String {
    text.split('`').step_by(2).collect()
}

#[test]
fn what_others_wrote_becomes_no_mention_and_no_link() {
    let hostile = [
        "<!channel> <!here> <!everyone>",
        "<@U012AB3CD> <#C012|x> <!subteam^S012>",
        "<https://evil.example|your login>",
        "https://evil.example www.evil.example mailto:a@evil.example",
        "` <!channel> `",
        "a\n`<!here>`\u{7}\n*bold* _it_ ~no~",
        "&lt;!channel&gt; &amp;",
        "@here @channel #general",
    ];
    for text in hostile {
        let told = slack::body(&notice(AlertKind::Denied, text));
        for shown in texts(&told) {
            assert!(!shown.contains(['<', '>']), "{text}: {shown}");
            assert_eq!(shown.matches('`').count() % 2, 0, "a span is open: {shown}");
            let outside = outside(&shown);
            for word in ["here", "channel", "everyone", "evil", "@", "bold", "amp"] {
                assert!(!outside.contains(word), "{text}: {word:?} stands in {outside:?}");
            }
        }
    }
    // Escaped once, so that it is read as it was written.
    let told = slack::body(&notice(AlertKind::Denied, "a < b & c")).to_string();
    assert!(told.contains("`a &lt; b &amp; c`"), "{told}");
}

#[test]
fn texts_stay_below_what_slack_takes() {
    let told = slack::body(&notice(AlertKind::Unresolved, &"&".repeat(10_000)));
    for block in told["blocks"].as_array().unwrap() {
        for text in texts(block) {
            assert!(text.chars().count() <= 3000, "{} characters", text.chars().count());
        }
    }
    assert!(told["text"].as_str().unwrap().contains('…'));
}

#[test]
fn how_many_an_alert_stands_for_is_said() {
    let alone = notice(AlertKind::Denied, "why");
    assert!(!slack::body(&alone).to_string().contains("more"));
    let many = Notice { more: 37, ..alone };
    assert!(slack::body(&many).to_string().contains("and 37 more"));
    let channel = ChannelName::parse("x").unwrap();
    assert_eq!(webhook::body(&channel, &many)["more"], 37);
}

#[test]
fn a_channel_without_a_good_address_is_none() {
    let outbound = Outbound::new(Patience::default()).unwrap();
    let kinds = [ChannelKind::Webhook, ChannelKind::Slack];
    for kind in kinds {
        let failed = |bytes: &[u8]| {
            let address = SecretValue::new(bytes.to_vec()).unwrap();
            let Err(failure) = Notifier::new(kind, Some(&address), &outbound) else {
                panic!("{bytes:?} was taken");
            };
            assert!(!failure.may_pass(), "{failure}");
            failure.to_string()
        };
        assert!(failed(b"http://hooks.example/T0").contains("plain HTTP"));
        assert!(failed(b"\xff\xfe").contains("a character that no address has"));
        let none = Notifier::new(kind, None, &outbound).err();
        assert_eq!(none, Some(Failure::NoAddress));
    }
    assert!(Notifier::new(ChannelKind::Log, None, &outbound).is_ok());
}
