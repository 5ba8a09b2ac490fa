//! A throwaway AWS Secrets Manager: moto's server on a free port. It is gone when dropped, and when
//! this process is.

use crate::{
    guardian::Guardian,
    process::Process,
    python::{Tool, installed},
    wait::{DEADLINE, eventually},
};
use anyhow::{Context, Result, ensure};
use reqwest::{Client, RequestBuilder, Url};
use secretref_broker::outbound::{Outbound, Patience};
use serde_json::{Value, json};
use std::{process::Command, time::Duration};
use tempfile::TempDir;
use tokio::{task::spawn_blocking, time::interval};
use tokio_util::task::AbortOnDropHandle;

/// What lets somebody in.
pub struct Keys {
    /// Id of the access key.
    pub id: String,
    /// The secret access key.
    pub secret: String,
    /// The token of a session; none where it is a user's own key.
    pub token: Option<String>,
}

/// A server of one's own.
pub struct Moto {
    // In this order: the server is gone before its folder is removed.
    _server: Process,
    _guardian: Guardian,
    _home: TempDir,
    http: Client,
    address: String,
}

impl Moto {
    /// One that holds nothing. None where it cannot be installed; that is said, and an error in CI.
    ///
    /// # Errors
    /// Where it does not come up.
    pub async fn start() -> Result<Option<Self>> {
        let Some(program) = spawn_blocking(|| installed(MOTO)).await?? else { return Ok(None) };
        let home = tempfile::Builder::new().prefix("secretref-moto-").tempdir()?;
        let mut command = Command::new(program);
        // It takes a free port and says which: one that was looked for before may be another's.
        command.args(["-H", "127.0.0.1", "-p", "0"]).current_dir(home.path());
        let server = Process::start("moto", &mut command, home.path())?;
        let guardian = Guardian::of(server.pid(), "KILL", home.path())?;
        let line = server.wait_for_line(STARTED, DEADLINE)?;
        let address = line.split_once(STARTED).map(|it| it.1.trim().to_owned());
        let address = address.context("it says no address")?;
        let http = Outbound::new(Patience::default())?.client().clone();
        let moto = Self { _server: server, _guardian: guardian, _home: home, http, address };
        let answers = async || Ok(moto.ask("ListSecrets", &json!({})).await.ok());
        eventually("moto answers", answers).await?;
        Ok(Some(moto))
    }

    /// Its address, without a slash at the end.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Asks Secrets Manager for something by the name of its action, as the SDKs do; moto believes
    /// anybody until it is told to [`Moto::guard`].
    ///
    /// # Errors
    /// Where it is refused.
    pub async fn ask(&self, action: &str, body: &Value) -> Result<Value> {
        self.asks().ask(action, body).await
    }

    /// Makes a text the current version of a secret, as somebody would by hand. moto loses sight of
    /// the version that is current once somebody moved that stage; so it is moved here too.
    ///
    /// # Errors
    /// Where it is refused.
    pub async fn put(&self, secret: &str, text: &str) -> Result<()> {
        let asks = self.asks();
        let current = json!({"SecretId": secret, "VersionStage": "AWSCURRENT"});
        let current = asks.ask("GetSecretValue", &current).await?;
        let put = json!({"SecretId": secret, "SecretString": text, "VersionStages": ["by-hand"]});
        let put = asks.ask("PutSecretValue", &put).await?;
        let version = |it: &Value| it["VersionId"].as_str().unwrap_or_default().to_owned();
        asks.stage(secret, "AWSCURRENT", Some(&version(&current)), &version(&put)).await
    }

    /// From now on it looks at every signature, and at what whoever signed may do.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn guard(&self) -> Result<()> {
        // So many requests are believed first.
        let request = self.http.post(format!("{}/moto-api/reset-auth", self.address)).body("0");
        sent("reset-auth", request).await.map(drop)
    }

    /// A user who may do these actions with everything, and the key by which he is let in.
    ///
    /// # Errors
    /// Where it is refused.
    pub async fn create_user(&self, name: &str, actions: &[&str]) -> Result<Keys> {
        self.query("iam", "CreateUser", &[("UserName", name)]).await?;
        let policy = policy(actions);
        let put = [("UserName", name), ("PolicyName", "it"), ("PolicyDocument", &*policy)];
        self.query("iam", "PutUserPolicy", &put).await?;
        let made = self.query("iam", "CreateAccessKey", &[("UserName", name)]).await?;
        keys(&made)
    }

    /// A session of a role of this name that may do these actions with everything.
    ///
    /// # Errors
    /// Where it is refused.
    pub async fn create_session(&self, role: &str, actions: &[&str]) -> Result<Keys> {
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"},
        }]});
        let trust = trust.to_string();
        let create = [("RoleName", role), ("AssumeRolePolicyDocument", &*trust)];
        self.query("iam", "CreateRole", &create).await?;
        let policy = policy(actions);
        let put = [("RoleName", role), ("PolicyName", "it"), ("PolicyDocument", &*policy)];
        self.query("iam", "PutRolePolicy", &put).await?;
        let arn = format!("arn:aws:iam::123456789012:role/{role}");
        let assume = [("RoleArn", &*arn), ("RoleSessionName", "a-test")];
        keys(&self.query("sts", "AssumeRole", &assume).await?)
    }

    /// Plays the rotation function of a secret, as AWS would call one: whatever version a rotation
    /// was asked for gets the value that `next` makes of its token, and becomes the current one.
    /// Until it is dropped.
    pub fn rotation_function(
        &self,
        secret: &str,
        next: impl Fn(&str) -> String + Send + Sync + 'static,
    ) -> RotationFunction {
        let (asks, secret) = (self.asks(), secret.to_owned());
        RotationFunction(AbortOnDropHandle::new(tokio::spawn(async move {
            let mut ticks = interval(FUNCTION_PERIOD);
            loop {
                ticks.tick().await;
                // What fails is tried again, as AWS does; whoever waits for it says so.
                let _ = asks.function(&secret, &next).await;
            }
        })))
    }

    fn asks(&self) -> Asks {
        Asks { http: self.http.clone(), address: self.address.clone() }
    }

    /// Asks a service that takes forms and answers XML.
    async fn query(&self, service: &str, action: &str, given: &[(&str, &str)]) -> Result<String> {
        let mut form = Url::parse("http://form/")?;
        form.query_pairs_mut().append_pair("Action", action).extend_pairs(given);
        let request = self
            .http
            .post(format!("{}/", self.address))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", credential(service))
            .body(form.query().unwrap_or_default().to_owned());
        sent(action, request).await
    }
}

