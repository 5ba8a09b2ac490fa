//! Services over HTTP: one with keys that have ids, one with a single key, and the examples, each
//! against a server that answers as that service documents it.

mod keys {
    use super::super::suite::conforms;
    conforms!(super::WithKeys);
}
mod slot {
    use super::super::suite::conforms;
    conforms!(super::WithSlot);
}

use super::{World, credential, minted, opened, silent, task};
use anyhow::{Context, Result, ensure};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use base64::{Engine, engine::general_purpose::STANDARD};
use secretref_broker::{
    permits::Permits,
    rotators::{Credential, Rotator, RotatorError, Task},
};
use secretref_domain::{clock::Timestamp, rotation::RotatorKind};
use secretref_testkit::{
    faulty::{Faulty, Trouble, nobody},
    hook::{Answer, Hook},
    service::{self, Service},
};
use serde_json::json;
use std::{fs, os::unix::fs::PermissionsExt};
use tempfile::TempDir;

/// Keys with ids, made once for each idempotency key.
const KEYS: &str = r#"
[values]
api = "API"
[mint]
method = "POST"
url = "{{ values.api }}/keys"
headers = { Authorization = "Bearer {{ secrets.admin }}", Content-Type = "application/json" }
body = '{"for": {{ ref | json }}, "in": {{ environment | json }}}'
repeatable = true
take = { value = "/data/key", handle = "/data/id", expires_at = "/ends" }
[test]
method = "GET"
url = "{{ values.api }}/me"
headers = { Authorization = "Bearer {{ credential.value }}" }
[revoke]
method = "DELETE"
url = "{{ values.api }}/keys/{{ credential.handle | urlencode }}"
headers = { Authorization = "Bearer {{ secrets.admin }}" }
expect = [204, 404]
"#;

/// One key, which is chosen here.
const SLOT: &str = r#"
overlaps = false
ends_by_itself = true
[values]
api = "API"
[mint]
random = { length = 40, alphabet = "hex", prefix = "slot-" }
[set]
method = "PUT"
url = "{{ values.api }}/key"
headers = { Authorization = "Bearer {{ secrets.admin }}" }
body = '{"key": {{ new.value | json }}}'
[test]
method = "GET"
url = "{{ values.api }}/me"
headers = { Authorization = "Bearer {{ credential.value }}" }
[withdraw]
method = "PUT"
url = "{{ values.api }}/key"
headers = { Authorization = "Bearer {{ secrets.admin }}" }
body = '{"key": {{ old.value | json }}}'
"#;

const GITHUB: &str = include_str!("../../../../docs/examples/rotators/github_app.toml");
const SLACK: &str = include_str!("../../../../docs/examples/rotators/slack_token.toml");
const OAUTH2: &str =
    include_str!("../../../../docs/examples/rotators/oauth2_client_credentials.toml");

/// The rotator that a file describes.
async fn described(text: &str, own: &[(&str, &str)]) -> Result<Rotator, RotatorError> {
    let folder = written(text).unwrap();
    opened(RotatorKind::Http, &json!({"file": "it.toml"}), own, permits(&folder)).await
}

fn written(text: &str) -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("it.toml");
    fs::write(&path, text)?;
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600))?;
    Ok(folder)
}

fn permits(folder: &TempDir) -> Permits {
    Permits { roots: vec![folder.path().to_owned()], ..Permits::default() }
}

const ADMIN: [(&str, &str); 1] = [("admin", service::ADMIN)];

struct WithKeys {
    service: Service,
    nowhere: String,
}

impl World for WithKeys {
    const OVERLAPS: bool = true;

    async fn new() -> Result<Option<Self>> {
        let service = Service::start(service::keys).await?;
        Ok(Some(Self { service, nowhere: nobody().await? }))
    }

    async fn open(&self) -> Result<Rotator, RotatorError> {
        described(&KEYS.replace("API", &self.service.url()), &ADMIN).await
    }

    async fn nowhere(&self) -> Result<Rotator, RotatorError> {
        described(&KEYS.replace("API", self.nowhere.trim_end_matches('/')), &ADMIN).await
    }

    async fn first(&self) -> Result<Credential> {
        let key = self.service.keys().make("key-", Some("first"));
        Ok(Credential { handle: Some(key.id), ..credential(&key.token)? })
    }

    fn wrong(&self) -> Result<Credential> {
        credential("never-a-key")
    }

    async fn works(&self, it: &Credential) -> Result<bool> {
        Ok(self.service.keys().is_valid(std::str::from_utf8(it.value.expose())?))
    }
}

