//! What is printed of what a broker says.

use crate::{broker::Broker, run};
use std::fs;

#[test]
fn put_keeps_every_byte_and_tells_the_version() {
    let broker = Broker::start();
    let ran = broker.run(&["put", "bytes", "--json"], b"\x00\xff\n");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.starts_with("warning: the value ends with a newline"), "{}", ran.err);
    assert_eq!(ran.json()["name"], "bytes");
    assert_eq!(ran.json()["version"], 7);
    assert_eq!(ran.json()["state"], "current");
    assert_eq!(ran.json()["revision"], 42);
    assert_eq!(broker.puts()[0].value, b"\x00\xff\n");

    let file = broker.folder().join("value");
    fs::write(&file, "from a file").unwrap();
    let ran = broker.run(&["put", "a", "--value-file", file.to_str().unwrap()], b"not this");
    assert_eq!((ran.code, ran.text(), ran.err.as_str()), (0, "a v7\n", ""));
    assert_eq!(broker.puts()[1].value, b"from a file");
}

#[test]
fn put_sends_what_was_said_and_nothing_else() {
    let broker = Broker::start();
    let ran = broker.run(
        &[
            "put",
            "a",
            "--service",
            "stripe",
            "--label",
            "team=pay",
            "--label",
            "x=a=b",
            "--if-version",
            "0",
            "--create-only",
            "--expires-at",
            "2027-03-08",
            "--deprecation-date",
            "2028-01-01",
            "--environment",
            "staging",
        ],
        b"v",
    );
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ran = broker.run(&["put", "a", "--ttl", "90d"], b"v");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let [full, bare] = broker.puts().try_into().unwrap();
    assert_eq!(full.service.as_deref(), Some("stripe"));
    assert_eq!(full.labels["x"], "a=b");
    assert_eq!(full.expected_version, Some(0));
    assert!(full.create_only);
    assert_eq!(full.expire_time.unwrap().seconds, 1_804_464_000);
    assert!(full.deprecation_time.is_some());
    assert_eq!(full.environment, "staging");
    assert_eq!((bare.service, bare.expected_version, bare.create_only), (None, None, false));
    assert!(bare.labels.is_empty() && bare.environment.is_empty());
    assert!(bare.expire_time.is_some());
    assert_ne!(full.request_id, bare.request_id);
}

#[test]
fn put_repeats_a_lost_answer_under_the_same_id() {
    let broker = Broker::start();
    let ran = broker.run(&["put", "flaky"], b"v");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let [first, second] = broker.puts().try_into().unwrap();
    assert_eq!(first.request_id, second.request_id);
    assert_eq!(first.request_id.len(), 36);
    assert_eq!(first.value, second.value);
}

#[test]
fn a_refusal_is_printed_with_its_fix() {
    let broker = Broker::start();
    let ran = broker.run(&["put", "deleted"], b"v");
    assert_eq!(ran.code, 1);
    assert_eq!(ran.err, "error: secret \"deleted\" is deleted. Fix: secretref undelete deleted\n");
    assert_eq!(broker.run(&["put", "conflict"], b"v").code, 1);
    assert_eq!(broker.puts().len(), 2);
    assert_eq!(broker.run(&["show", "missing"], b"").code, 3);
    let denied = broker.run(&["get", "denied", "--reveal", "--reason", "r"], b"");
    assert_eq!(denied.code, 1);
    assert!(denied.out.is_empty());
}

#[test]
fn get_gives_exactly_the_bytes() {
    let broker = Broker::start();
    let get = |name: &str, more: &[&str]| {
        let mut arguments = vec!["get", name, "--reveal", "--reason", "test"];
        arguments.extend(more);
        broker.run(&arguments, b"")
    };
    assert_eq!(get("bytes", &[]).out, b"\x00\xff\n");
    assert_eq!(get("a", &[]).out, b"sk_live_1");
    let text = get("a", &["--json"]).json();
    assert_eq!(text["value"], "sk_live_1");
    assert_eq!(text["value_base64"], "c2tfbGl2ZV8x");
    assert_eq!(text["version"], 7);
    let bytes = get("bytes", &["--json"]).json();
    assert_eq!(bytes["value_base64"], "AP8K");
    assert!(bytes.get("value").is_none());
}

