//! Rotation with proof: finished only when every consumer is proven to be on the new credential,
//! and only then is the old one revoked.

mod crashes;
mod due;
mod emergency;
mod progress;
mod roles;
mod services;
mod takeover;
mod trouble;
mod turned_back;
mod waves;

use crate::scene::{AGENT, SLACK, SLACK_FILE, STRIPE, STRIPE_FILE, ref_of};
use anyhow::{Context, Result, ensure};
use secretref_proto::v1::{
    GetRotationRequest, PutSecretRequest, Rotation, RotationPhase, StartRotationsRequest,
};
use secretref_testkit::{
    admin::Admin, agent::Agent, broker::Broker, cli::Cli, engine::Engine, on_both_engines,
    wait::eventually,
};
use serde_json::{Value, json};

on_both_engines!(
    everybody_is_on_the_new_one_before_the_old_one_ends,
    who_is_away_holds_the_revocation_back_and_is_named,
    a_plan_says_who_is_touched_and_how_and_does_nothing,
    one_of_a_service_is_found_by_what_it_is_for,
    what_cannot_be_rotated_says_why_and_what_to_do,
);

/// The payment analyst with a key that is made at random, and more of the rotation's policy.
pub(super) fn manifest(policy: Value, credential: Value) -> Value {
    let mut rotation = json!({"rotator": "random", "overlap": "0s"});
    merge(&mut rotation, policy);
    let mut stripe = json!({"secretRef": STRIPE, "envVar": STRIPE_FILE});
    merge(&mut stripe, credential);
    json!({
        "secrets": {"rotators": {"random": {"length": 24}}},
        "agents": {AGENT: {"runtime": "subagent", "tool-bindings": {
            "stripe-payment": {"credentials": {"apiKey": stripe}},
            "slack-notifier": {"credentials": {
                "botToken": {"secretRef": SLACK, "envVar": SLACK_FILE}
            }},
        }}},
        "refMap": {
            STRIPE: {"provider": "store", "service": "stripe", "rotation": rotation},
            SLACK: {"provider": "store"},
        },
    })
}

fn merge(into: &mut Value, more: Value) {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}

/// A broker whose payment analyst has the first versions.
pub(super) struct Stage {
    pub(super) broker: Broker,
    pub(super) admin: Admin,
    pub(super) cli: Cli,
}

impl Stage {
    pub(super) async fn set(engine: Engine, manifest: &Value) -> Result<Self> {
        let broker = Broker::start(engine).await?;
        let admin = broker.admin().await?;
        admin.apply(&manifest.to_string()).await?;
        admin.put(STRIPE, b"stripe-1").await?;
        admin.put(SLACK, b"slack-1").await?;
        Self::of(broker, admin)
    }

    pub(super) fn of(broker: Broker, admin: Admin) -> Result<Self> {
        let cli = Cli::of(&broker)?;
        Ok(Self { broker, admin, cli })
    }

    pub(super) async fn agent(&self) -> Result<Agent> {
        let agent = Agent::enrolled(&self.broker, &self.admin, AGENT).await?;
        agent.file_becomes(STRIPE_FILE, b"stripe-1").await?;
        Ok(agent)
    }

    pub(super) async fn start(&self) -> Result<Rotation> {
        let request = StartRotationsRequest {
            secret_ref: STRIPE.to_owned(),
            reason: "for the story".to_owned(),
            ..StartRotationsRequest::default()
        };
        let begun = self.admin.rotations().start_rotations(request).await?.into_inner();
        begun.rotations.into_iter().next().context("nothing was begun")
    }

    pub(super) async fn look(&self) -> Result<Rotation> {
        let request =
            GetRotationRequest { secret_ref: STRIPE.to_owned(), ..GetRotationRequest::default() };
        let found = self.admin.rotations().get_rotation(request).await?.into_inner().rotation;
        found.context("no rotation")
    }

    /// Waits until the newest rotation is this.
    pub(super) async fn until(
        &self,
        what: &str,
        wanted: impl Fn(&Rotation) -> bool,
    ) -> Result<Rotation> {
        eventually(&format!("the rotation {what}"), async || {
            let found = self.look().await?;
            Ok(wanted(&found).then_some(found))
        })
        .await
    }

    pub(super) async fn comes_to(&self, phase: RotationPhase) -> Result<Rotation> {
        self.until(&format!("is {phase:?}"), |it| it.phase() == phase).await
    }