struct WithSlot(WithKeys);

impl World for WithSlot {
    const OVERLAPS: bool = false;

    async fn new() -> Result<Option<Self>> {
        let service = Service::start(service::slot).await?;
        Ok(Some(Self(WithKeys { service, nowhere: nobody().await? })))
    }

    async fn open(&self) -> Result<Rotator, RotatorError> {
        described(&SLOT.replace("API", &self.0.service.url()), &ADMIN).await
    }

    async fn nowhere(&self) -> Result<Rotator, RotatorError> {
        described(&SLOT.replace("API", self.0.nowhere.trim_end_matches('/')), &ADMIN).await
    }

    async fn first(&self) -> Result<Credential> {
        credential(&self.0.service.keys().make("first-", Some("first")).token)
    }

    fn wrong(&self) -> Result<Credential> {
        self.0.wrong()
    }

    async fn works(&self, it: &Credential) -> Result<bool> {
        self.0.works(it).await
    }
}

#[tokio::test]
async fn what_was_made_and_lost_is_found_again_and_ended() -> Result<()> {
    let world = WithKeys::new().await?.context("it is always there")?;
    let (rotator, old) = (world.open().await?, world.first().await?);
    let task = task(&old);
    let lost = rotator.mint(&task).await?;
    ensure!(lost.expires_at == Timestamp::parse("2100-01-01T00:00:00Z"), "{:?}", lost.expires_at);
    rotator.withdraw(&task, None).await?;
    ensure!(world.service.keys().valid() == 1 && world.works(&old).await?, "it was not ended");
    Ok(())
}

#[tokio::test]
async fn github_app_tokens() -> Result<()> {
    let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(service::github_key())?;
    let pkcs8 = pkcs8.as_ref();
    // What GitHub gives is the inner part of it.
    let inner = (8..pkcs8.len()).find(|at| pkcs8[*at..].starts_with(&[0x30, 0x82]));
    let pkcs1 = &pkcs8[inner.context("no inner part")?..];
    let pem = |kind: &str, der: &[u8]| {
        let text = STANDARD.encode(der);
        let lines: Vec<&str> = text.as_bytes().chunks(64).flat_map(str::from_utf8).collect();
        format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
    };
    for key in [pem("RSA PRIVATE KEY", pkcs1), pem("PRIVATE KEY", pkcs8)] {
        let service = Service::start(service::github).await?;
        let text = GITHUB.replace("https://api.github.com", &service.url());
        let rotator = described(&text, &[("private-key", &key)]).await?;
        ensure!(rotator.overlaps());
        let old = credential(&service.keys().make("ghs_", None).token)?;
        let task = task(&old);
        let made = rotator.mint(&task).await?;
        ensure!(made.expires_at == Timestamp::parse("2100-01-01T00:00:00Z"));
        it_follows(&rotator, &service, &old, minted(made)).await?;
    }
    let service = Service::start(service::github).await?;
    let text = GITHUB.replace("https://api.github.com", &service.url());
    let old = credential("ghs_x")?;
    for (key, said) in [
        ("no key", "the key is no PEM of an RSA key"),
        (&pem("RSA PRIVATE KEY", &pkcs1[..100]), "the key is no PEM of an RSA key"),
    ] {
        let rotator = described(&text, &[("private-key", key)]).await?;
        let refused = rotator.mint(&task(&old)).await.err().context("it signed")?;
        ensure!(refused.lasting && refused.message.contains(said), "{refused}");
        ensure!(!refused.to_string().contains("no key"), "{refused}");
    }
    Ok(())
}

