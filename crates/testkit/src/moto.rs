//! A throwaway AWS Secrets Manager: moto's server on a free port. It is gone when dropped, and when
//! this process is.

use crate::{
    guardian::Guardian,
    process::Process,
    python::{Tool, installed},
    wait::eventually,
};
use anyhow::{Context, Result, ensure};
use reqwest::Client;
use secretref_broker::outbound::{Outbound, Patience};
use serde_json::{Value, json};
use std::{net::TcpListener, process::Command};
use tempfile::TempDir;
use tokio::task::spawn_blocking;

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
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).current_dir(home.path());
        let server = Process::start("moto", &mut command, home.path())?;
        let guardian = Guardian::of(server.pid(), "KILL", home.path())?;
        let (http, address) = (
            Outbound::new(Patience::default())?.client().clone(),
            format!("http://127.0.0.1:{port}"),
        );
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

    /// Asks for something by the name of its action, as the SDKs do; moto believes anybody.
    ///
    /// # Errors
    /// Where it is refused.
    pub async fn ask(&self, action: &str, body: &Value) -> Result<Value> {
        let request = self
            .http
            .post(format!("{}/", self.address))
            .header("x-amz-target", format!("secretsmanager.{action}"))
            .header("content-type", "application/x-amz-json-1.1")
            .header("authorization", CREDENTIAL)
            .body(body.to_string());
        let response = request.send().await?;
        let status = response.status();
        let said = response.text().await?;
        ensure!(status.is_success(), "{action}: {status} {said}");
        serde_json::from_str(&said).with_context(|| format!("{action}: {said}"))
    }
}

/// Which service is meant, moto reads from here.
const CREDENTIAL: &str = "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260308/eu-central-1/\
    secretsmanager/aws4_request, SignedHeaders=host, Signature=0";
const MOTO: Tool = Tool {
    name: "moto-5.2.5",
    package: "moto[server]==5.2.5",
    alone: false,
    program: "bin/moto_server",
};
