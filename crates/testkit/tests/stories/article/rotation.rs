//! The article's rotations: the cron job and the script of 4.1, and the emergency of 5.3, each line
//! as it stands.

use super::{Desk, STAYS, STRIPE_VALUE, article, site};
use anyhow::{Context, Result, ensure};
use secretref_testkit::{
    cli::Ran,
    engine::Engine,
    moto::{Moto, credential},
    on_both_engines,
    process::Process,
    wait::DEADLINE,
};
use serde_json::{Value, json};
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

on_both_engines!(
    chapter_four_the_cron_job_rotates_what_ends_soon,
    chapter_four_the_script_puts_a_key_into_aws,
    chapter_five_an_emergency,
);

/// The first of March of the next year, at three: the cron job's hour, and a week before the end.
const NEXT_YEAR: &str = "2027-03-01T03:00:00Z";
/// The article's way to a new key, as a program that the broker may run.
const ROTATOR: &str = r#"#!/bin/bash
NEW_KEY=$(openssl rand -hex 32)
END=$(date -u -d '+90 days' +%Y-%m-%dT%H:%M:%SZ)
OK='"protocolVersion":1,"ok":true'
case $(jq --raw-output .verb) in
    mint) echo "{$OK,\"value\":\"$NEW_KEY\",\"expiresAt\":\"$END\"}" ;;
    *) echo "{$OK}" ;;
esac
"#;
const ENDS: &str = "rotate status stripe-api-key";
const FINISHED: &str = "stripe-api-key v1 → v2: finished, v1 is revoked";

impl Desk {
    /// Runs a line of the article's shell, in which `openclaw` is what it calls this.
    fn openclaw(&self, line: &str) -> Result<Ran> {
        self.cli.bash(&format!("openclaw() {{ secretref \"$@\"; }}; {line}"))
    }

    /// The file provider's records, the refs with how one is rotated, and an agent, which runs.
    async fn rotates(&self, rotator: Value) -> Result<Process> {
        self.write_records()?;
        let mut site = site();
        site["secrets"]["rotators"] = json!({"stripe-keys": rotator});
        let policy = json!({"rotator": "stripe-keys", "schedule": "0 3 1 */3 *", "overlap": "0s"});
        site["refMap"]["stripe-api-key"] = json!({
            "provider": "file", "target": "stripe_api_key", "required": true, "rotation": policy,
        });
        site["refMap"]["slack-bot-token"] =
            json!({"provider": "file", "target": "slack_bot_token", "required": true});
        self.apply(&["2.2-finance-analyst.json"], Some(&site))?.ended(0)?;
        let words = "gateway run --agent finance-analyst --secrets-ref stripe-api-key";
        let run = self.start(words, &["sh", "-c", STAYS])?;
        run.wait_for_line(&format!("has {STRIPE_VALUE} and"), DEADLINE)?;
        self.until_it_prints("status --agent finance-analyst --secrets", "✅").await?;
        Ok(run)
    }

    /// The record of the key as the file has it now.
    fn record(&self) -> Result<Value> {
        let records = fs::read(self.broker.providers().join("secrets.json"))?;
        Ok(serde_json::from_slice::<Value>(&records)?["stripe_api_key"].take())
    }
}

/// The command of the article's cron job.
fn cron_job() -> Result<String> {
    let table = fs::read_to_string(article("4.1-openclaw-secrets.cron"))?;
    let line = table.lines().find(|line| !line.starts_with('#')).context("no job")?;
    let (when, command) = line.split_once(" root ").context("no user")?;
    ensure!(when == "0 3 1 */3 *", "{when}");
    Ok(command.to_owned())
}

async fn chapter_four_the_cron_job_rotates_what_ends_soon(engine: Engine) -> Result<()> {
    let desk = Desk::set_at(engine, NEXT_YEAR).await?;
    let program = desk.broker.providers().join("rotate_stripe_key.sh");
    desk.write_provided("rotate_stripe_key.sh", ROTATOR)?;
    fs::set_permissions(&program, Permissions::from_mode(0o700))?;
    let clock = ["LD_PRELOAD", "FAKETIME", "FAKETIME_DONT_FAKE_MONOTONIC", "NO_FAKE_STAT"];
    let rotator = json!({"type": "exec", "command": "rotate_stripe_key.sh", "passEnv": clock});
    let mut run = desk.rotates(rotator).await?;
    let ran = desk.openclaw(&cron_job()?)?.ended(0)?;
    ensure!(ran.out.contains("stripe-api-key: rotation "), "{ran:?}");
    desk.until_it_prints(ENDS, FINISHED).await?;
    // The file has the new key and its end, in ninety days; and so has the agent.
    let record = desk.record()?;
    let (key, end) = (record["value"].as_str(), record["expiresAt"].as_str());
    let key = key.context("no value")?;
    ensure!(key.len() == 64 && key != STRIPE_VALUE, "no new key: {} characters", key.len());
    ensure!(end.is_some_and(|end| end.starts_with("2027-05-30T")), "{end:?}");
    ensure!(record["provider"] == "openclaw", "the record lost what it said besides");
    run.wait_for_line(&format!("has {key} and"), DEADLINE)?;
    let injected = "✅ STRIPE_API_KEY: injected (valid until 2027-05-30)";
    desk.until_it_prints("gateway status --agent finance-analyst --secrets", injected).await?;
    // A quarter of a year is more than thirty days: the next job finds nothing to do.
    let ran = desk.openclaw(&cron_job()?)?.ended(0)?;
    ensure!(ran.err.contains("nothing is rotated: no value ends that soon"), "{ran:?}");
    run.terminate(DEADLINE)?;
    Ok(())
}

