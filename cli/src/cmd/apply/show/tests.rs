use super::*;

fn change(kind: &str, name: &str, action: &str) -> v1::ManifestChange {
    let (kind, name, action) = (kind.to_owned(), name.to_owned(), action.to_owned());
    v1::ManifestChange { kind, name, action, ..v1::ManifestChange::default() }
}

fn answer() -> v1::ApplyManifestResponse {
    v1::ApplyManifestResponse {
        changes: vec![
            change("agent", "payment-analyst", "created"),
            change("ref", "stripe-api-key", "unchanged"),
        ],
        unresolved: vec![v1::UnresolvedRef {
            secret_ref: "slack-bot-token".to_owned(),
            agents: vec!["payment-analyst".to_owned()],
            reason: "the store has no such secret.".to_owned(),
            fix: "secretref put slack-bot-token".to_owned(),
            required: true,
            channels: vec!["#finance".to_owned()],
        }],
        warnings: Vec::new(),
        environment: "production".to_owned(),
        revision: 4,
    }
}

#[test]
fn changes_are_shown_and_the_rest_counted() {
    assert_eq!(
        lines(&answer(), false),
        [
            "agent payment-analyst: created",
            "environment production: 1 changed, 1 unchanged, revision 4",
            "❌ unresolved: slack-bot-token (payment-analyst, alert channel #finance): the store \
             has no such secret. Fix: secretref put slack-bot-token",
        ]
    );
}

#[test]
fn a_dry_run_says_would() {
    let mut answer = answer();
    answer.revision = 0;
    let lines = lines(&answer, true);
    assert_eq!(lines[0], "agent payment-analyst: would be created");
    assert_eq!(lines[1], "environment production: 1 would be changed, 1 unchanged");
}

#[test]
fn a_dry_run_shows_each_key() {
    let one = |path: &str, before: Option<&str>, after: Option<&str>| v1::ManifestDifference {
        path: path.to_owned(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
    };
    let change = v1::ManifestChange {
        differences: vec![
            one("agents.a.name", Some("\"A\""), Some("\"B\"")),
            one("agents.a.runtime", None, Some("\"container\"")),
            one("agents.a.description", Some("\"x\u{1b}[31m\""), None),
        ],
        more_differences: 7,
        ..change("agent", "a", "updated")
    };
    let out = Printer::plain();
    assert_eq!(
        differences(out, &change),
        [
            "  ~ agents.a.name: \"A\" → \"B\"",
            "  + agents.a.runtime: \"container\"",
            "  - agents.a.description: \"x\u{fffd}[31m\"",
            "  … and 7 more keys",
        ]
    );
    let answer = v1::ApplyManifestResponse { changes: vec![change], ..answer() };
    let document = serde_json::to_value(document(&answer, true)).unwrap();
    let differences = &document["changes"][0]["differences"];
    assert_eq!(differences[1]["before"], serde_json::Value::Null);
    assert_eq!(differences[0]["after"], "\"B\"");
    assert_eq!(document["changes"][0]["more_differences"], 7);
}
