//! The article, from its first chapter to its last: its files as they stand, its commands under our
//! program's name, and what it says that they print, on its own day.

mod rotation;

use anyhow::{Context, Result, ensure};
use secretref_domain::clock::Timestamp;
use secretref_testkit::{
    broker::Broker,
    cli::{Cli, Ran},
    engine::Engine,
    faketime,
    hook::{Answer, Hook},
    on_both_engines,
    openbao::OpenBao,
    process::Process,
    tmpfs,
    wait::{DEADLINE, eventually},
};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};
use tempfile::TempDir;

on_both_engines!(
    chapter_one_a_ref_in_place_of_the_key,
    chapter_two_records_bindings_and_the_gateway,
    chapter_three_the_payment_analyst,
    chapter_four_environments,
    chapter_five_pitfalls,
);

/// The day that the article was written, a Sunday.
const DAY: &str = "2026-03-08T12:00:00Z";
const STRIPE_VALUE: &str = "sk_live_51xxxxxxxxxxxx";
const SLACK_VALUE: &str = "xoxb-xxxxxxxxxxxxxxxx";
/// Stays until it is told to end.
const STAYS: &str =
    r#"echo "has $STRIPE_API_KEY and $SLACK_BOT_TOKEN"; while :; do sleep 0.05; done"#;

/// A broker and its operator on that day.
struct Desk {
    broker: Broker,
    cli: Cli,
    /// Memory and logs of what the operator runs.
    memory: TempDir,
    folder: TempDir,
}

impl Desk {
    async fn set(engine: Engine) -> Result<Self> {
        Self::set_at(engine, DAY).await
    }

    async fn set_at(engine: Engine, day: &str) -> Result<Self> {
        let day = Timestamp::parse(day).context("a time")?;
        let variables = faketime::now_is(day)?;
        let borrowed: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let broker = Broker::start_configured(engine, &borrowed, |file| {
            file.provider_poll_seconds = 1;
            // A program that a rotator runs lives on the same day.
            file.provider_environment = variables.iter().map(|(name, _)| name.clone()).collect();
        })
        .await?;
        let (memory, folder) = (tmpfs::folder("article-")?, tempfile::tempdir()?);
        let more = [
            ("XDG_RUNTIME_DIR".to_owned(), memory.path().display().to_string()),
            ("SECRETREF_BROKER".to_owned(), broker.listening().agents.to_string()),
        ];
        let cli = Cli::of(&broker)?.in_environment(&variables).in_environment(&more);
        Ok(Self { broker, cli, memory, folder })
    }