    /// States of the versions of the Stripe key, the newest first, in words.
    pub(super) fn versions(&self) -> Result<Vec<String>> {
        let listed = self.cli.run(&["versions", STRIPE, "--json"])?.ended(0)?.json()?;
        let state = |it: &Value| it["state"].as_str().unwrap_or_default().to_owned();
        Ok(listed.as_array().context("no list")?.iter().map(state).collect())
    }
}

async fn everybody_is_on_the_new_one_before_the_old_one_ends(engine: Engine) -> Result<()> {
    let stage = Stage::set(engine, &manifest(json!({}), json!({}))).await?;
    let agents = [stage.agent().await?, stage.agent().await?, stage.agent().await?];
    let rotate = ["rotate", STRIPE, "--reason", "for the story", "--wait"];
    let said = stage.cli.run(&rotate)?.ended(0)?;
    let (told, receipt) =
        said.out.split_once("secretref rotation receipt v1\n").unwrap_or_default();
    ensure!(told.ends_with("stripe-api-key: finished, v1 is revoked\n"), "{said:?}");
    ensure!(receipt.contains("\nproven: 3 of 3\nv1 revoked 20"), "{said:?}");
    let done = stage.look().await?;
    ensure!((done.old_version, done.new_version) == (1, 2), "{done:?}");
    ensure!(done.proofs.len() == 3, "{done:?}");
    ensure!(done.proofs.iter().all(|it| it.version == 2 && it.evidence == "written"), "{done:?}");
    let new = agents[0].read(STRIPE_FILE)?.context("no file")?;
    ensure!(new.len() == 24 && new != b"stripe-1", "not a new one");
    for agent in &agents {
        agent.file_becomes(STRIPE_FILE, &new).await?;
    }
    the_receipt(&stage, &done)?;
    // The old one's key is shredded: nobody can bring a revoked credential back.
    ensure!(stage.versions()? == ["current", "destroyed"], "{:?}", stage.versions()?);
    // The trail has every step, in its order.
    let trail = stage.admin.audit_trail().await?;
    let steps: Vec<&str> = trail
        .iter()
        .filter(|it| it.action.starts_with("rotation."))
        .map(|it| it.action.as_str())
        .collect();
    let wanted = [
        "rotation.begin",
        "rotation.mint",
        "rotation.set",
        "rotation.test",
        "rotation.wave",
        "rotation.promote",
        "rotation.drain",
        "rotation.revoke",
    ];
    ensure!(steps == wanted, "{steps:?}");
    Ok(())
}

/// What was done is signed, in words; and verified without a broker.
fn the_receipt(stage: &Stage, done: &Rotation) -> Result<()> {
    let receipt = stage.cli.run(&["rotate", "receipt", STRIPE])?.ended(0)?.out;
    let lines: Vec<&str> = receipt.lines().collect();
    ensure!(lines[0] == "secretref rotation receipt v1", "{receipt}");
    ensure!(lines[1] == format!("rotation {}", done.uid), "{receipt}");
    ensure!(lines[3] == "versions v1 → v2", "{receipt}");
    let asked =
        lines[4].starts_with("asked for by admin:") && lines[4].ends_with(": for the story");
    ensure!(asked && lines.contains(&"proven: 3 of 3"), "{receipt}");
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("receipt.txt");
    std::fs::write(&path, &receipt)?;
    let path = path.to_str().context("a path")?;
    let key = stage.cli.run(&["rotate", "receipt", "--key-only", &done.uid])?.ended(0)?.out;
    ensure!(key.starts_with("stories.test/receipts+"), "{key}");
    let alone = Cli::with("127.0.0.1:1", folder.path())?;
    let verify = ["rotate", "receipt", "--verify", path, "--key", key.trim()];
    let genuine = alone.run(&verify)?.ended(0)?;
    ensure!(genuine.err.contains("it is genuine"), "{genuine:?}");
    std::fs::write(path, receipt.replace("proven: 3 of 3", "proven: 4 of 4"))?;
    let altered = alone.run(&verify)?.ended(1)?;
    ensure!(altered.err.contains("it was altered"), "{altered:?}");
    Ok(())
}

