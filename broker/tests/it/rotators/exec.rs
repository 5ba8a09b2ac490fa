//! Programs, of which one is the example for Stripe against a service that speaks like it.

mod stripe {
    use super::super::suite::conforms;
    conforms!(super::Stripe);
}

use super::{World, credential, opened, silent, task};
use anyhow::{Context, Result, ensure};
use secretref_broker::{
    permits::Permits,
    rotators::{Credential, Rotator, RotatorError},
};
use secretref_domain::{clock::Timestamp, name::EnvVar, rotation::RotatorKind, value::SecretValue};
use secretref_testkit::faulty::nobody;
use secretref_testkit::service::{self, Service};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};
use tempfile::TempDir;

const EXAMPLE: &str = include_str!("../../../../docs/examples/rotators/rotate_stripe_key.sh");

/// A folder that programs may be run from.
struct Host(TempDir);

impl Host {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700))?;
        Ok(Self(folder))
    }

    /// A process of its own writes it: a file that this one had open for writing, and another of
    /// its threads inherited to a child, could not be executed.
    fn program(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.0.path().join(name);
        let mut tee = Command::new("tee");
        let mut tee = tee.arg(&path).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        tee.stdin.take().context("no pipe")?.write_all(text.as_bytes())?;
        ensure!(tee.wait()?.success(), "the program was not written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
        Ok(path)
    }

    fn permits(&self) -> Permits {
        let variable = |name: &str, value: Option<&str>| {
            let value = value.map(|it| SecretValue::new(it.as_bytes().to_vec()).unwrap());
            (EnvVar::parse(name).unwrap(), value)
        };
        let environment = BTreeMap::from([variable("REGION", Some("eu")), variable("UNSET", None)]);
        Permits { roots: vec![self.0.path().to_owned()], environment }
    }

    async fn open(&self, settings: &Value) -> Result<Rotator, RotatorError> {
        let own = [("admin", service::ADMIN)];
        opened(RotatorKind::Exec, settings, &own, self.permits()).await
    }

    /// A program that does this, in the words of a shell.
    async fn shell(&self, script: &str) -> Result<Rotator> {
        self.program("it", &format!("#!/bin/sh\n{script}\n"))?;
        Ok(self.open(&json!({"command": "it"})).await?)
    }
}

/// Stripe, and the example for it.
struct Stripe {
    host: Host,
    service: Service,
    nowhere: String,
}

impl World for Stripe {
    const OVERLAPS: bool = true;

    async fn new() -> Result<Option<Self>> {
        let host = Host::new()?;
        host.program("rotate_stripe_key.sh", EXAMPLE)?;
        let service = Service::start(service::stripe).await?;
        Ok(Some(Self { host, service, nowhere: nobody().await? }))
    }

    async fn open(&self) -> Result<Rotator, RotatorError> {
        self.aimed_at(&self.service.url()).await
    }

    async fn nowhere(&self) -> Result<Rotator, RotatorError> {
        self.aimed_at(&self.nowhere).await
    }

    async fn first(&self) -> Result<Credential> {
        credential(&self.service.keys().make("sk_test_", Some("first")).token)
    }

    fn wrong(&self) -> Result<Credential> {
        credential("sk_test_neverakey")
    }

    async fn works(&self, it: &Credential) -> Result<bool> {
        Ok(self.service.keys().is_valid(std::str::from_utf8(it.value.expose())?))
    }
}

impl Stripe {
    async fn aimed_at(&self, address: &str) -> Result<Rotator, RotatorError> {
        let first = self.service.keys().make("sk_test_", Some("first")).id;
        let args = json!([first, address.trim_end_matches('/')]);
        self.host.open(&json!({"command": "rotate_stripe_key.sh", "args": args})).await
    }
}

#[tokio::test]
async fn what_was_made_and_lost_is_found_again_and_ended() -> Result<()> {
    let world = Stripe::new().await?.context("it is always there")?;
    let (rotator, old) = (world.open().await?, world.first().await?);
    let task = task(&old);
    rotator.mint(&task).await?;
    ensure!(world.service.keys().valid() == 2, "nothing was made");
    // The broker died before it had it.
    rotator.withdraw(&task, None).await?;
    ensure!(world.service.keys().valid() == 1 && world.works(&old).await?, "it was not ended");
    Ok(())
}