#[test]
fn lists_go_through_all_pages() {
    let broker = Broker::start();
    let ran = broker.run(&["list", "--json"], b"");
    let names: Vec<_> = ran.json().as_array().unwrap().iter().map(|s| s["name"].clone()).collect();
    assert_eq!(names, ["a", "b"]);
    let ran = broker.run(&["list"], b"");
    let lines: Vec<&str> = ran.text().lines().collect();
    assert_eq!(lines[0], "NAME  VERSION  SERVICE  EXPIRES     UPDATED");
    assert_eq!(lines[1], "a     v7       stripe   2027-03-08  2026-11-23 12:03:11");
    let versions = broker.run(&["versions", "a", "--json"], b"").json();
    assert_eq!(versions[0]["version"], 7);
    assert_eq!(versions[0]["state"], "current");
    assert_eq!(versions[2]["state"], "destroyed");
    let trail = broker.run(&["audit", "log", "--json"], b"");
    assert_eq!(trail.text().lines().count(), 2);
    let trail = broker.run(&["audit", "log", "--since", "2h"], b"");
    let line = "2026-11-23 12:03:11 allowed secret.put stripe-api-key v8 by admin:root";
    assert_eq!(trail.text().lines().next(), Some(line));
}

#[test]
fn changes_of_versions_are_told() {
    let broker = Broker::start();
    let told = |arguments: &[&str]| {
        let ran = broker.run(arguments, b"");
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
        ran.text().to_owned()
    };
    assert_eq!(told(&["activate", "a", "--version", "3"]), "a v7 (value of v3)\n");
    assert_eq!(told(&["destroy", "a", "--version", "3"]), "a v3 destroyed\n");
    assert_eq!(told(&["delete", "a"]), "a deleted\n");
    assert_eq!(told(&["undelete", "a"]), "a v7 undeleted\n");
    assert!(told(&["show", "a"]).contains("service          stripe\n"));
}

#[test]
fn apply_lists_what_has_no_value_and_goes_on() {
    let broker = Broker::start();
    let file = broker.folder().join("m.json");
    fs::write(&file, "{}").unwrap();
    let file = file.to_str().unwrap();
    let ran = broker.run(&["apply", "-f", file], b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.text().contains("❌ unresolved: slack-bot-token"), "{}", ran.text());
    assert!(ran.text().contains("Fix: secretref put slack-bot-token"));
    assert_eq!(ran.err, "warning: unused-ref: legacy\n");
    let ran = broker.run(&["apply", "-f", "-", "--json", "--dry-run"], b"{}");
    assert_eq!(ran.json()["changes"][0]["name"], "standard input");
    assert_eq!(ran.json()["unresolved"][0]["ref"], "slack-bot-token");
    assert_eq!(ran.json()["dry_run"], true);

    let strict = broker.run(&["apply", "-f", file, "--strict"], b"");
    assert_eq!(strict.code, 2);
    assert!(strict.err.contains("Fix: secretref put slack-bot-token"), "{}", strict.err);
    let bad = broker.run(&["apply", "-f", "-"], b"bad");
    assert_eq!(bad.code, 2);
    assert_eq!(bad.err.lines().count(), 2, "{}", bad.err);
    assert!(bad.err.starts_with("error: m.json: agents.a.capabilites: is not a key"));
    assert_eq!(broker.run(&["apply", "-f", "/nowhere.json"], b"").code, 2);
}

#[test]
fn a_token_is_alone_on_standard_output() {
    let broker = Broker::start();
    let ran = broker.run(&["agent", "token", "a", "--ttl", "10m", "--readmit"], b"");
    assert_eq!(ran.text(), "srj_600_true\n");
    assert!(ran.err.contains("until 2027-03-08 00:00:00 UTC"), "{}", ran.err);
    let ran = broker.run(&["agent", "token", "a", "--json"], b"");
    assert_eq!(ran.json()["token"], "srj_0_false");
    let ran = broker.run(&["agent", "revoke", "a", "--reason", "r"], b"");
    assert!(ran.text().starts_with("payment-analyst revoked, 1 stream cut\n"), "{}", ran.text());
    assert!(ran.text().contains("not known to be wiped: stripe-api-key"));
}

