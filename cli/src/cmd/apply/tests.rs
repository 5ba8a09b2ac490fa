use super::*;

fn change(kind: &str, name: &str, action: &str) -> v1::ManifestChange {
    v1::ManifestChange { kind: kind.to_owned(), name: name.to_owned(), action: action.to_owned() }
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
            "❌ unresolved: slack-bot-token (payment-analyst): the store has no such secret. \
             Fix: secretref put slack-bot-token",
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
fn files_have_limits_together() {
    let folder = tempfile::tempdir().unwrap();
    let half = folder.path().join("half.json");
    std::fs::write(&half, vec![b' '; MANIFEST_BYTES_MAX / 2]).unwrap();
    let two = vec![half.clone(), half.clone()];
    assert_eq!(read_all(&two).unwrap().len(), 2);
    let one = folder.path().join("one.json");
    std::fs::write(&one, b"x").unwrap();
    let failure = read_all(&[half.clone(), half.clone(), one]).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.to_string().contains("one.json"), "{failure}");
    let many = vec![folder.path().join("none.json"); MANIFEST_FILES_MAX + 1];
    assert!(read_all(&many).unwrap_err().to_string().contains("at most 64"));
    assert!(read_all(&["-".into(), "-".into()]).is_err());
}
