//! `secretref scan`: literals in files, and those that the broker itself holds, under any name and
//! in any spelling, without a value on the wire.

use crate::scene::Scene;
use anyhow::{Context, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use secretref_domain::hash::keyed;
use secretref_proto::v1::MatchSecretsRequest;
use secretref_testkit::{canary::Canary, cli::Cli, engine::Engine, on_both_engines};
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;
use tonic::Code;

on_both_engines!(what_the_broker_holds_is_found_in_files, what_is_short_cannot_be_guessed);

async fn what_the_broker_holds_is_found_in_files(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let cli = Cli::of(&scene.broker)?;
    let folder = TempDir::new()?;
    let (old, new) = (Canary::new("scan-old"), Canary::new("scan-new"));
    scene.admin.put("database-password", old.value().as_bytes()).await?;
    scene.admin.put("database-password", new.value().as_bytes()).await?;
    let hex: String = old.value().bytes().map(|byte| format!("{byte:02x}")).collect();
    let config = json!({
        "any": {"name": new.value(), "note": "nothing to see"},
        "encoded": BASE64_STANDARD.encode(new.value()),
    });
    fs::write(folder.path().join("config.json"), serde_json::to_string_pretty(&config)?)?;
    fs::write(folder.path().join("deploy.sh"), format!("export ANY='{hex}'\n"))?;
    fs::write(folder.path().join("clean.yaml"), "ref: database-password\nother: a plain word\n")?;
    let path = folder.path().to_str().context("no text")?;
    // By their looks they are nothing.
    cli.run(&["scan", path])?.ended(0)?;
    let ran = cli.run(&["scan", path, "--held", "--json"])?.ended(1)?;
    for value in [&old, &new] {
        let known = [&ran.out, &ran.err].iter().any(|text| text.contains(value.value()));
        ensure!(!known, "a value is printed: {ran:?}");
    }
    let found = ran.json()?;
    let found = found["findings"].as_array().context("no findings")?;
    let place = |it: &Value| {
        let path = it["path"].as_str().unwrap_or_default().rsplit('/').next().map(str::to_owned);
        (path.unwrap_or_default(), it["line"].as_u64(), it["why"].as_str().map(str::to_owned))
    };
    let mut places: Vec<_> = found.iter().map(place).collect();
    places.sort();
    let held = |version: u64| Some(format!("the broker has it as database-password v{version}"));
    let wanted = [
        ("config.json".to_owned(), Some(3), held(2)),
        ("config.json".to_owned(), Some(6), held(2)),
        ("deploy.sh".to_owned(), Some(1), held(1)),
    ];
    ensure!(places == wanted, "{places:?}");
    // What was destroyed is no value any more.
    cli.run(&["destroy", "database-password", "--version", "1"])?.ended(0)?;
    let sh = folder.path().join("deploy.sh");
    cli.run(&["scan", sh.to_str().context("no text")?, "--held"])?.ended(0)?;
    // Each question is on the record, and whoever only writes may not ask.
    let trail = scene.admin.audit_trail().await?;
    let asked: Vec<_> = trail.iter().filter(|it| it.action == "secret.match").collect();
    let matched = asked.iter().filter(|it| it.object == "database-password").count();
    ensure!(asked.len() == matched + 2 && matched == 2, "{asked:?}");
    let create = ["admin", "create", "wendy", "--role", "writer", "--save-profile", "w"];
    cli.run(&create)?.ended(0)?;
    let ran = cli.run(&["--profile", "w", "scan", path, "--held"])?.ended(1)?;
    ensure!(ran.err.contains("the auditor or the operator role"), "{ran:?}");
    Ok(())
}

/// Whoever may ask may not try every PIN there is; and a question has its limits.
async fn what_is_short_cannot_be_guessed(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    scene.admin.put("pin", b"1234567").await?;
    scene.admin.put("no-pin", b"12345678").await?;
    let key = [7; 32];
    let asking = |digests: Vec<Vec<u8>>| MatchSecretsRequest {
        key: key.to_vec(),
        digests,
        ..MatchSecretsRequest::default()
    };
    let guesses = ["1234567", "12345678"].map(|guess| keyed(&key, guess.as_bytes()).to_vec());
    let mut secrets = scene.admin.secrets();
    let answer = secrets.match_secrets(asking(guesses.to_vec())).await?.into_inner();
    let found: Vec<_> = answer.matches.iter().map(|it| (it.index, &*it.name)).collect();
    ensure!(found == [(1, "no-pin")], "{answer:?}");
    let good = || vec![vec![8; 32]];
    for wrong in [
        asking(Vec::new()),
        asking(vec![vec![8; 31]]),
        asking(vec![vec![8; 32]; 8_193]),
        MatchSecretsRequest { key: vec![7; 16], ..asking(good()) },
        MatchSecretsRequest { page_token: "elsewhere".to_owned(), ..asking(good()) },
    ] {
        let refused = secrets.match_secrets(wrong).await.err().context("it was answered")?;
        ensure!(refused.code() == Code::InvalidArgument, "{refused:?}");
    }
    Ok(())
}
