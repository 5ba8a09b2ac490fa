//! Every key, and what it comes to.

use super::*;
use crate::{
    agent::{OnFailure, OnRotate},
    alert::ChannelKind,
    clock::Timestamp,
    reference::{ProviderKind, Source},
};

#[test]
fn every_key_is_taken() {
    let manifest = good(EVERY_KEY);
    let spec = &manifest.agents["payer"];
    assert_eq!(spec.display_name, "Payer");
    assert_eq!(spec.description, "Pays.\nTwice.");
    assert_eq!(spec.runtime, "container");
    assert_eq!(spec.capabilities, Some(vec![name("stripe"), name("slack"), name("ledger")]));
    assert_eq!(spec.command, ["/usr/bin/payer", "--verbose", ""]);
    let process = &spec.process;
    assert_eq!((process.stop_timeout_ms, process.hand_over), (500, true));
    assert_eq!(process.inherit, [name("HTTPS_PROXY")]);
    let gate = process.gate.as_ref().unwrap();
    assert_eq!((gate.alive_ms, gate.timeout_ms), (2000, 60_000));
    assert_eq!(gate.http.as_ref().unwrap().path(), "/healthz");
    assert_eq!(gate.command, ["/usr/bin/payer-check", "--now"]);
    assert_eq!(spec.dotenv, Some(name("payer.env")));
    assert_eq!(spec.profiles["stripe"].required, Some(false));
    assert_eq!(spec.profiles["stripe"].on_failure, OnFailure::DenyAndAlert);
    assert_eq!(spec.tools["stripe"].required, Some(false));
    let credential = &spec.tools["stripe"].credentials["apiKey"];
    assert_eq!(credential.secret_ref, name("stripe/api-key"));
    assert_eq!(credential.env_var, Some(name("STRIPE_API_KEY")));
    assert_eq!(credential.file, Some(name("stripe.key")));
    assert_eq!(credential.mode, Some(0o440));
    assert_eq!(credential.owner.as_deref(), Some("payer:1000"));
    assert_eq!(credential.template.as_deref(), Some("key = {{ value }}\n"));
    assert_eq!(credential.on_rotate, Some(OnRotate::Signal("HUP".into())));
    assert_eq!(credential.stale_max_ms, Some(15 * 60 * 1000));
    assert_eq!(credential.deprecation_date, Timestamp::parse("2027-03-08T00:00:00Z"));
    assert_eq!(spec.groups, [name("finance"), name("everybody")]);
    assert_eq!(manifest.agents["single"].display_name, "Single");
    assert_eq!(manifest.agents["single"].groups, [name("everybody")]);
    let group = &manifest.groups["finance"];
    assert_eq!(group.description, "Moves money.");
    assert_eq!(group.capabilities, Some(vec![name("ledger")]));
    assert_eq!(group.profiles["ledger"].required, Some(true));
    let credential = &group.tools["ledger"].credentials["password"];
    assert_eq!(credential.secret_ref, name("ledger/password"));
    assert_eq!(manifest.groups["everybody"], GroupSpec::default());
    assert_eq!(manifest.environment, Some(name("production")));
    assert_eq!(manifest.active_provider, Some(name("corporate")));
    assert_eq!(manifest.warnings, Vec::<String>::new());
}

#[test]
fn every_key_of_a_ref_is_taken() {
    let manifest = good(EVERY_KEY);
    let reference = &manifest.references["stripe/api-key"];
    assert_eq!(reference.provider, Some(name("corporate")));
    assert_eq!(reference.target.as_deref(), Some("prod/stripe#key"));
    assert_eq!(reference.required, Some(true));
    let store =
        Source { provider: name("store"), target: Some("stripe/api-key".into()), path: None };
    let env = Source { provider: name("env"), target: None, path: None };
    assert_eq!(reference.fallback, [store, env]);
    assert_eq!(reference.expires_at, Timestamp::parse("2027-03-08T04:12:00Z"));
    assert_eq!(reference.service.as_deref(), Some("stripe"));
    assert_eq!(reference.deprecation_date, Timestamp::parse("2027-01-01"));
    assert!(manifest.references.contains_key("aws-key"), "both refMaps are read");

    let over = &manifest.references_in(&name("production"))["stripe/api-key"];
    assert_eq!(over, &manifest.environments["production"]["stripe/api-key"]);
    assert_eq!(over.path.as_deref(), Some("prod.json"));
    assert_eq!(over.target.as_deref(), Some("/stripe/key"));
    assert_eq!(over.required, Some(false));
    assert_eq!(over.expires_at, Timestamp::parse("2028-03-08T03:12:00Z"));
}

#[test]
fn every_provider_and_channel_is_taken() {
    let manifest = good(EVERY_KEY);
    let kind = |alias: &str| manifest.providers[alias].kind;
    assert_eq!(kind("store"), ProviderKind::Store);
    assert_eq!(kind("file"), ProviderKind::File);
    assert_eq!(kind("env"), ProviderKind::Env);
    assert_eq!(kind("corporate"), ProviderKind::Vault);
    assert_eq!(kind("helper"), ProviderKind::Exec);
    assert_eq!(kind("openclaw-style"), ProviderKind::Exec);
    assert_eq!(kind("aws-secretsmanager"), ProviderKind::AwsSecretsmanager);
    let settings = &manifest.providers["corporate"].settings;
    assert_eq!(settings["auth"]["secretId"]["file"], "vault-secret-id");
    assert!(!settings.contains_key("type"), "it is the kind");
    assert_eq!(manifest.providers["helper"].settings["timeoutMs"], 5000);
    let slack = AlertChannel { kind: ChannelKind::Slack, secret_ref: Some(name("slack-webhook")) };
    assert_eq!(manifest.channels["#finance-alerts"], slack);
    assert_eq!(manifest.channels["pager"].kind, ChannelKind::Webhook);
    assert_eq!(manifest.channels["log"].secret_ref, None);
}

