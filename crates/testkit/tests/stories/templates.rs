//! Templates: several secrets in one file, made anew when any of them changes.

use crate::scene::{AGENT, SLACK, STRIPE, Scene, ref_of};
use anyhow::{Result, ensure};
use secretref_proto::v1::RefState;
use secretref_testkit::{agent::Agent, engine::Engine, on_both_engines, wait::eventually};

on_both_engines!(one_file_holds_several_secrets, a_template_that_fails_leaves_what_there_was);

/// The payment analyst with one file from both its secrets.
fn manifest(template: &str) -> String {
    let template = serde_json::Value::from(template);
    format!(
        r#"{{"agents": {{"{AGENT}": {{"tool-bindings": {{
          "stripe": {{"credentials": {{"apiKey": {{
            "secretRef": "{STRIPE}", "file": "app.ini", "template": {template}}}}}}},
          "slack": {{"credentials": {{"botToken": {{
            "secretRef": "{SLACK}", "envVar": "SLACK_BOT_TOKEN"}}}}}}}}}}}},
          "refMap": {{"{STRIPE}": {{"provider": "store"}}, "{SLACK}": {{"provider": "store"}}}}}}"#
    )
}

const INI: &str = "# {{ agent }}\nstripe = {{ value | json }}\n\
                   slack = {{ secrets.SLACK_BOT_TOKEN }} {{ tools.slack.botToken | b64encode }}\n";

fn ini(stripe: &str, slack: &str) -> String {
    let base64 = match slack {
        "slack-1" => "c2xhY2stMQ==",
        _ => "c2xhY2stMg==",
    };
    format!("# {AGENT}\nstripe = \"{stripe}\"\nslack = {slack} {base64}\n")
}

async fn one_file_holds_several_secrets(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    scene.admin.apply(&manifest(INI)).await?;
    let host = Agent::enrolled(&scene.broker, &scene.admin, AGENT).await?;
    host.file_becomes("app.ini", ini("stripe-1", "slack-1").as_bytes()).await?;
    scene.admin.put(SLACK, b"slack-2").await?;
    host.file_becomes("app.ini", ini("stripe-1", "slack-2").as_bytes()).await?;
    scene.admin.put(STRIPE, b"a\"b").await?;
    host.file_becomes("app.ini", ini("a\\\"b", "slack-2").as_bytes()).await?;
    scene.applied(STRIPE, 2).await?;
    Ok(())
}

async fn a_template_that_fails_leaves_what_there_was(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    scene.admin.apply(&manifest(INI)).await?;
    let host = Agent::enrolled(&scene.broker, &scene.admin, AGENT).await?;
    host.file_becomes("app.ini", ini("stripe-1", "slack-1").as_bytes()).await?;
    scene.admin.apply(&manifest("# broken\n{{ secrets.NOT_THERE }}\n")).await?;
    let failed = async || {
        let status = ref_of(&scene.admin.status(AGENT).await?, STRIPE)?;
        Ok((status.state() == RefState::Failed).then_some(status.reason))
    };
    let reason = eventually("the status says that it failed", failed).await?;
    ensure!(reason.contains("app.ini: line 2 of the template"), "{reason}");
    ensure!(!reason.contains("stripe-1") && !reason.contains("slack-1"), "{reason}");
    let kept = host.read("app.ini")?;
    ensure!(kept.as_deref() == Some(ini("stripe-1", "slack-1").as_bytes()), "it did not stay");
    scene.admin.apply(&manifest("{{ value }}")).await?;
    host.file_becomes("app.ini", b"stripe-1").await?;
    scene.applied(STRIPE, 1).await?;
    Ok(())
}