/// A rotation function that is at work. Ended when dropped.
pub struct RotationFunction(#[expect(dead_code, reason = "held")] AbortOnDropHandle<()>);

/// Whoever asks Secrets Manager.
#[derive(Clone)]
struct Asks {
    http: Client,
    address: String,
}

impl Asks {
    async fn ask(&self, action: &str, body: &Value) -> Result<Value> {
        let request = self
            .http
            .post(format!("{}/", self.address))
            .header("x-amz-target", format!("secretsmanager.{action}"))
            .header("content-type", "application/x-amz-json-1.1")
            .header("authorization", credential("secretsmanager"))
            .body(body.to_string());
        let said = sent(action, request).await?;
        serde_json::from_str(&said).with_context(|| format!("{action}: {said}"))
    }

    /// Create, set, test and finish, for a version that has no value yet. moto makes that current
    /// at once where it cannot call a function; it is put back first.
    async fn function(&self, secret: &str, next: &impl Fn(&str) -> String) -> Result<()> {
        let described = self.ask("DescribeSecret", &json!({"SecretId": secret})).await?;
        let versions = described["VersionIdsToStages"].as_object().context("no versions")?;
        let with = |stage: &str| {
            let has = |it: &Value| it.as_array().is_some_and(|it| it.contains(&stage.into()));
            versions.iter().find(|(_, stages)| has(stages)).map(|(id, _)| id.clone())
        };
        let current = with("AWSCURRENT").context("no version is current")?;
        let asked = json!({"SecretId": secret, "VersionId": current});
        if self.ask("GetSecretValue", &asked).await.is_ok() {
            return Ok(());
        }
        let before = with("AWSPREVIOUS").context("no version was current")?;
        self.stage(secret, "AWSCURRENT", Some(&current), &before).await?;
        self.stage(secret, "AWSPENDING", None, &current).await?;
        let put = json!({
            "SecretId": secret, "ClientRequestToken": current, "SecretString": next(&current),
            "VersionStages": ["AWSPENDING"],
        });
        self.ask("PutSecretValue", &put).await?;
        self.stage(secret, "AWSCURRENT", Some(&before), &current).await?;
        // AWS leaves it there; moto takes that for a rotation under way.
        let done = json!({
            "SecretId": secret, "VersionStage": "AWSPENDING", "RemoveFromVersionId": current,
        });
        self.ask("UpdateSecretVersionStage", &done).await.map(drop)
    }

    async fn stage(&self, secret: &str, stage: &str, from: Option<&str>, to: &str) -> Result<()> {
        let mut moved = json!({"SecretId": secret, "VersionStage": stage, "MoveToVersionId": to});
        if let Some(from) = from {
            moved["RemoveFromVersionId"] = from.into();
        }
        self.ask("UpdateSecretVersionStage", &moved).await.map(drop)
    }
}

async fn sent(action: &str, request: RequestBuilder) -> Result<String> {
    let response = request.send().await?;
    let status = response.status();
    let said = response.text().await?;
    ensure!(status.is_success(), "{action}: {status} {said}");
    Ok(said)
}

fn policy(actions: &[&str]) -> String {
    let statement = json!({"Effect": "Allow", "Action": actions, "Resource": "*"});
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

fn keys(xml: &str) -> Result<Keys> {
    let between = |name: &str| {
        let after = xml.split_once(&format!("<{name}>"))?.1;
        Some(after.split_once('<')?.0.to_owned())
    };
    let needed = |name: &str| between(name).with_context(|| format!("no {name} in {xml}"));
    let (id, secret) = (needed("AccessKeyId")?, needed("SecretAccessKey")?);
    Ok(Keys { id, secret, token: between("SessionToken") })
}

/// What a request is authorised by where nobody looks: moto reads from it which service is meant.
#[must_use]
pub fn credential(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260308/eu-central-1/{service}/aws4_request, \
         SignedHeaders=host, Signature=0"
    )
}

/// How often a rotation function looks for work.
const FUNCTION_PERIOD: Duration = Duration::from_millis(50);
const STARTED: &str = " * Running on ";
const MOTO: Tool = Tool {
    name: "moto-5.2.5",
    package: "moto[server]==5.2.5",
    alone: false,
    packed: false,
    program: "bin/moto_server",
};