#[tokio::test]
async fn slack_tokens() -> Result<()> {
    let service = Service::start(service::slack).await?;
    let text = SLACK.replace("https://slack.com/api", &service.url());
    let rotator = described(&text, &[("client-secret", service::ADMIN)]).await?;
    let first = service.keys().make("xoxe.xoxb-1-", None);
    let value = json!({"access_token": first.token, "refresh_token": first.refresh}).to_string();
    let old = credential(&value)?;
    let task = task(&old);
    let made = rotator.mint(&task).await?;
    let in_twelve_hours = made.expires_at.context("it has no end")?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_micros();
    let left = in_twelve_hours.as_micros() - i64::try_from(now)?;
    ensure!((43_100_000_000..=43_200_000_000).contains(&left), "{left}");
    let new = minted(made);
    let read: serde_json::Value = serde_json::from_slice(new.value.expose())?;
    ensure!(read.as_object().is_some_and(|it| it.len() == 2), "it has other parts");
    // The refresh token is used up.
    let refused = silent(rotator.mint(&task).await.err().context("it was good twice")?, &[&old]);
    ensure!(refused.lasting && refused.message.contains("is required at /ok"), "{refused}");
    rotator.set(&task, &new).await?;
    rotator.test(&task, &new).await?;
    rotator.test(&task, &old).await?;
    for _ in 0..2 {
        rotator.revoke(&task).await?;
    }
    rotator.test(&task, &new).await?;
    let refused = rotator.test(&task, &old).await.err().context("it was not ended")?;
    ensure!(refused.lasting, "{refused}");
    let busy = Hook::start([Answer::Says(200, "{\"ok\":false,\"error\":\"ratelimited\"}")]).await?;
    let rotator = described(
        &SLACK.replace("https://slack.com/api", &busy.url("")),
        &[("client-secret", "x")],
    )
    .await?;
    let again = rotator.test(&task, &new).await.err().context("it works")?;
    ensure!(!again.lasting && again.message.contains("come again"), "{again}");
    Ok(())
}

#[tokio::test]
async fn oauth2_client_credentials() -> Result<()> {
    let service = Service::start(service::oauth2).await?;
    let text = OAUTH2.replace("https://login.example/oauth2", &service.url());
    let rotator = described(&text, &[("client-secret", service::ADMIN)]).await?;
    let old = credential(&service.keys().make("at+/", None).token)?;
    let made = rotator.mint(&task(&old)).await?;
    ensure!(made.expires_at.is_some());
    it_follows(&rotator, &service, &old, minted(made)).await?;
    let rotator = described(&text, &[("client-secret", "another")]).await?;
    let refused = rotator.mint(&task(&old)).await.err().context("it was let in")?;
    ensure!(
        refused.lasting && refused.message.contains("was answered 401 to its mint"),
        "{refused}"
    );
    Ok(())
}

/// A new one is set, works, and stays when the old one ends; then it is withdrawn.
async fn it_follows(
    rotator: &Rotator,
    service: &Service,
    old: &Credential,
    new: Credential,
) -> Result<()> {
    let task = task(old);
    let works =
        |it: &Credential| service.keys().is_valid(std::str::from_utf8(it.value.expose()).unwrap());
    rotator.set(&task, &new).await?;
    rotator.test(&task, &new).await?;
    ensure!(works(old) && works(&new), "one of them does not work");
    for _ in 0..2 {
        rotator.revoke(&task).await?;
    }
    ensure!(!works(old) && works(&new), "another was ended");
    let refused = rotator.test(&task, old).await.err().context("it takes what ended")?;
    ensure!(silent(refused.clone(), &[old, &new]).lasting, "{refused}");
    for _ in 0..2 {
        rotator.withdraw(&task, Some(&new)).await?;
    }
    ensure!(!works(&new), "it was not withdrawn");
    Ok(())
}

#[tokio::test]
async fn each_request_but_a_test_has_a_key_of_its_own() -> Result<()> {
    let answer = Answer::Says(200, "{\"data\":{\"key\":\"k\",\"id\":7},\"ends\":\"soon\"}");
    let hook = Hook::start([answer]).await?;
    let text = KEYS.replace("API", &hook.url("")).replace("[204, 404]", "[200]");
    let rotator = described(&text, &ADMIN).await?;
    let old = Credential { handle: Some("a b/é".to_owned()), ..credential("old-value")? };
    let task = task(&old);
    let refused = rotator.mint(&task).await.err().context("it has a time")?;
    ensure!(refused.message.contains("minted no time at \"/ends\""), "{refused}");
    let posted = hook.next().await?;
    let key = format!("idempotency-key: {}-mint", task.rotation);
    ensure!(posted.head.contains(&key) && posted.head.starts_with("POST /keys HTTP"), "{posted:?}");
    ensure!(posted.body == "{\"for\": \"orders-db\", \"in\": \"production\"}", "{posted:?}");
    rotator.test(&task, &old).await?;
    let posted = hook.next().await?;
    ensure!(!posted.head.contains("idempotency-key"), "{posted:?}");
    ensure!(posted.head.contains("authorization: Bearer old-value"), "{posted:?}");
    rotator.revoke(&task).await?;
    let posted = hook.next().await?;
    ensure!(posted.head.contains(&format!("{}-revoke", task.rotation)), "{posted:?}");
    ensure!(posted.head.starts_with("DELETE /keys/a%20b%2F%C3%A9 HTTP"), "{posted:?}");
    let by_hand = "credential.handle if credential.handle is defined else values.api";
    let text = text.replace("credential.handle", &format!("({by_hand})"));
    let first = Task { old: credential("by-hand")?, ..task.clone() };
    described(&text, &ADMIN).await?.revoke(&first).await?;
    let posted = hook.next().await?;
    ensure!(posted.head.starts_with("DELETE /keys/http%3A%2F%2F127.0.0.1"), "{posted:?}");
    let text = text.replace("headers = { ", "headers = { Idempotency-Key = \"own\", ");
    described(&text, &ADMIN).await?.revoke(&task).await?;
    let posted = hook.next().await?;
    ensure!(posted.head.matches("idempotency-key").count() == 1, "{posted:?}");
    ensure!(posted.head.contains("idempotency-key: own"), "{posted:?}");
    Ok(())
}