#[tokio::test]
async fn a_program_is_told_all_and_nothing_else() -> Result<()> {
    let host = Host::new()?;
    let script = "cat > asked; env > environment; \
        echo '{\"protocolVersion\":1,\"ok\":true,\"valueBase64\":\"/wA=\",\
        \"expiresAt\":\"2027-03-08T04:12:00Z\",\"handle\":\"mk_1\"}'";
    host.program("it", &format!("#!/bin/sh\n{script}\n"))?;
    let settings = json!({"command": "it", "passEnv": ["REGION", "UNSET"], "overlaps": false});
    let rotator = host.open(&settings).await?;
    ensure!(!rotator.overlaps(), "it says otherwise of itself");
    let value = Arc::new(SecretValue::new(vec![0xff, b'"'])?);
    let old = Credential { value, handle: Some("mk_0".to_owned()) };
    let task = task(&old);
    let minted = rotator.mint(&task).await?;
    ensure!(minted.value.expose() == [0xff, 0], "the value is another");
    ensure!(minted.handle.as_deref() == Some("mk_1"));
    ensure!(minted.expires_at == Timestamp::parse("2027-03-08T04:12:00Z"));
    let asked: Value = serde_json::from_slice(&fs::read(host.0.path().join("asked"))?)?;
    let told = json!({
        "protocolVersion": 1,
        "verb": "mint",
        "rotation": task.rotation.to_string(),
        "environment": "production",
        "ref": "orders-db",
        "old": {"valueBase64": "/yI=", "handle": "mk_0"},
        "new": null,
        "secrets": {"admin": service::ADMIN},
    });
    ensure!(asked == told, "{asked}");
    let environment = fs::read_to_string(host.0.path().join("environment"))?;
    // A shell sets what it needs itself.
    let own =
        |line: &&str| ["PWD=", "OLDPWD=", "SHLVL=", "_="].iter().any(|it| line.starts_with(it));
    let given: Vec<&str> = environment.lines().filter(|line| !own(line)).collect();
    ensure!(given == ["REGION=eu"], "{given:?}");
    Ok(())
}

#[tokio::test]
async fn each_step_has_its_verb() -> Result<()> {
    let host = Host::new()?;
    let rotator = host.shell("cat > asked; echo '{\"protocolVersion\":1,\"ok\":true}'").await?;
    let (old, new) = (credential("old-value")?, credential("new-value")?);
    let task = task(&old);
    let asked = || -> Result<Value> {
        Ok(serde_json::from_slice(&fs::read(host.0.path().join("asked"))?)?)
    };
    let said = |asked: &Value| {
        let text = |it: &Value| it.as_str().unwrap_or("-").to_owned();
        [text(&asked["verb"]), text(&asked["which"]), text(&asked["new"]["value"])].join(" ")
    };
    rotator.set(&task, &new).await?;
    ensure!(said(&asked()?) == "set - new-value", "{}", asked()?);
    rotator.test(&task, &new).await?;
    ensure!(said(&asked()?) == "test - new-value", "{}", asked()?);
    rotator.revoke(&task).await?;
    ensure!(said(&asked()?) == "revoke old -", "{}", asked()?);
    rotator.withdraw(&task, Some(&new)).await?;
    ensure!(said(&asked()?) == "revoke new new-value", "{}", asked()?);
    rotator.withdraw(&task, None).await?;
    ensure!(said(&asked()?) == "revoke new -", "{}", asked()?);
    ensure!(asked()?["old"]["value"] == "old-value", "{}", asked()?);
    Ok(())
}

