//! Vault → File → EnvVar: whatever becomes of a provider, an agent keeps its value, and everybody
//! is told where it comes from.

use crate::scene::{AGENT, STRIPE, STRIPE_FILE, ref_of};
use anyhow::{Context, Result, anyhow, ensure};
use rustix::process::setpriority_process;
use secretref_proto::v1::RefState;
use secretref_testkit::{
    admin::Admin, agent::Agent, broker::Broker, cli::Cli, engine::Engine, on_both_engines,
    openbao::OpenBao, wait::eventually,
};
use serde_json::json;
use std::{
    fs,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

on_both_engines!(
    the_first_that_answers_is_taken_and_no_value_is_ever_lost,
    an_edited_file_is_in_the_agent_at_once,
    one_provider_alone_is_taken_on_request,
);

const VARIABLE: &str = "STRIPE_FALLBACK";

/// The payment analyst's Stripe key, in a chain; and what else the providers need.
fn manifest(address: &str, token: &str) -> String {
    json!({
        "secrets": {"providers": {
            "vault": {"address": address, "caFile": "bao-ca.pem",
                      "auth": {"method": "token", "token": {"secretRef": token}}},
            "file": {"path": "secrets.json"},
        }},
        "agents": {AGENT: {"tool-bindings": {"stripe-payment": {"credentials": {
            "apiKey": {"secretRef": STRIPE, "envVar": STRIPE_FILE}
        }}}}},
        "refMap": {STRIPE: {"provider": "vault", "target": "prod/stripe#key", "fallback": [
            {"provider": "file", "target": "stripe_api_key"},
            {"provider": "env", "target": VARIABLE},
        ]}},
    })
    .to_string()
}

async fn broker(engine: Engine) -> Result<(Broker, Admin)> {
    let variables = [(VARIABLE, "from-env")];
    let broker = Broker::start_configured(engine, &variables, |file| {
        file.provider_poll_seconds = 1;
        file.provider_environment = vec![VARIABLE.to_owned()];
    })
    .await?;
    let admin = broker.admin().await?;
    Ok((broker, admin))
}

/// Writes a file as an editor does: beside the old one, and then in its place.
fn write(broker: &Broker, name: &str, content: &str) -> Result<()> {
    let (path, beside) = (broker.providers().join(name), broker.providers().join("beside"));
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(content.as_bytes())?;
    Ok(fs::rename(beside, path)?)
}

fn records(value: &str) -> String {
    json!({"stripe_api_key": {"value": value, "provider": "openclaw"}}).to_string()
}

/// Waits until the status names this source.
async fn comes_from(admin: &Admin, wanted: &str) -> Result<()> {
    eventually(&format!("{STRIPE} comes from {wanted}"), async || {
        let status = ref_of(&admin.status(AGENT).await?, STRIPE)?;
        let there = status.source.starts_with(wanted) && status.state() == RefState::Injected;
        Ok(there.then_some(()))
    })
    .await
}

async fn the_first_that_answers_is_taken_and_no_value_is_ever_lost(engine: Engine) -> Result<()> {
    let Some(mut bao) = OpenBao::start_sealable().await? else { return Ok(()) };
    let (broker, admin) = broker(engine).await?;
    let authority = bao.authority().context("it speaks TLS")?.pem();
    write(&broker, "bao-ca.pem", &authority)?;
    write(&broker, "secrets.json", &records("from-file"))?;
    bao.kv_put("prod/stripe", &json!({"key": "from-vault"})).await?;
    admin.put("vault-token", bao.token().as_bytes()).await?;
    admin.apply(&manifest(bao.address(), "vault-token")).await?;
    let agent = Agent::enrolled(&broker, &admin, AGENT).await?;
    agent.file_becomes(STRIPE_FILE, b"from-vault").await?;
    // From here on, every look finds a value.
    let watch = Watch::on(agent.secrets().join(STRIPE_FILE));
    comes_from(&admin, "vault").await?;

    // What is changed in the vault is in the agent without anybody's doing.
    bao.kv_put("prod/stripe", &json!({"key": "from-vault-2"})).await?;
    agent.file_becomes(STRIPE_FILE, b"from-vault-2").await?;
    bao.seal().await?;
    agent.file_becomes(STRIPE_FILE, b"from-file").await?;
    comes_from(&admin, "file, fallback of vault").await?;
    bao.unseal().await?;
    agent.file_becomes(STRIPE_FILE, b"from-vault-2").await?;
    comes_from(&admin, "vault").await?;

    bao.kill()?;
    comes_from(&admin, "file, fallback of vault").await?;
    fs::remove_file(broker.providers().join("secrets.json"))?;
    agent.file_becomes(STRIPE_FILE, b"from-env").await?;
    comes_from(&admin, "env, fallback of vault").await?;
    bao.restart().await?;
    bao.unseal().await?;
    agent.file_becomes(STRIPE_FILE, b"from-vault-2").await?;
    comes_from(&admin, "vault").await?;
    watch.never_saw_none()?;

    // Who answered is on the record.
    let trail = admin.audit_trail().await?;
    let said =
        |what: &str| trail.iter().any(|it| it.action == "ref.source" && it.reason.contains(what));
    for what in [
        "vault fails: sealed",
        "vault fails: unreachable",
        "vault answers",
        "file fails: not-found",
    ] {
        ensure!(said(what), "the trail does not say {what:?}");
    }
    Ok(())
}

async fn an_edited_file_is_in_the_agent_at_once(engine: Engine) -> Result<()> {
    let (broker, admin) = broker(engine).await?;
    write(&broker, "secrets.json", &records("one"))?;
    let manifest = manifest("https://127.0.0.1:1", "vault-token");
    let manifest = manifest.replace("\"provider\":\"vault\"", "\"provider\":\"file\"");
    let manifest = manifest.replace("prod/stripe#key", "stripe_api_key");
    admin.apply(&manifest).await?;
    let agent = Agent::enrolled(&broker, &admin, AGENT).await?;
    agent.file_becomes(STRIPE_FILE, b"one").await?;
    write(&broker, "secrets.json", &records("two"))?;
    agent.file_becomes(STRIPE_FILE, b"two").await?;
    // One that is no JSON any more, or that others may read, changes nothing for the agent.
    let path = broker.providers().join("secrets.json");
    fs::write(&path, "{")?;
    comes_from(&admin, "file, stale since").await?;
    write(&broker, "secrets.json", &records("three"))?;
    agent.file_becomes(STRIPE_FILE, b"three").await?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    comes_from(&admin, "file, stale since").await?;
    let cli = Cli::of(&broker)?;
    let checked = cli.run(&["provider", "check", "file"])?.ended(1)?;
    ensure!(checked.out.contains(&format!("chmod 600 {}", path.display())), "{checked:?}");
    ensure!(agent.read(STRIPE_FILE)?.as_deref() == Some(b"three"), "it lost its value");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    comes_from(&admin, "file").await?;
    cli.run(&["provider", "check", "file"])?.ended(0)?;
    Ok(())
}

async fn one_provider_alone_is_taken_on_request(engine: Engine) -> Result<()> {
    let (broker, admin) = broker(engine).await?;
    write(&broker, "secrets.json", &records("from-file"))?;
    admin.apply(&manifest("https://127.0.0.1:1", "vault-token")).await?;
    let mut alone = Vec::new();
    for (provider, wanted) in [("file", "from-file"), ("env", "from-env")] {
        let mut agent = Agent::new(&broker)?.with(["--secrets-provider", provider]);
        agent.give_token(&admin.token(AGENT).await?)?;
        agent.run()?;
        agent.file_becomes(STRIPE_FILE, wanted.as_bytes()).await?;
        alone.push(agent);
    }
    // A file that changes is nothing to the one that takes the variable.
    write(&broker, "secrets.json", &records("from-file-2"))?;
    alone[0].file_becomes(STRIPE_FILE, b"from-file-2").await?;
    ensure!(alone[1].read(STRIPE_FILE)?.as_deref() == Some(b"from-env"), "it took another's");
    Ok(())
}

/// Looks at a file again and again, and remembers whether it was ever away or empty.
struct Watch {
    stop: Arc<AtomicBool>,
    looker: JoinHandle<(u64, u64)>,
}

impl Watch {
    fn on(path: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let looker = thread::spawn(move || {
            // It takes only what nobody else wants of the processors.
            let _ = setpriority_process(None, LOWEST_PRIORITY);
            let (mut looks, mut without) = (0, 0);
            while !stopped.load(Ordering::Relaxed) {
                looks += 1;
                without += u64::from(fs::read(&path).map_or(true, |value| value.is_empty()));
                thread::yield_now();
            }
            (looks, without)
        });
        Self { stop, looker }
    }

    fn never_saw_none(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let (looks, without) = self.looker.join().map_err(|_| anyhow!("the looker ended"))?;
        ensure!(looks > 100 && without == 0, "{without} of {looks} looks found no value");
        Ok(())
    }
}

const LOWEST_PRIORITY: i32 = 19;
