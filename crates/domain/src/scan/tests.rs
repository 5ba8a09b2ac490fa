mod corpus;
mod mint;

use super::*;
use mint::Lot;

/// A true key in its documented shape, made up here: as a literal it would alarm other scanners.
fn key(id: &str) -> String {
    let kind = service::kinds::KINDS.iter().copied().flatten().find(|kind| kind.id == id).unwrap();
    mint::key(kind, 0, &mut Lot::new(7))
}

fn only(text: &str, format: Format) -> Finding {
    let mut findings = scan(text, format);
    assert_eq!(findings.len(), 1, "{findings:?} in {text}");
    findings.remove(0)
}

#[test]
fn a_finding_says_what_and_where_and_never_the_value() {
    let key = key("github-token");
    let text = format!("{{\"a\": 1,\n \"githubToken\": \"{key}\"}}");
    let finding = only(&text, Format::Json);
    assert_eq!((finding.id, finding.service), ("github-token", "github"));
    assert_eq!(finding.name.as_deref(), Some("githubToken"));
    assert_eq!(&text[finding.range.clone()], key);
    assert_eq!(finding.mask, format!("ghp_…{}", &key[36..]));
    assert!(!format!("{finding:?}").contains(&key));
}

#[test]
fn a_key_is_found_however_it_is_written() {
    let key = key("stripe-key");
    let unicode: String = key.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    let (head, tail) = key.split_at(9);
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &key);
    for (text, format) in [
        (format!("{{\"k\": \"{unicode}\"}}"), Format::Json),
        (format!("{{k: '{head}\\x{:02x}{}',}}", tail.as_bytes()[0], &tail[1..]), Format::Json),
        (format!("k: \"{head}\\\n    {tail}\"\n"), Format::Yaml),
        (format!("k: >-\n  {key}\n"), Format::Yaml),
        (format!("k = '''{key}'''\n"), Format::Json),
        (format!("export K={head}'{tail}'\n"), Format::Shell),
        (format!("K=\"{head}\"\"{tail}\"\n"), Format::Shell),
        (format!("const k = \"{head}\" + \"{tail}\";"), Format::Json),
        (format!("data:\n  key: {encoded}\n"), Format::Yaml),
        (format!("# was: {key}\n"), Format::Yaml),
        (format!("curl -u {key}: https://api.example\n"), Format::Shell),
        (format!("{{\"args\": [\"--key={key}\"]}}"), Format::Json),
    ] {
        assert_eq!(only(&text, format).id, "stripe-key", "{text}");
    }
}

#[test]
fn what_is_no_credential_is_no_finding() {
    for text in [
        "STRIPE_API_KEY=${STRIPE_API_KEY}",
        "password: {{ db_password }}",
        "token: <your token>",
        "secret: changeme-changeme-1",
        "apiKey: {\"source\": \"exec\", \"provider\": \"broker\", \"id\": \"stripe/api-key\"}",
        "{\"apiKey\": {\"secretRef\": \"stripe-api-key\", \"envVar\": \"STRIPE_API_KEY\"}}",
        "\"integrity\": \"sha512-oiUsf0ZuKPBGOoUtIRCIFPkzNvtCBTdVaNLTGWVdtzQgMkAX\"",
        "request_token_id: 123e4567-e89b-12d3-a456-426614174000",
        "max_tokens: 4096",
        "aws_access_key_id = AKIAIOSFODNN7EXAMPLE",
        "DATABASE_URL=postgres://app:$PGPASSWORD@db/app",
        "DATABASE_URL=postgres://postgres:postgres@localhost/app",
        "sk_test_xxxxxxxxxxxxxxxxxxxxxxxx",
        "secretKeyRef: payment-service-token-v2",
        "passwordFile: /run/secrets/db-password-1",
        "let passphrase = ask(&self.terminal1)?;",
    ] {
        for format in [Format::Json, Format::Yaml, Format::Shell] {
            assert!(scan(text, format).is_empty(), "{:?} in {text}", scan(text, format));
        }
    }
}

#[test]
fn a_name_that_says_secret_and_a_value_drawn_by_lot_are_one_together() {
    let drawn = Lot::new(3).run(b'b', 24);
    for name in ["DB_PASSWORD", "clientSecret", "session-token", "apiKey", "signing_key"] {
        let finding = only(&format!("{name}: \"{drawn}\""), Format::Yaml);
        assert_eq!((finding.id, finding.why), (GENERIC_ID, Why::Entropy));
        assert_eq!(finding.mask, "…");
    }
    for name in ["color", "title", "public_key", "password_hash", "secret_name", "tokenizer"] {
        assert!(scan(&format!("{name}: \"{drawn}\""), Format::Yaml).is_empty(), "{name}");
    }
}

#[test]
fn a_line_that_says_so_is_passed_over_and_no_other() {
    let key = key("stripe-key");
    let text = format!("a: {key} # {ALLOWED}\nb: {key}\n");
    assert_eq!(only(&text, Format::Yaml).name.as_deref(), Some("b"));
}

#[test]
fn a_fingerprint_stays_where_a_line_moves_and_changes_with_the_key() {
    let of = |text: &str| fingerprints("f", &scan(text, Format::Yaml));
    let (one, other) = (key("stripe-key"), key("github-token"));
    let first = of(&format!("k: {one}\n"));
    assert_eq!(first, of(&format!("# moved\n\nk: {one}\n")));
    assert_ne!(first, of(&format!("k: {other}\n")));
    let twice = of(&format!("k: {one}\nk: {one}\n"));
    assert!(twice[0] == first[0] && twice[1] != first[0], "{twice:?}");
}

#[test]
fn a_credential_as_a_name_is_not_repeated() {
    let key = key("github-token");
    let finding = scan(&format!("{{\"{key}\": \"{key}\"}}"), Format::Json);
    assert!(finding.iter().all(|it| it.name.is_none()), "{finding:?}");
}