#[tokio::test]
async fn what_fails_is_told_apart_and_says_no_secret() -> Result<()> {
    let host = Host::new()?;
    let (old, new) = (credential("old-value-1")?, credential("new-value-2")?);
    let task = task(&old);
    let says = |more: &str| format!("echo '{{\"protocolVersion\":1,\"ok\":false{more}}}'");
    let says_well = |more: &str| format!("echo '{{\"protocolVersion\":1,\"ok\":true{more}}}'");
    for (script, lasting, said) in [
        (
            says(",\"lasting\":true,\"message\":\"no such user\""),
            true,
            "could not set: no such user",
        ),
        (says(",\"message\":\"try\\u0007 later\""), false, "could not set: try later"),
        (says(""), false, "says not why"),
        (says(",\"message\":\"I have old-value-1\""), false, "is not shown"),
        (says(",\"message\":\"I have bmV3LXZhbHVlLTI\""), false, "is not shown"),
        (says(",\"message\":\"I am sk_test_admin\""), false, "is not shown"),
        (says(",\"value\":\"new-value-2\""), true, "by its protocol"),
        (says_well(",\"value\":\"x\""), true, "by its protocol"),
        (says_well(",\"x\":1"), true, "by its protocol"),
        ("echo new-value-2".to_owned(), true, "by its protocol"),
        ("echo '{\"protocolVersion\":2,\"ok\":true}'".to_owned(), true, "by its protocol"),
        ("echo new-value-2 >&2; exit 3".to_owned(), false, "ended with code 3, with 12 bytes"),
    ] {
        let rotator = host.shell(&script).await?;
        let refused = rotator.set(&task, &new).await.err();
        let refused = silent(refused.with_context(|| format!("{script} did it"))?, &[&old, &new]);
        ensure!(!refused.to_string().contains(service::ADMIN), "{refused}");
        let right = refused.lasting == lasting && refused.message.contains(said);
        ensure!(right, "{script}: {refused}");
    }
    for (answer, said) in [
        ("", "minted no `value`"),
        (",\"value\":\"a\",\"valueBase64\":\"YQ==\"", "a `value` and a `valueBase64`"),
        (",\"valueBase64\":\"%\"", "no base64"),
        (",\"value\":\"a\",\"expiresAt\":\"soon\"", "no time"),
        (",\"value\":\"a\",\"handle\":\"a\"", "the value as its `handle`"),
        (",\"value\":\"\"", "too long or none"),
    ] {
        let refused = host.shell(&says_well(answer)).await?.mint(&task).await.err();
        let refused = refused.with_context(|| format!("{answer} was minted"))?;
        ensure!(refused.lasting && refused.message.contains(said), "{answer}: {refused}");
    }
    Ok(())
}

#[tokio::test]
async fn one_that_may_not_be_run_is_refused_at_once() -> Result<()> {
    let host = Host::new()?;
    let open = async |settings: Value| host.open(&settings).await.err();
    let set_mode =
        |path: &Path, mode: u32| fs::set_permissions(path, PermissionsExt::from_mode(mode));
    let path = host.program("it", "#!/bin/sh\n")?;
    for (settings, said) in [
        (json!({"command": "/bin/sh"}), "not below a provider root"),
        (json!({"command": "gone"}), "has no program"),
        (json!({"command": "../it"}), "not below a provider root"),
        (json!({"command": "it", "passEnv": ["HOME"]}), "passes the variable HOME"),
        (json!({"command": "it", "timeoutMs": 60_000}), "has a `timeoutMs` of more than 55000"),
    ] {
        let refused = open(settings.clone()).await.with_context(|| format!("{settings}"))?;
        ensure!(refused.lasting && refused.message.contains(said), "{settings}: {refused}");
    }
    set_mode(&path, 0o777)?;
    let refused = open(json!({"command": "it"})).await.context("it was opened")?;
    ensure!(refused.lasting && refused.message.contains("others may write to"), "{refused}");
    set_mode(&path, 0o700)?;
    ensure!(open(json!({"command": "it"})).await.is_none(), "it was not opened");
    Ok(())
}

#[tokio::test]
async fn one_that_takes_too_long_is_tried_again() -> Result<()> {
    let host = Host::new()?;
    host.program("it", "#!/bin/sh\nexec tail -f /dev/null\n")?;
    let rotator = host.open(&json!({"command": "it", "timeoutMs": 200})).await?;
    let old = credential("old")?;
    let error = rotator.revoke(&task(&old)).await.err().context("it ended")?;
    ensure!(!error.lasting && error.message.contains("did not answer within 200 ms"), "{error}");
    ensure!(error.fix.contains("secrets.rotators.rotator.timeoutMs"), "{error}");
    Ok(())
}
