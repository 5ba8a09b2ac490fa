//! AWS Secrets Manager: moto's server.

mod own;
mod written;

use super::{
    Aimed, CANARY, Held, Remote, TOKEN, World, ask, at, error, remote::conforms_remotely,
    write::is_written,
};
use anyhow::Result;
use secretref_broker::providers::{OwnSecrets, Permits, Place, Provider};
use secretref_domain::{
    fault::Fault,
    name::ProviderAlias,
    reference::{ProviderKind, ProviderSpec},
    value::SecretValue,
};
use secretref_testkit::{
    authority::Authority,
    faulty::{Faulty, Trouble},
    moto::Moto,
};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

struct Aws {
    moto: Moto,
}

impl World for Aws {
    const HOLDS_BYTES: bool = true;
    const HOLDS_RECORDS: bool = true;
    // AWS itself holds 64 KiB, as we do; others that speak as it does hold more.
    const HOLDS_TOO_MUCH: bool = true;
    const CHANGES: bool = true;

    async fn new() -> Result<Option<Self>> {
        Ok(Moto::start().await?.map(|moto| Self { moto }))
    }

    async fn put(&mut self, name: &str, held: &Held) -> Result<Place> {
        let content = match (held.text(), held.expires_at) {
            (Some(text), None) => json!({"SecretString": text}),
            (Some(text), Some(expires_at)) => {
                let record = json!({"value": text, "expiresAt": expires_at});
                json!({"SecretString": record.to_string()})
            }
            (None, _) => json!({"SecretBinary": base64(&held.value)}),
        };
        put(&self.moto, name, content).await?;
        Ok(at(name))
    }

    fn nowhere(&self) -> Place {
        at("nowhere")
    }

    fn open(&self) -> Result<Provider> {
        opened(json!({"endpoint": self.moto.address()}), TOKEN, None)
    }
}

impl Remote for Aws {
    fn of_the_wrong_type() -> Vec<String> {
        let bodies = [
            json!([CANARY]),
            json!({"Name": CANARY}),
            json!({"SecretString": [CANARY], "VersionId": "v"}),
            json!({"SecretString": {"value": CANARY}, "VersionId": "v"}),
            json!({"SecretBinary": "not base64, {}", "VersionId": CANARY}),
            json!({"SecretString": CANARY}),
            json!({"SecretString": CANARY, "VersionId": "\u{1}"}),
            json!({"SecretString": "", "VersionId": CANARY}),
            json!({"SecretString": json!({"value": [CANARY]}).to_string(), "VersionId": "v"}),
            json!({
                "SecretString": json!({"value": "v", "expiresAt": CANARY}).to_string(),
                "VersionId": "v",
            }),
        ];
        bodies.map(|it| it.to_string()).into()
    }

    fn aimed_at(address: &str, authority: Option<&Authority>) -> Result<Aimed> {
        let folder = tempfile::tempdir()?;
        let mut settings = json!({"endpoint": address});
        if let Some(authority) = authority {
            private(folder.path(), "ca.pem", &authority.pem())?;
            settings["caFile"] = "ca.pem".into();
        }
        let provider = opened(settings, TOKEN, Some(folder.path()))?;
        Ok(Aimed { provider, place: at("somewhere"), _folder: folder })
    }
}

conforms_remotely!(Aws);
is_written!(Aws);

#[tokio::test]
async fn a_part_of_a_secret_is_found_by_its_member_or_its_pointer() -> Result<()> {
    let Some(moto) = Moto::start().await? else { return Ok(()) };
    let content = json!({"apiKey": "of-a-member", "keys": [{"value": "of-a-record"}], "a/b": "c"});
    put(&moto, "team/stripe", json!({"SecretString": content.to_string()})).await?;
    let provider = opened(json!({"endpoint": moto.address()}), TOKEN, None)?;
    for (target, wanted) in [
        ("team/stripe#apiKey", "of-a-member"),
        ("team/stripe#/keys/0", "of-a-record"),
        ("team/stripe#a/b", "c"),
    ] {
        let found = ask(&provider, &at(target)).await?;
        assert_eq!(found.value.expose(), wanted.as_bytes(), "{target}");
    }
    // All of it is JSON and no record: the value is what is there.
    let whole = ask(&provider, &at("team/stripe")).await?;
    assert_eq!(whole.value.expose(), content.to_string().as_bytes());
    let missing = error(&provider, &at("team/stripe#other")).await;
    assert_eq!(missing.fault, Fault::NotFound, "{missing}");
    put(&moto, "plain", json!({"SecretString": CANARY})).await?;
    let none = error(&provider, &at("plain#key")).await;
    assert_eq!(none.fault, Fault::Malformed, "{none}");
    Ok(())
}