#[tokio::test]
async fn what_a_server_does_wrong_is_told_apart() -> Result<()> {
    let old = Credential { handle: Some("mk_1".to_owned()), ..credential("canary-value")? };
    let task = task(&old);
    let long = "x".repeat(1 << 20) + "x";
    for (trouble, lasting, said) in [
        (Trouble::Answers(500, "canary-value".to_owned()), false, "was answered 500 to its test"),
        (Trouble::Answers(429, String::new()), false, "was answered 429 to its test"),
        (Trouble::Answers(403, "canary-value".to_owned()), true, "was answered 403 to its test"),
        (Trouble::Redirects("http://127.0.0.1:1/".to_owned()), true, "was answered 30"),
        (Trouble::Answers(200, long), true, "was answered more than 1048576 bytes"),
        (Trouble::Reset, false, "it cannot be reached"),
        (Trouble::Truncated, false, "it cannot be reached"),
        (Trouble::Garbage, false, "it answered what is no HTTP"),
    ] {
        let server = Faulty::start(trouble.clone()).await?;
        let text = KEYS.replace("API", server.url().trim_end_matches('/'));
        let refused = described(&text, &ADMIN).await?.test(&task, &old).await.err();
        let refused = silent(refused.with_context(|| format!("{trouble:?}"))?, &[&old]);
        let right = refused.lasting == lasting && refused.message.contains(said);
        ensure!(right, "{trouble:?}: {refused}");
    }
    for (answer, said) in [
        ("{\"data\":{\"key\":7}}", "minted no text at \"/data/key\""),
        ("{\"data\":{\"key\":\"\"}}", "minted no text at \"/data/key\""),
        ("{\"data\":{\"key\":\"k\",\"id\":[]}}", "minted no handle at \"/data/id\""),
        ("{\"data\":{\"key\":\"k\",\"id\":\"k\"}}", "the value as its handle"),
        ("no JSON", "minted no JSON"),
    ] {
        let server = Faulty::start(Trouble::Answers(201, answer.to_owned())).await?;
        let text = KEYS.replace("API", server.url().trim_end_matches('/'));
        let refused = described(&text, &ADMIN).await?.mint(&task).await.err();
        let refused = refused.with_context(|| format!("{answer} was minted"))?;
        ensure!(refused.lasting && refused.message.contains(said), "{answer}: {refused}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_believed_is_what_the_file_says() -> Result<()> {
    let hook = Hook::start_tls(&["127.0.0.1"], [Answer::Says(200, "")]).await?;
    let (old, text) = (credential("value")?, KEYS.replace("API", &hook.url("")));
    let refused = described(&text, &ADMIN).await?.test(&task(&old), &old).await.err();
    let refused = refused.context("a stranger was believed")?;
    ensure!(refused.lasting && refused.message.contains("is not trusted"), "{refused}");
    let folder = written(&format!("ca_file = \"ca.pem\"\n{text}"))?;
    let authority = STANDARD.encode(hook.authority().context("no authority")?);
    let path = folder.path().join("ca.pem");
    let lines: Vec<&str> = authority.as_bytes().chunks(64).flat_map(str::from_utf8).collect();
    let pem =
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
    for (content, mode, said) in [
        (&*pem, 0o644, "wider than 0600"),
        ("no pem", 0o600, "has no authority for it"),
        (&*pem, 0o600, ""),
    ] {
        fs::write(&path, content)?;
        fs::set_permissions(&path, PermissionsExt::from_mode(mode))?;
        let settings = json!({"file": "it.toml"});
        let rotator = opened(RotatorKind::Http, &settings, &ADMIN, permits(&folder)).await;
        match rotator {
            Err(refused) => {
                ensure!(!said.is_empty() && refused.message.contains(said), "{refused}")
            }
            Ok(rotator) => {
                ensure!(said.is_empty(), "it was opened");
                rotator.test(&task(&old), &old).await?;
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_file_that_describes_no_service_is_refused_at_once() -> Result<()> {
    let whole = KEYS.replace("API", "https://api.example");
    let without =
        |key: &str| whole.lines().filter(|it| !it.starts_with(key)).collect::<Vec<_>>().join("\n");
    for (text, said) in [
        ("[mint".to_owned(), "line 1"),
        (format!("overlap = true\n{whole}"), "line 1: unknown field `overlap`"),
        (whole.replace("repeatable", "repeatible"), "unknown field `repeatible`"),
        (without("take"), "[mint] needs a request and `take`, or `random` alone"),
        (without("method"), "[mint] needs a `method`, one of GET, POST"),
        (whole.replace("POST", "TRACE"), "[mint] needs a `method`"),
        (whole.replace("\"/data/key\"", "\"data.key\""), "\"data.key\", which is no JSON pointer"),
        (whole.replace("[revoke]", "[withdraw]"), "it needs a [revoke]"),
        (format!("ends_by_itself = true\n{whole}"), "it has a [revoke], and `ends_by_itself`"),
        (format!("overlaps = false\n{whole}"), "it needs a [withdraw]"),
        (whole.replace("204, 404", "204, 4040"), "[revoke] expects a status that is none"),
        (whole.replace("{{ ref | json }}", "{{ ref"), "the template [mint] body is none"),
        (
            whole.replace("Content-Type", "Content-Length"),
            "\"Content-Length\", which is not its own",
        ),
        (whole.replace("[test]", "[test]\nended = { \"/a\" = 1 }"), "[test] ends nothing"),
        (whole.replace("[test]", "[test]\nrepeatable = true"), "[test] makes nothing"),
        (whole.replace("secrets.admin", "secrets.amdin"), "[mint] headers names \"secrets.amdin\""),
        (whole.replace("ref | json", "new.value"), "[mint] body names \"new.value\""),
        (whole.replace("credential.handle", "old.handle"), "[revoke] url names \"old.handle\""),
        (whole.replace("credential.value", "credential.valeu"), "names \"credential.valeu\""),
        (whole.replace("values.api", "values.apii"), "[mint] url names \"values.apii\""),
    ] {
        let refused = described(&text, &ADMIN).await.err().with_context(|| said.to_owned())?;
        ensure!(refused.lasting && refused.message.contains(said), "{said}: {refused}");
    }
    let folder = written(&whole)?;
    for (file, said) in [("gone.toml", "has no file"), ("/etc/passwd", "not below a provider root")]
    {
        let settings = json!({"file": file});
        let refused = opened(RotatorKind::Http, &settings, &[], permits(&folder)).await.err();
        let refused = refused.context("it was opened")?;
        ensure!(refused.lasting && refused.message.contains(said), "{refused}");
    }
    Ok(())
}

#[tokio::test]
async fn a_template_that_cannot_be_made_says_where_and_nothing_of_a_value() -> Result<()> {
    let hook = Hook::start([Answer::Says(200, "{}")]).await?;
    let whole = KEYS.replace("API", &hook.url(""));
    let old = credential("canary-value")?;
    let task = task(&old);
    for (text, said) in [
        (whole.replace("ref | json", "old.handle"), "a body in its mint that names something"),
        (whole.replace("ref | json", "old.value | pointer(\"/x\")"), "no JSON with a text at this"),
        (whole.replace("ref | json", "old"), "does what cannot be done"),
        (whole.replace("ref | json", "ref | jsn"), "filter jsn is unknown"),
        (
            whole.replace("}}/keys\"", "}}/keys/{{ old.value }} x\""),
            "a url in its mint that is none",
        ),
        (whole.replace(&hook.url(""), "http://api.example"), "plain HTTP and not to this host"),
        (whole.replace("secrets.admin }}", "secrets.admin }}\\n"), "a header Authorization in its"),
        (whole.replace("{{ ref | json }}", "{{ rotation - 1 }}"), "does what cannot be done"),
    ] {
        let refused = described(&text, &ADMIN).await?.mint(&task).await.err();
        let refused = silent(refused.with_context(|| said.to_owned())?, &[&old]);
        ensure!(refused.lasting && refused.message.contains(said), "{said}: {refused}");
        ensure!(!refused.to_string().contains(service::ADMIN), "{refused}");
    }
    ensure!(hook.rest().await.is_empty(), "it was asked");
    Ok(())
}