#[test]
fn silence_differs_from_a_word() {
    let silent = good(&agent(""));
    assert_eq!(silent.agents["a"], AgentSpec::default());
    assert_eq!(silent.agents["a"].capabilities, None);
    let none = good(&agent("\"capabilities\": []"));
    assert_eq!(none.agents["a"].capabilities, Some(Vec::new()));
    let profile = good(&agent("\"auth-profiles\": {\"t\": {}}"));
    assert_eq!(profile.agents["a"].profiles["t"].on_failure, OnFailure::DenyAndLog);
    assert_eq!(profile.agents["a"].profiles["t"].required, None);
    assert_eq!(good("{}"), Manifest::default());
}

#[test]
fn modes_durations_owners_and_hooks_have_their_ranges() {
    let stale = |given: &str| one(&credential(&format!("\"maxStale\": \"{given}\"")));
    for (given, ms) in [("1s", 1000), ("30s", 30_000), ("2h", 7_200_000), ("90d", 7_776_000_000)] {
        let credential = &stale(given).unwrap().agents["a"].tools["t"].credentials["k"].clone();
        assert_eq!(credential.stale_max_ms, Some(ms));
    }
    for given in ["", "0s", "91d", "15", "m", "1.5h", "-1s", "1 h", "1H", "99999999999999999999d"] {
        assert!(stale(given).is_err(), "{given}");
    }
    let takes =
        |key: &str, given: &str| one(&credential(&format!("\"{key}\": \"{given}\""))).is_ok();
    for mode in ["0400", "440", "0600", "0640"] {
        assert!(takes("mode", mode), "{mode}");
    }
    for mode in
        ["0444", "0660", "0700", "4400", "0040", "0", "40", "00440", "0o440", "-440", "+440"]
    {
        assert!(!takes("mode", mode), "{mode}");
    }
    for owner in ["payer", "_svc-1", "payer:staff", "1000", "1000:1000", "payer:0"] {
        assert!(takes("owner", owner), "{owner}");
    }
    for owner in ["", ":", "payer:", ":staff", "a:b:c", "Payer", "a b", "4294967295", "4294967296"]
    {
        assert!(!takes("owner", owner), "{owner}");
    }
    for hook in [
        "restart",
        "none",
        "signal:USR1",
        "signal:USR1@/run/agent.pid",
        "http://[::1]:8080/reload",
        "exec:/usr/bin/reload",
    ] {
        assert!(takes("onRotate", hook), "{hook}");
    }
    for hook in ["", "reboot", "signal:KILL", "signal:", "exec:reload", "exec:", "http://a:1/"] {
        assert!(!takes("onRotate", hook), "{hook}");
    }
}

#[test]
fn how_a_program_is_run_has_its_ranges() {
    let process = |inner: &str| one(&agent(&format!("\"process\": {{{inner}}}")));
    let gate = |inner: &str| process(&format!("\"gate\": {{{inner}}}"));
    assert!(process("").is_ok());
    assert_eq!(process("").unwrap().agents["a"].process.stop_timeout_ms, 10_000);
    for (given, ms) in [("0s", 0), ("1500ms", 1500), ("10m", 600_000)] {
        let taken = process(&format!("\"stopTimeout\": \"{given}\"")).unwrap();
        assert_eq!(taken.agents["a"].process.stop_timeout_ms, ms);
    }
    for refused in [
        "\"stopTimeout\": \"11m\"",
        "\"stopTimeout\": 10",
        "\"inherit\": [\"SECRETREF_KEY\"]",
        "\"inherit\": [\"A\", \"A\"]",
        "\"inherit\": [\"a-b\"]",
        "\"handover\": true",
    ] {
        assert!(process(refused).is_err(), "{refused}");
    }
    assert!(gate("\"alive\": \"2s\"").is_ok());
    for refused in [
        "",
        "\"timeout\": \"5s\"",
        "\"alive\": \"30s\"",
        "\"alive\": \"1s\", \"timeout\": \"0s\"",
        "\"http\": \"http://10.0.0.1/\"",
        "\"command\": [\"check\"]",
        "\"command\": []",
    ] {
        assert!(gate(refused).is_err(), "{refused}");
    }
    let clash = credential("\"file\": \"all\"");
    let with = clash.replacen("\"tool-bindings\"", "\"dotenv\": \"all\", \"tool-bindings\"", 1);
    assert!(one(&clash).is_ok() && with != clash && one(&with).is_err());
}

#[test]
fn dates_are_whole_days_or_times_with_a_zone() {
    let takes =
        |given: &str| one(&credential(&format!("\"deprecationDate\": \"{given}\""))).is_ok();
    for date in ["2027-03-08", "2027-03-08T04:12:00Z", "2027-03-08T04:12:00.5+02:00"] {
        assert!(takes(date), "{date}");
    }
    for date in ["", "soon", "2027-02-30", "2027-03-08T04:12:00", "08.03.2027", "2027-03", "1"] {
        assert!(!takes(date), "{date}");
    }
}