async fn chapter_four_the_script_puts_a_key_into_aws(engine: Engine) -> Result<()> {
    let Some(moto) = Moto::start().await? else { return Ok(()) };
    let desk = Desk::set(engine).await?;
    let first = json!({"Name": "stripe-api-key", "SecretString": "first"});
    moto.ask("CreateSecret", &first).await?;
    desk.cli.run_with(&["put", "aws-key"], b"wJalrXUtnFEMI/K7MDENG")?.ended(0)?;
    let aws = json!({
        "secrets": {"providers": {"aws-secretsmanager": {
            "region": "eu-central-1", "endpoint": moto.address(),
            "accessKeyId": "AKIAIOSFODNN7EXAMPLE", "secretAccessKey": {"secretRef": "aws-key"},
        }}},
        "refMap": {"stripe-api-key": {"provider": "aws-secretsmanager"}},
    });
    desk.apply(&["2.2-finance-analyst.json"], Some(&aws))?.ended(0)?;
    let mut run = desk.start("run --agent finance-analyst", &["sh", "-c", STAYS])?;
    run.wait_for_line("has first and", DEADLINE)?;
    // The script as it stands; `aws` is a curl that asks the same of the same service.
    let script = article("4.1-rotate_stripe_key.sh");
    let aws = format!(
        r#"aws() {{
            [ "$1 $2 $3 $5" = "secretsmanager put-secret-value --secret-id --secret-string" ] &&
            jq -n --arg id "$4" --arg value "$6" '{{SecretId: $id, SecretString: $value}}' |
            curl --fail --silent --show-error --data @- {} \
                --header 'X-Amz-Target: secretsmanager.PutSecretValue' \
                --header 'Content-Type: application/x-amz-json-1.1' \
                --header 'Authorization: {}'
        }}; export -f aws; bash {}"#,
        moto.address(),
        credential("secretsmanager"),
        script.display()
    );
    desk.cli.bash(&aws)?.ended(0)?;
    let current = moto.ask("GetSecretValue", &json!({"SecretId": "stripe-api-key"})).await?;
    let record = current["SecretString"].as_str().context("no value")?;
    let record: Value = serde_json::from_str(record)?;
    let key = record["value"].as_str().context("no key")?;
    let end = record["expiresAt"].as_str().context("no end")?;
    ensure!(key.len() == 64 && end.starts_with("2026-06-06T"), "{end}");
    run.wait_for_line(&format!("has {key} and"), DEADLINE)?;
    let injected = "✅ STRIPE_API_KEY: injected (valid until 2026-06-06)";
    desk.until_it_prints("status --agent finance-analyst --secrets", injected).await?;
    run.terminate(DEADLINE)?;
    Ok(())
}

async fn chapter_five_an_emergency(engine: Engine) -> Result<()> {
    let desk = Desk::set(engine).await?;
    let mut run = desk.rotates(json!({"type": "random", "prefix": "sk_live_"})).await?;
    let ran = desk.openclaw("openclaw secrets rotate --force --provider stripe")?.ended(0)?;
    ensure!(ran.out.contains("stripe-api-key: rotation "), "{ran:?}");
    desk.until_it_prints(ENDS, FINISHED).await?;
    let record = desk.record()?;
    let key = record["value"].as_str().context("no value")?;
    ensure!(key.starts_with("sk_live_") && key != STRIPE_VALUE, "no new key");
    run.wait_for_line(&format!("has {key} and"), DEADLINE)?;
    let receipt = desk.run("rotate receipt stripe-api-key")?.ended(0)?.out;
    for said in
        [", by force\n", " at finance-analyst ", "\nproven: 1 of 1\nv1 revoked 2026-03-08T12:"]
    {
        ensure!(receipt.contains(said), "{said:?}: {receipt}");
    }
    run.terminate(DEADLINE)?;
    Ok(())
}