#[test]
fn what_a_manifest_says_cannot_steer_the_terminal() {
    let broker = Broker::start();
    for arguments in [["agent", "list"].as_slice(), &["agent", "show", "payment-analyst"]] {
        let ran = broker.run(arguments, b"");
        assert!(ran.text().contains("支付分析 Agent\u{fffd}[2J"), "{}", ran.text());
    }
}

#[test]
fn status_shows_refs_and_instances() {
    let broker = Broker::start();
    let ran = broker.run(&["status", "--agent", "payment-analyst", "--secrets"], b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let lines: Vec<&str> = ran.text().lines().collect();
    assert!(lines[0].starts_with("✅ STRIPE_API_KEY: injected (no expiry)   v8 applied "));
    assert!(lines[0].ends_with("12:03:11, file, store"), "{}", lines[0]);
    assert!(lines[1].contains("v8 written") && lines[1].ends_with("connected"), "{}", lines[1]);
    assert_eq!(lines[2], "❌ SLACK: unresolved (the store has no such secret)");

    let json = broker.run(&["status", "--json"], b"").json();
    assert_eq!(json.as_array().unwrap().len(), 1);
    assert_eq!(json[0]["refs"][0]["applied_version"], 8);
    assert_eq!(json[0]["refs"][1]["env"], serde_json::Value::Null);
    let json = broker.run(&["status", "--json", "--all"], b"").json();
    assert_eq!(json[1]["state"], "revoked");
    let ran = broker.run(&["gateway", "status"], b"");
    assert!(ran.text().contains("1 of 2 injected"), "{}", ran.text());
    assert!(ran.text().contains("unresolved: SLACK"), "{}", ran.text());
}

#[test]
fn a_diagnosis_changes_the_exit_only_when_asked() {
    let broker = Broker::start();
    let ran = broker.run(&["audit", "--secrets"], b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let lines: Vec<&str> = ran.text().lines().collect();
    let unresolved = "❌ unresolved-ref: slack-bot-token (agent payment-analyst): the store has no \
                      such secret. Fix: secretref put slack-bot-token";
    let unused = "⚠️ unused-ref: legacy-github-token (delete after migration)";
    assert_eq!(lines, [unresolved, unused]);
    assert_eq!(broker.run(&["audit", "--secrets", "--check"], b"").code, 2);
    let ran = broker.run(&["gateway", "audit", "--secrets", "--unused-only"], b"");
    assert_eq!(ran.text().trim_end(), unused);
    assert_eq!(broker.run(&["audit", "--secrets", "--unused-only", "--check"], b"").code, 1);
    let json = broker.run(&["audit", "--secrets", "--verbose", "--json"], b"").json();
    assert_eq!(json["findings"].as_array().unwrap().len(), 2);
    assert_eq!(json["findings"][0]["code"], "unresolved-ref");
    assert_eq!(json["references"][0]["sources"][0]["fault"], "sealed");
}

#[test]
fn every_ref_is_shown_with_its_chain_and_its_bindings() {
    let broker = Broker::start();
    let ran = broker.run(&["audit", "--secrets", "--verbose"], b"");
    let lines: Vec<&str> = ran.text().lines().collect();
    assert!(
        lines[0].starts_with("✅ stripe-api-key: file, fallback of vault v1, valid until 2027")
    );
    assert!(lines[1].contains("· vault prod/stripe#key: sealed since"), "{}", lines[1]);
    assert_eq!(lines[2], "   → file: stripe-api-key@file v1");
    let bound = "   bound by payment-analyst stripe-payment.apiKey as STRIPE_API_KEY, required";
    assert_eq!(lines[3], bound);
    let ran = broker.run(&["explain", "stripe-api-key"], b"");
    assert!(ran.text().contains("→ file: stripe-api-key@file v1"), "{}", ran.text());
}

#[test]
fn channels_are_listed_with_what_they_lack() {
    let broker = Broker::start();
    let ran = broker.run(&["alert", "list", "--environment", "production"], b"");
    let lines: Vec<&str> = ran.text().lines().collect();
    assert_eq!(lines[0], "CHANNEL          TYPE   REF            STATE");
    let first = "#finance-alerts  slack  slack-webhook  secret \"slack-webhook\" is deleted. Fix: \
                 secretref undelete slack-webhook --environment production";
    assert_eq!(lines[1..], [first, "log              log    -              ready"]);
    let json = broker.run(&["alert", "list", "--json"], b"").json();
    assert_eq!(json[0]["channel"], "#finance-alerts");
    assert_eq!((&json[0]["type"], &json[0]["ref"]), (&"slack".into(), &"slack-webhook".into()));
    assert!(json[1]["ref"].is_null() && json[1]["problem"].is_null(), "{json}");
    let ran = broker.run(&["alert", "list", "--environment", "empty"], b"");
    assert_eq!((ran.code, ran.text()), (0, ""));
    assert!(ran.err.contains("alerts.channels"), "{}", ran.err);
}

#[test]
fn a_tried_channel_says_what_came_of_it() {
    let broker = Broker::start();
    let ran = broker.run(&["alert", "test", "log"], b"");
    assert_eq!((ran.code, ran.text()), (0, "alert channel log: a test alert was sent\n"));
    let ran = broker.run(&["alert", "test", "#gone"], b"");
    let said = "error: alert channel \"#gone\": nothing was sent: it answered 404 (no_service). \
                Fix: secretref put slack-webhook\n";
    assert_eq!((ran.code, ran.text(), ran.err.as_str()), (1, "", said));
    let ran = broker.run(&["alert", "test", "#slow"], b"");
    assert!(ran.code == 1 && ran.err.contains("broker's host reaches"), "{}", ran.err);
    let ran = broker.run(&["alert", "test", "#gone", "--json"], b"");
    assert_eq!((ran.code, ran.json()["sent"].as_bool()), (1, Some(false)));
    assert_eq!(ran.json()["fix"], "secretref put slack-webhook");
    assert_eq!(broker.run(&["alert", "test", "#none"], b"").code, 3);
    let ran = broker.run(&["alert", "test", "a\nb"], b"");
    assert!(ran.code == 2 && ran.err.contains("control character"), "{}", ran.err);
}

#[test]
fn explain_puts_store_and_agents_together() {
    let broker = Broker::start();
    let ran = broker.run(&["explain", "stripe-api-key"], b"");
    assert!(ran.text().contains("bound by payment-analyst (production, active)"), "{}", ran.text());
    assert!(ran.text().contains("  ✅ STRIPE_API_KEY"), "{}", ran.text());
    assert_eq!(broker.run(&["explain", "missing"], b"").code, 3);
}

#[test]
fn bash_completes_names() {
    let broker = Broker::start();
    let script = broker.folder().join("completion.bash");
    fs::write(&script, run(&[], &["completion", "bash"], b"").out).unwrap();
    let test = r#"
        eval "secretref() { '$0' \"\$@\" --wait=120s; }"
        . "$1"
        COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2))
        _secretref_with_names secretref "${@: -1}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let binary = env!("CARGO_BIN_EXE_secretref");
    let complete = |words: &[&str]| {
        let mut arguments = vec!["-c", test, binary, script.to_str().unwrap(), "secretref"];
        arguments.extend(words);
        let ran = broker.run_program("/bin/bash", broker.folder(), &arguments, b"");
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.text().trim().to_owned()
    };
    assert_eq!(complete(&["show", "a"]), "a");
    assert_eq!(complete(&["agent", "token", "pay"]), "payment-analyst");
    assert_eq!(complete(&["status", "--agent", "pay"]), "payment-analyst");
    // `#` would begin a comment.
    assert_eq!(complete(&["alert", "test", "\\#fin"]), "\\#finance-alerts");
    assert_eq!(complete(&["alert", "test", "l"]), "log");
    assert_eq!(complete(&["unde"]), "undelete");
    assert_eq!(complete(&["show", "zzz"]), "");
}

#[test]
fn a_quarantine_is_told_where_the_trail_cannot_be_read() {
    let broker = Broker::start();
    let ran = broker.run(&["agent", "quarantine", "a"], b"");
    assert_eq!((ran.code, ran.text()), (1, "a quarantined, 2 streams cut\n"));
    let json = broker.run(&["agent", "quarantine", "a", "--json"], b"");
    assert_eq!(json.code, 1);
    let json = json.json();
    assert_eq!((json["state"].as_str(), json["held"].is_null()), (Some("quarantined"), true));
    let refused = broker.run(&["agent", "release", "a"], b"");
    assert_eq!(refused.err, "error: it is not in quarantine. Fix: look again\n");
}