async fn who_is_away_holds_the_revocation_back_and_is_named(engine: Engine) -> Result<()> {
    let stage = Stage::set(engine, &manifest(json!({}), json!({}))).await?;
    let (here, mut away) = (stage.agent().await?, stage.agent().await?);
    away.kill9()?;
    stage.start().await?;
    // It waits for whoever may still be on the old one; that it is gone is not known at once.
    let waiting = stage.until("waits for one instance", |it| it.waits.len() == 1).await?;
    ensure!(waiting.waits[0].agent == AGENT && waiting.waits[0].what.contains("v1"), "{waiting:?}");
    // Who is there has the new one meanwhile, and the old one is kept.
    let new = here.file_changes(STRIPE_FILE, b"stripe-1").await?;
    ensure!(stage.versions()?.contains(&"current".to_owned()), "{:?}", stage.versions()?);
    ensure!(!stage.versions()?.contains(&"destroyed".to_owned()), "the old one is gone");
    let shown = stage.cli.run(&["rotate", "status", STRIPE])?.ended(0)?;
    ensure!(shown.out.contains("⏳ payment-analyst ("), "{shown:?}");
    // It comes back, is on the new one, and it goes on.
    away.run()?;
    away.file_becomes(STRIPE_FILE, &new).await?;
    stage.comes_to(RotationPhase::Finished).await?;
    ensure!(stage.versions()? == ["current", "destroyed"], "{:?}", stage.versions()?);
    Ok(())
}

async fn a_plan_says_who_is_touched_and_how_and_does_nothing(engine: Engine) -> Result<()> {
    let stage = Stage::set(engine, &manifest(json!({"overlap": "1h"}), json!({}))).await?;
    let _agent = stage.agent().await?;
    let applied = async || {
        let status = ref_of(&stage.admin.status(AGENT).await?, STRIPE)?;
        Ok((status.applied_version == 1).then_some(()))
    };
    eventually("the first version is applied", applied).await?;
    let plan = stage.cli.run(&["rotate", STRIPE, "--plan"])?.ended(0)?;
    for said in ["stripe-api-key, by rotator random", "1 h after", "1     payment-analyst  nothing"]
    {
        ensure!(plan.out.contains(said), "{said}: {plan:?}");
    }
    let plan = stage.cli.run(&["rotate", STRIPE, "--plan", "--json"])?.ended(0)?.json()?;
    ensure!(plan[0]["agents"][0]["effect"] == "nothing", "{plan}");
    ensure!(stage.versions()? == ["current"], "a plan did something");
    stage.cli.run(&["rotate", "status", STRIPE])?.ended(3)?;
    Ok(())
}

async fn one_of_a_service_is_found_by_what_it_is_for(engine: Engine) -> Result<()> {
    let stage = Stage::set(engine, &manifest(json!({}), json!({}))).await?;
    // The article's words.
    let soon = ["secrets", "rotate", "--provider", "stripe", "--days-remaining", "30"];
    let said = stage.cli.run(&soon)?.ended(0)?;
    ensure!(said.err.contains("nothing is rotated: no value ends that soon"), "{said:?}");
    let said =
        stage.cli.run(&["secrets", "rotate", "--force", "--provider", "stripe"])?.ended(0)?;
    ensure!(said.out.contains("stripe-api-key: rotation "), "{said:?}");
    let done = stage.comes_to(RotationPhase::Finished).await?;
    ensure!(done.force && done.requested_by.starts_with("admin:"), "{done:?}");
    // A service is known by a name too; that ref has no rotator, which is said.
    let refused = stage.cli.run(&["rotate", "--service", "slack"])?.ended(1)?;
    ensure!(refused.err.contains("slack-bot-token is not rotated"), "{refused:?}");
    stage.cli.run(&["rotate", "--service", "nobody"])?.ended(3)?;
    Ok(())
}

async fn what_cannot_be_rotated_says_why_and_what_to_do(engine: Engine) -> Result<()> {
    let stage = Stage::set(engine, &manifest(json!({}), json!({}))).await?;
    let refused = |name: &str, code: i32, said: &str| {
        let ran = stage.cli.run(&["rotate", name])?.ended(code)?;
        ensure!(ran.err.contains(said) && ran.err.contains("Fix: "), "{name}: {ran:?}");
        Ok(())
    };
    refused(SLACK, 1, "names no rotator")?;
    refused("not-there", 1, "names no rotator")?;
    let manifest = json!({
        "secrets": {"providers": {"env": {}}},
        "refMap": {
            "of-env": {"provider": "env", "target": "HOME", "rotation": {"rotator": "random"}},
            "empty": {"provider": "store", "rotation": {"rotator": "random"}},
            "lost": {"provider": "store", "rotation": {"rotator": "nowhere"}},
        },
    });
    stage.admin.apply(&manifest.to_string()).await?;
    refused("empty", 1, "has no value yet")?;
    refused("lost", 1, "rotator \"nowhere\" of ref \"lost\" is not there")?;
    let put = PutSecretRequest { name: "lost".into(), value: b"x".to_vec(), ..Default::default() };
    stage.admin.secrets().put_secret(put).await?;
    refused("lost", 1, "is not there")?;
    Ok(())
}