#[tokio::test]
async fn what_is_pending_is_found_beside_what_is_current() -> Result<()> {
    let Some(moto) = Moto::start().await? else { return Ok(()) };
    put(&moto, "turning", json!({"SecretString": "old"})).await?;
    let provider = opened(json!({"endpoint": moto.address()}), TOKEN, None)?;
    assert!(ask(&provider, &at("turning")).await?.pending.known().is_none());
    let next = json!({
        "SecretId": "turning", "SecretString": "new", "VersionStages": ["AWSPENDING"],
    });
    let put = moto.ask("PutSecretValue", &next).await?;
    let found = ask(&provider, &at("turning")).await?;
    assert_eq!(found.value.expose(), b"old");
    let pending = found.pending.known().expect("nothing is pending");
    assert_eq!(pending.value.expose(), b"new");
    assert_eq!(Some(pending.version.as_str()), put["VersionId"].as_str());
    Ok(())
}

#[tokio::test]
async fn a_secret_that_is_marked_for_deletion_is_not_there() -> Result<()> {
    let Some(moto) = Moto::start().await? else { return Ok(()) };
    put(&moto, "leaving", json!({"SecretString": CANARY})).await?;
    moto.ask("DeleteSecret", &json!({"SecretId": "leaving"})).await?;
    let provider = opened(json!({"endpoint": moto.address()}), TOKEN, None)?;
    let gone = error(&provider, &at("leaving")).await;
    assert_eq!(gone.fault, Fault::NotFound, "{gone}");
    assert!(gone.fix.contains("restore-secret"), "{gone}");
    Ok(())
}

#[tokio::test]
async fn what_aws_says_is_told_by_its_name() -> Result<()> {
    for (status, code, fault) in [
        (400, "ResourceNotFoundException", Fault::NotFound),
        (400, "AccessDeniedException", Fault::Denied),
        (400, "DecryptionFailure", Fault::Denied),
        (400, "UnrecognizedClientException", Fault::Denied),
        (400, "ExpiredTokenException", Fault::Denied),
        (400, "RequestExpired", Fault::Denied),
        (403, "NotAnErrorOfToday", Fault::Denied),
        (400, "InvalidSignatureException", Fault::Denied),
        (400, "ThrottlingException", Fault::Unreachable),
        (400, "LimitExceededException", Fault::Unreachable),
        (500, "InternalServiceError", Fault::Unreachable),
        (400, "ValidationException", Fault::Misconfigured),
        (400, "InvalidParameterException", Fault::Misconfigured),
        (400, "InvalidRequestException", Fault::Misconfigured),
    ] {
        let body = json!({"__type": format!("com.amazonaws#{code}"), "message": CANARY});
        let server = Faulty::start(Trouble::Answers(status, body.to_string())).await?;
        let provider = opened(json!({"endpoint": server.url()}), TOKEN, None)?;
        let told = error(&provider, &at("somewhere")).await;
        assert_eq!(told.fault, fault, "{code}: {told}");
        let named = told.message.contains(code) || fault == Fault::NotFound;
        assert!(named, "{code}: {told}");
    }
    Ok(())
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused_with_the_key_to_set() -> Result<()> {
    for (settings, key) in [
        (json!({"region": "../evil"}), "region"),
        (json!({"endpoint": "http://198.51.100.7/"}), "endpoint"),
        (json!({"endpoint": "ftp://x"}), "endpoint"),
        (json!({"accessKeyId": null}), "accessKeyId"),
    ] {
        let refused = opened(settings, TOKEN, None).err().map(|it| it.to_string());
        assert!(refused.as_ref().is_some_and(|it| it.contains(key)), "{key}: {refused:?}");
    }
    Ok(())
}

async fn put(moto: &Moto, name: &str, content: Value) -> Result<()> {
    let mut create = content.clone();
    create["Name"] = name.into();
    if moto.ask("CreateSecret", &create).await.is_err() {
        let mut change = content;
        change["SecretId"] = name.into();
        moto.ask("PutSecretValue", &change).await?;
    }
    Ok(())
}

/// A provider with these settings, let in with a secret access key.
fn opened(settings: Value, secret: &str, root: Option<&Path>) -> Result<Provider> {
    let own = Arc::new(SecretValue::new(secret.as_bytes().to_vec())?);
    opened_with(settings, OwnSecrets::from([("secretAccessKey", own)]), root)
}

/// A provider with these settings, let in with these secrets.
fn opened_with(settings: Value, own: OwnSecrets, root: Option<&Path>) -> Result<Provider> {
    let mut all = json!({
        "region": "eu-central-1",
        "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
        "secretAccessKey": {"secretRef": "aws-key"},
    });
    for (key, value) in settings.as_object().cloned().unwrap_or_default() {
        all[key] = value;
    }
    let roots = root.into_iter().map(Path::to_owned).collect();
    let permits = Arc::new(Permits { roots, ..Permits::default() });
    let settings = all.as_object().cloned().unwrap_or_default();
    let spec = ProviderSpec { kind: ProviderKind::AwsSecretsmanager, settings };
    Ok(Provider::open(&ProviderAlias::parse("aws")?, &spec, &permits, &own)?)
}

/// A file that nobody else can read.
fn private(folder: &Path, name: &str, content: &str) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, content)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o600))?)
}

fn base64(bytes: &[u8]) -> String {
    aws_smithy_types::base64::encode(bytes)
}
