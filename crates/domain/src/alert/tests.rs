use super::*;

fn alert() -> Alert {
    let environment = EnvironmentName::parse("prod").unwrap();
    Alert {
        agent: Some(AgentName::parse("payer").unwrap()),
        tool: Some(ToolName::parse("stripe").unwrap()),
        reference: Some(SecretName::parse("stripe-key").unwrap()),
        reason: "capability missing".into(),
        fix: "add it".into(),
        ..Alert::of(AlertKind::Denied, environment)
    }
}

#[test]
fn a_channel_is_called_what_people_call_it() {
    for name in ["#finance-alerts", "a", "支付 🚨", &"x".repeat(80)] {
        assert_eq!(ChannelName::parse(name).unwrap().as_str(), name);
    }
    for name in ["", "a\nb", "\u{1b}[2J", &"x".repeat(81), &"付".repeat(27)] {
        let refused = ChannelName::parse(name).unwrap_err().to_string();
        assert!(refused.contains("s name is a text of 1 to 80 bytes"), "{refused}");
    }
}

#[test]
fn every_kind_of_channel_has_a_word_of_its_own() {
    for (word, kind) in ChannelKind::ALL {
        assert_eq!(kind.as_str(), word);
        assert_eq!(serde_json::to_string(&kind).unwrap(), format!("{word:?}"));
    }
}

#[test]
fn an_alert_says_what_it_is_about() {
    assert_eq!(alert().subject(), "agent payer, tool stripe, ref stripe-key");
    let bare = Alert { agent: None, tool: None, reference: None, ..alert() };
    assert_eq!(bare.subject(), "environment prod");
    let provider = Some(ProviderAlias::parse("vault").unwrap());
    assert_eq!(Alert { provider, ..bare }.subject(), "provider vault");
}
