//! AWS Secrets Manager: moto's server, with a rotation function that a test plays.

mod one_user {
    use super::super::suite::conforms;
    conforms!(super::OneUser);
}
mod two_users {
    use super::super::suite::conforms;
    conforms!(super::TwoUsers);
}

use super::{World, credential, minted, opened, silent, task};
use anyhow::{Context, Result, ensure};
use secretref_broker::{
    permits::Permits,
    rotators::{Credential, Rotator, RotatorError},
};
use secretref_domain::rotation::RotatorKind;
use secretref_testkit::{
    faulty::{Faulty, Trouble, nobody},
    moto::{Moto, RotationFunction},
};
use serde_json::{Value, json};

const SECRET: &str = "prod/orders";

async fn open(address: &str, more: &Value) -> Result<Rotator, RotatorError> {
    let mut settings = json!({
        "secretId": format!("{SECRET}#password"), "region": "eu-central-1",
        "endpoint": address.trim_end_matches('/'), "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        settings[key] = value.clone();
    }
    let own = [("secret-access-key", "the-key-of-whoever-rotates")];
    opened(RotatorKind::AwsSecretsmanager, &settings, &own, Permits::default()).await
}

fn content(password: &str) -> String {
    json!({"username": "app", "password": password}).to_string()
}

/// A secret, and its rotation function.
struct Aws {
    moto: Moto,
    nowhere: String,
    _function: RotationFunction,
}

impl Aws {
    async fn new() -> Result<Option<Self>> {
        let Some(moto) = Moto::start().await? else { return Ok(None) };
        let create = json!({"Name": SECRET, "SecretString": content("first-password")});
        moto.ask("CreateSecret", &create).await?;
        let made = |token: &str| content(&format!("password-of-{token}"));
        let function = moto.rotation_function(SECRET, made);
        Ok(Some(Self { moto, nowhere: nobody().await?, _function: function }))
    }

    /// The password of the version that has a stage; none where no version has it.
    async fn password(&self, stage: &str) -> Result<Option<String>> {
        let described = self.moto.ask("DescribeSecret", &json!({"SecretId": SECRET})).await?;
        let versions = described["VersionIdsToStages"].as_object().context("no versions")?;
        let has = |it: &Value| it.as_array().is_some_and(|it| it.contains(&stage.into()));
        let Some((id, _)) = versions.iter().find(|(_, stages)| has(stages)) else {
            return Ok(None);
        };
        let asked = json!({"SecretId": SECRET, "VersionId": id});
        let found = self.moto.ask("GetSecretValue", &asked).await?;
        let found: Value = serde_json::from_str(found["SecretString"].as_str().context("text")?)?;
        Ok(found["password"].as_str().map(str::to_owned))
    }

    async fn is(&self, stage: &str, it: &Credential) -> Result<bool> {
        let password = self.password(stage).await?;
        Ok(password.is_some_and(|password| password.as_bytes() == it.value.expose()))
    }
}

/// Whose password the function changes: the old one has ended then.
struct OneUser(Aws);

impl World for OneUser {
    const OVERLAPS: bool = false;
    const ONE_WAY: bool = true;

    async fn new() -> Result<Option<Self>> {
        Ok(Aws::new().await?.map(Self))
    }

    async fn open(&self) -> Result<Rotator, RotatorError> {
        open(self.0.moto.address(), &json!({})).await
    }

    async fn nowhere(&self) -> Result<Rotator, RotatorError> {
        open(&self.0.nowhere, &json!({})).await
    }

    async fn first(&self) -> Result<Credential> {
        credential("first-password")
    }

    fn wrong(&self) -> Result<Credential> {
        credential("never-a-password")
    }

    async fn works(&self, it: &Credential) -> Result<bool> {
        self.0.is("AWSCURRENT", it).await
    }
}

/// Of whom the function takes the other one each time: the old one works until it is forgotten.
struct TwoUsers(Aws);

impl World for TwoUsers {
    const OVERLAPS: bool = true;

    async fn new() -> Result<Option<Self>> {
        Ok(Aws::new().await?.map(Self))
    }

    async fn open(&self) -> Result<Rotator, RotatorError> {
        open(self.0.moto.address(), &json!({"overlaps": true})).await
    }

    async fn nowhere(&self) -> Result<Rotator, RotatorError> {
        open(&self.0.nowhere, &json!({"overlaps": true})).await
    }

    async fn first(&self) -> Result<Credential> {
        credential("first-password")
    }

    fn wrong(&self) -> Result<Credential> {
        credential("never-a-password")
    }

    async fn works(&self, it: &Credential) -> Result<bool> {
        Ok(self.0.is("AWSCURRENT", it).await? || self.0.is("AWSPREVIOUS", it).await?)
    }
}

#[tokio::test]
async fn a_rotation_is_the_version_of_its_own_identity() -> Result<()> {
    let Some(TwoUsers(aws)) = TwoUsers::new().await? else { return Ok(()) };
    let rotator = open(aws.moto.address(), &json!({"overlaps": true})).await?;
    let old = credential("first-password")?;
    let task = task(&old);
    let new = minted(rotator.mint(&task).await?);
    let wanted = format!("password-of-{}", task.rotation);
    ensure!(new.value.expose() == wanted.as_bytes(), "it is another version's");
    rotator.revoke(&task).await?;
    ensure!(aws.password("AWSPREVIOUS").await?.is_none(), "the old one is given to readers");
    Ok(())
}

#[tokio::test]
async fn a_function_that_does_not_end_is_given_up_without_a_trace() -> Result<()> {
    let Some(moto) = Moto::start().await? else { return Ok(()) };
    let create = json!({"Name": SECRET, "SecretString": content("first-password")});
    moto.ask("CreateSecret", &create).await?;
    let rotator = open(moto.address(), &json!({})).await?;
    let old = credential("first-password")?;
    let (task, other) = (task(&old), task(&old));
    let pending = |token: String| {
        json!({
            "SecretId": SECRET, "ClientRequestToken": token, "SecretString": content("half-made"),
            "VersionStages": ["AWSPENDING"],
        })
    };
    moto.ask("PutSecretValue", &pending(task.rotation.to_string())).await?;
    // Somebody else's rotation waits for this one to end.
    let refused = rotator.mint(&other).await.err().context("it began another")?;
    let refused = silent(refused, &[&old]);
    ensure!(!refused.lasting && refused.message.contains("under way"), "{refused}");
    for _ in 0..2 {
        rotator.withdraw(&task, None).await?;
        let described = moto.ask("DescribeSecret", &json!({"SecretId": SECRET})).await?;
        let stages = described["VersionIdsToStages"].to_string();
        ensure!(!stages.contains("AWSPENDING"), "{stages}");
    }
    rotator.test(&task, &old).await?;
    Ok(())
}

#[tokio::test]
async fn what_aws_refuses_says_what_to_do() -> Result<()> {
    let (old, new) = (credential("canary-old")?, credential("canary-new")?);
    let task = task(&old);
    for (status, code, lasting, said) in [
        (400, "AccessDeniedException", true, "allow secretsmanager:"),
        (400, "ResourceNotFoundException", true, "create-secret"),
        (400, "UnrecognizedClientException", true, "secrets.rotators.rotator"),
        (400, "ThrottlingException", false, "describe-secret"),
        (503, "ServiceUnavailable", false, "describe-secret"),
    ] {
        let body = json!({"__type": format!("com.amazonaws#{code}"), "message": "canary-old"});
        let server = Faulty::start(Trouble::Answers(status, body.to_string())).await?;
        let rotator = open(&server.url(), &json!({})).await?;
        let refused = rotator.test(&task, &new).await.err().context("it is believed")?;
        let refused = silent(refused, &[&old, &new]);
        ensure!(refused.lasting == lasting && refused.fix.contains(said), "{code}: {refused}");
        ensure!(!refused.refused, "{code}: the credential is called refused: {refused}");
    }
    Ok(())
}

#[tokio::test]
async fn settings_that_are_none_are_refused_at_once() -> Result<()> {
    for (more, said) in [
        (json!({"secretId": ""}), "a `secretId` that is none"),
        (json!({"secretId": "a?stage=b"}), "a `secretId` that is none"),
        (json!({"secretId": "a#"}), "a `secretId` that is none"),
        (json!({"region": "../evil"}), "a `region` that is none"),
        (json!({"endpoint": "http://198.51.100.7/"}), "an `endpoint` that is none"),
        (json!({"accessKeyId": null}), "no `accessKeyId`"),
    ] {
        let refused = open("http://127.0.0.1:1", &more).await.err();
        let refused = refused.with_context(|| said.to_owned())?;
        ensure!(refused.lasting && refused.message.contains(said), "{said}: {refused}");
        ensure!(refused.fix.contains("secrets.rotators.rotator."), "{refused}");
    }
    Ok(())
}