    /// Applies the article's files, and one of the site where there is something to add.
    fn apply(&self, articles: &[&str], site: Option<&Value>) -> Result<Ran> {
        let mut arguments = vec!["apply".to_owned()];
        for name in articles {
            arguments.extend(["-f".to_owned(), article(name).display().to_string()]);
        }
        if let Some(site) = site {
            let path = self.folder.path().join("site.json");
            fs::write(&path, site.to_string())?;
            arguments.extend(["-f".to_owned(), path.display().to_string()]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.cli.run(&arguments)
    }

    /// The article's records where the file provider may read them, with the expiry of Slack's that
    /// 3.4 shows.
    fn write_records(&self) -> Result<()> {
        let mut records: Value = serde_json::from_slice(&fs::read(article("2.1-secrets.json"))?)?;
        records["slack_bot_token"]["expiresAt"] = json!("2026-12-31T00:00:00Z");
        self.write_provided("secrets.json", &records.to_string())
    }

    fn write_provided(&self, name: &str, content: &str) -> Result<()> {
        let path = self.broker.providers().join(name);
        let folder = path.parent().context("a folder")?;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        fs::write(&path, content)?;
        Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?)
    }

    /// Starts `secretref` with these words.
    fn start(&self, words: &str, program: &[&str]) -> Result<Process> {
        let words: Vec<&str> = words.split_whitespace().collect();
        let mut command = self.cli.command(&words)?;
        Process::start("run", command.arg("--").args(program), self.folder.path())
    }

    fn run(&self, words: &str) -> Result<Ran> {
        self.cli.run(&words.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs it until it prints a line that begins like this.
    async fn until_it_prints(&self, words: &str, wanted: &str) -> Result<Ran> {
        eventually(&format!("{words} prints {wanted:?}"), async || {
            let ran = self.run(words)?;
            Ok(prints(&ran, wanted).then_some(ran))
        })
        .await
    }
}

fn article(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/article").join(name)
}

fn prints(ran: &Ran, wanted: &str) -> bool {
    ran.out.lines().any(|line| line.starts_with(wanted))
}

/// Where the provider's file really is: what the article leaves to the site, or puts where a
/// broker may not read.
fn site() -> Value {
    json!({"secrets": {"providers": {"file": {"path": "secrets.json"}}}})
}

async fn chapter_one_a_ref_in_place_of_the_key(engine: Engine) -> Result<()> {
    let desk = Desk::set(engine).await?;
    // 1.2 as it stands: accepted, and said what keeps it from working.
    let applied = desk.apply(&["1.2-stripe-analyst.json"], None)?.ended(0)?;
    ensure!(prints(&applied, "agent stripe-analyst: created"), "{applied:?}");
    let unresolved = "❌ unresolved: stripe-api-key (stripe-analyst): provider \"file\" may not \
                      read /root/.openclaw/secrets/secrets.json: it is not below a provider root";
    let said = format!("{}{}", applied.out, applied.err);
    ensure!(said.contains(unresolved) && said.contains("Fix: "), "{said}");
    // Fails fast: it does not wait for anything, and starts nothing.
    let run = "run --agent stripe-analyst -- echo started";
    let refused = desk.run(run)?.ended(78)?;
    ensure!(refused.out.is_empty() && refused.err.contains("stripe-api-key"), "{refused:?}");
    // With the file where it may be, it works.
    desk.write_records()?;
    desk.apply(&["1.2-stripe-analyst.json"], Some(&site()))?.ended(0)?;
    let ran = desk.cli.run(&[
        "run",
        "--agent",
        "stripe-analyst",
        "--",
        "sh",
        "-c",
        "echo $STRIPE_API_KEY",
    ])?;
    ensure!(ran.ended(0)?.out == format!("{STRIPE_VALUE}\n"), "another value");
    // What was injected left nothing behind.
    ensure!(fs::read_dir(desk.memory.path())?.next().is_none(), "something was left");
    Ok(())
}

async fn chapter_two_records_bindings_and_the_gateway(engine: Engine) -> Result<()> {
    let desk = Desk::set(engine).await?;
    // 2.1: the records, with what they say of themselves.
    desk.write_records()?;
    let reference = json!({"refMap": {
        "stripe-api-key": {"provider": "file", "target": "stripe_api_key"},
        "slack-bot-token": {"provider": "file", "target": "slack_bot_token"},
    }});
    let mut site = site();
    site["refMap"] = reference["refMap"].clone();
    // 2.2 has no refMap of its own: it is complete with a file that supplies the rest.
    let applied = desk.apply(&["2.2-finance-analyst.json"], Some(&site))?.ended(0)?;
    ensure!(!applied.out.contains("unresolved"), "{applied:?}");
    let explained = desk.run("explain stripe-api-key")?.ended(0)?;
    let told = "✅ stripe-api-key: file v1, valid until 2027-03-08 04:12:00";
    ensure!(prints(&explained, told), "{explained:?}");
    let shown = desk.run("agent show finance-analyst")?.ended(0)?;
    for said in ["財務分析 Agent", "處理 Stripe 支付數據分析"] {
        ensure!(shown.out.contains(said), "{said}: {shown:?}");
    }
    // 2.3: openclaw gateway run …
    let words = "gateway run --agent finance-analyst --secrets-ref stripe-api-key \
                 --env STRIPE_API_KEY --secrets-provider file";
    let mut run = desk.start(words, &["sh", "-c", STAYS])?;
    run.wait_for_line(&format!("has {STRIPE_VALUE} and"), DEADLINE)?;
    let injected = "✅ STRIPE_API_KEY: injected (valid until 2027-03-08)";
    desk.until_it_prints("gateway status --agent finance-analyst --secrets", injected).await?;
    // Each access is in the trail.
    let log = desk.run("audit log --json")?.ended(0)?;
    let delivered = |line: &str| line.contains("secret.deliver") && line.contains("stripe-api-key");
    ensure!(log.out.lines().any(delivered), "no delivery is in the trail: {}", log.out);
    run.terminate(DEADLINE)?;
    Ok(())
}

async fn chapter_three_the_payment_analyst(engine: Engine) -> Result<()> {
    let desk = Desk::set(engine).await?;
    desk.write_records()?;
    // 3.2 has no path of the provider's file.
    desk.apply(&["3.2-payment-analyst.json"], Some(&site()))?.ended(0)?;
    // 3.3: it waits for Monday at nine, and holds nothing until then.
    let gateway = "gateway run --agent payment-analyst \
                   --secrets-ref stripe-api-key,slack-bot-token";
    let arguments: Vec<&str> = gateway.split_whitespace().collect();
    let mut command = desk.cli.command(&arguments)?;
    command.args(["--schedule", "0 9 * * 1-5", "--log-level", "info"]);
    command.args(["--", "sh", "-c", STAYS]);
    let mut scheduled = Process::start("scheduled", &mut command, desk.folder.path())?;
    scheduled.wait_for_line("the first run is due 2026-03-09 09:00 UTC", DEADLINE)?;
    let status = "gateway status --agent payment-analyst --secrets";
    let waiting = desk.until_it_prints(status, "⏳ next run 2026-03-09 09:00 UTC").await?;
    ensure!(prints(&waiting, "⏳ STRIPE_API_KEY: waiting"), "{waiting:?}");
    scheduled.terminate(DEADLINE)?;
    // 3.4, of one that runs.
    let mut run = desk.start(gateway, &["sh", "-c", STAYS])?;
    run.wait_for_line(&format!("has {STRIPE_VALUE} and {SLACK_VALUE}"), DEADLINE)?;
    let injected = "✅ STRIPE_API_KEY: injected (valid until 2027-03-08)";
    let shown = desk.until_it_prints(status, injected).await?;
    let injected = "✅ SLACK_BOT_TOKEN: injected (valid until 2026-12-31)";
    ensure!(prints(&shown, injected), "{shown:?}");
    let legacy = json!({"refMap": {"legacy-github-token": {"provider": "store"}}});
    desk.apply(&[], Some(&legacy))?.ended(0)?;
    let audited = desk.run("gateway audit --secrets --unused-only")?.ended(0)?;
    let unused = "⚠️ unused-ref: legacy-github-token (delete after migration)";
    let lines: Vec<&str> = audited.out.lines().filter(|line| line.starts_with("⚠️")).collect();
    ensure!(lines == [unused], "{audited:?}");
    run.terminate(DEADLINE)?;
    // 3.3, the script that watches: nothing ends within a week, and both do within the year.
    let hook = Hook::start([Answer::Says(200, "ok")]).await?;
    let channel = json!({"type": "slack", "secretRef": "slack-webhook"});
    let channels = json!({"alerts": {"channels": {"#finance-alerts": channel}}});
    desk.apply(&[], Some(&channels))?.ended(0)?;
    desk.cli.run_with(&["put", "slack-webhook"], hook.url("/T0/B0").as_bytes())?.ended(0)?;
    desk.run("monitor --check-expiry 7 --alert-channel #finance-alerts --once")?.ended(0)?;
    let within = "monitor --check-expiry 365 --alert-channel #finance-alerts --once";
    let found = desk.run(within)?.ended(1)?;
    let ends = |name: &str, day: &str| {
        let lines = found.out.lines();
        lines
            .filter(|it| it.starts_with("expiring ") && it.contains(name))
            .any(|it| it.contains(day))
    };
    ensure!(ends("ref slack-bot-token", "2026-12-31"), "{found:?}");
    ensure!(ends("ref stripe-api-key", "2027-03-08"), "{found:?}");
    let told = [hook.next().await?.body, hook.next().await?.body].concat();
    ensure!(told.contains("slack-bot-token") && told.contains("stripe-api-key"), "{told}");
    Ok(())
}

async fn chapter_four_environments(engine: Engine) -> Result<()> {
    let Some(bao) = OpenBao::start().await? else { return Ok(()) };
    let desk = Desk::set(engine).await?;
    bao.kv_put("prod/stripe/api-key", &json!({"value": "sk_of_production"})).await?;
    desk.write_provided(".secrets/dev_stripe.key", "sk_of_development\n")?;
    // 4.2 as it stands: accepted, without an address of its vault.
    let applied = desk.apply(&["4.2-environments.json"], None)?.ended(0)?;
    ensure!(prints(&applied, "environment production: activated"), "{applied:?}");
    let put = ["put", "vault-token", "--environment", "production"];
    desk.cli.run_with(&put, bao.token().as_bytes())?.ended(0)?;
    let vault = json!({"secrets": {"providers": {"vault": {
        "address": bao.address(),
        "auth": {"method": "token", "token": {"secretRef": "vault-token"}},
    }}}});
    let articles = ["4.2-environments.json", "2.2-finance-analyst.json"];
    let applied = desk.apply(&articles, Some(&vault))?.ended(0)?;
    ensure!(!applied.out.contains("unresolved"), "{applied:?}");
    let words = "run --agent finance-analyst --on-rotate restart";
    let mut run = desk.start(words, &["sh", "-c", STAYS])?;
    run.wait_for_line("has sk_of_production and", DEADLINE)?;
    // The other environment is one line away.
    let switch = "environment use development --agent finance-analyst";
    let shown = desk.run(&format!("{switch} --dry-run"))?.ended(0)?;
    let moves = "agent finance-analyst: production → development";
    ensure!(prints(&shown, moves), "{shown:?}");
    desk.run(&format!("{switch} --yes"))?.ended(0)?;
    run.wait_for_line("has sk_of_development and", DEADLINE)?;
    run.terminate(DEADLINE)?;
    Ok(())
}

async fn chapter_five_pitfalls(engine: Engine) -> Result<()> {
    let desk = Desk::set(engine).await?;
    desk.write_records()?;
    desk.apply(&["3.2-payment-analyst.json"], Some(&site()))?.ended(0)?;
    // Pitfall 1: a ref that was left behind, and one that is past its date where it is bound.
    let refs = json!({
        "agents": {"coder": {"tool-bindings": {"github": {"required": false, "credentials": {
            "token": {"secretRef": "new-github-token", "deprecationDate": "2026-03-01"}
        }}}}},
        "refMap": {
            "legacy-github-token": {"provider": "store"},
            "new-github-token": {"provider": "store"},
        },
    });
    desk.apply(&[], Some(&refs))?.ended(0)?;
    // Pitfall 2: a literal in a tool's configuration.
    let literal = json!({"agents": {"a": {"tool-bindings": {"stripe-payment": {"credentials": {
        "apiKey": STRIPE_VALUE
    }}}}}});
    let refused = desk.apply(&[], Some(&literal))?.ended(2)?;
    for said in ["a value stands where a ref belongs", "secretRef", "secretref put "] {
        ensure!(refused.err.contains(said), "{said}: {refused:?}");
    }
    ensure!(!refused.err.contains(STRIPE_VALUE), "the value is in the message");
    // What the article shows as keys are examples, and it is said so where one is put.
    let put = desk.cli.run_with(&["put", "pasted", "--json"], STRIPE_VALUE.as_bytes())?.ended(0)?;
    ensure!(put.err.contains("warning: the value of pasted looks like an example"), "{put:?}");
    ensure!(put.json()?["looks_like_example"] == true, "{put:?}");
    let put = desk.cli.run_with(&["put", "real", "--json"], b"3kWq9zXv1LrT8mYcB5nD")?.ended(0)?;
    ensure!(!put.err.contains("example") && put.json()?["looks_like_example"] == false, "{put:?}");
    let variables = format!("PASTED={STRIPE_VALUE}\n");
    let import = desk.cli.run_with(&["import", "-", "--prefix", "env/"], variables.as_bytes())?;
    ensure!(import.err.contains("the value of env/pasted looks like an example"), "{import:?}");
    // 5.3: every credential's state, and all that is to be said of each ref.
    let all = desk.run("gateway status --secrets --all")?.ended(0)?;
    ensure!(prints(&all, "payment-analyst (default, active)"), "{all:?}");
    ensure!(prints(&all, "⚠️ STRIPE_API_KEY: waiting"), "{all:?}");
    let audited = desk.run("gateway audit --secrets --verbose")?.ended(0)?;
    for line in [
        "⚠️ unused-ref: legacy-github-token (delete after migration)",
        "⚠️ deprecated-ref: new-github-token",
        "✅ stripe-api-key: file v1, valid until 2027-03-08 04:12:00",
        "✅ slack-bot-token: file v1, valid until 2026-12-31 00:00:00",
        "   bound by payment-analyst stripe-payment.apiKey as STRIPE_API_KEY, required",
    ] {
        ensure!(prints(&audited, line), "{line}: {audited:?}");
    }
    Ok(())
}
