//! A whole installation of `OpenClaw` moves over: from a value in the open at each of its 64
//! targets to none, by the word of the real one.

use anyhow::{Context, Result, ensure};
use secretref_testkit::{
    agent::Agent,
    broker::Broker,
    canary::{Canary, Scanner},
    cli::Cli,
    engine::Engine,
    openclaw::{OpenClaw, Said},
    wait::eventually,
};
use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};
use tokio::task::spawn_blocking;

/// One engine: the store is not what this is about, and each look of the real one takes seconds.
#[tokio::test(flavor = "multi_thread")]
async fn an_installation_moves_over_and_openclaw_finds_nothing() -> Result<()> {
    let Some(openclaw) = spawn_blocking(OpenClaw::in_the_open).await?? else { return Ok(()) };
    let broker = Broker::start(Engine::Sqlite).await?;
    let admin = broker.admin().await?;
    let (code, report) = audited(&openclaw.run(&["secrets", "audit", "--check", "--json"])?)?;
    ensure!(code == 1 && report["summary"]["plaintextCount"] == 64, "{report}");
    let plaintexts = plaintexts(&report, &openclaw)?;
    ensure!(plaintexts.len() == 64, "{plaintexts:?}");

    let cli = Cli::of(&broker)?;
    let host = Agent::new(&broker)?;
    let (config, lib) = (shown(&openclaw.config())?, openclaw.home().join("lib"));
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600))?;
    let socket = host.socket();
    let import = |more: &[&str]| {
        let mut words = vec!["openclaw", "import", &config, "--resolver-dir"];
        words.extend([lib.to_str().context("a path")?, "--socket"]);
        words.extend([socket.to_str().context("a path")?, "--wait=120s"]);
        words.extend(more);
        cli.run(&words)
    };
    let before = fs::read_to_string(&config)?;
    let only_shown = import(&[])?.ended(0)?;
    ensure!(only_shown.out.lines().count() == 64, "{only_shown:?}");
    ensure!(fs::read_to_string(&config)? == before, "it was only to show");
    let audit = ["openclaw", "audit", &config, "--wait=120s"];
    cli.run(&audit)?.ended(1)?;
    let refused = import(&["--apply"])?.ended(2)?;
    ensure!(refused.err.contains("add --yes"), "{refused:?}");
    let applied = import(&["--apply", "--yes"])?.ended(0)?;
    let canaries: Vec<Canary> = plaintexts.into_iter().map(Canary::of).collect();
    let mut scanner = Scanner::new(&canaries)?;
    for text in [&only_shown.out, &only_shown.err, &applied.out, &applied.err] {
        scanner.bytes("what was printed", text.as_bytes());
    }
    scanner.path(openclaw.home())?;
    ensure!(scanner.leaks().is_empty(), "{:?}", scanner.leaks());
    let after = fs::read_to_string(&config)?;
    ensure!(after.contains("// A value in the open") && after.contains("/* spoken */"), "{after}");

    let mut host = host.with(["--socket".into(), socket.clone().into_os_string()]);
    host.give_token(&admin.token("openclaw").await?)?;
    host.run()?;
    eventually("the socket is there", async || Ok(socket.exists().then_some(()))).await?;
    let (code, report) = audited(&openclaw.run(&["secrets", "audit", "--check", "--json"])?)?;
    ensure!(code == 0 && report["status"] == "clean", "{report}");
    ensure!(report["findings"] == Value::Array(Vec::new()), "{report}");
    cli.run(&audit)?.ended(0)?;

    // Again, without harm.
    let again = import(&["--apply", "--yes"])?.ended(0)?;
    ensure!(again.out.lines().all(|line| line.ends_with("already")), "{again:?}");
    ensure!(fs::read_to_string(&config)? == after, "it wrote a file that had all refs");
    // A value that somebody wrote since is a new version, and what holds refs is not put again.
    let talk =
        "{\"id\": \"openclaw/talk/api-key\", \"provider\": \"secretref\", \"source\": \"exec\"}";
    ensure!(after.contains(talk), "{after}");
    fs::write(&config, after.replace(talk, "'another-value'"))?;
    let changed = import(&["--apply", "--yes"])?.ended(0)?;
    ensure!(changed.err.contains("openclaw/talk/api-key v2"), "{changed:?}");
    ensure!(!changed.err.contains("gateway"), "{changed:?}");
    ensure!(fs::read_to_string(&config)? == after, "the ref is back in its place");
    // A ref without its secret is seen by both.
    cli.run(&["delete", "openclaw/talk/api-key", "--wait=120s"])?.ended(0)?;
    let gone = cli.run(&audit)?.ended(2)?;
    ensure!(gone.out.contains("openclaw/talk/api-key"), "{gone:?}");
    Ok(())
}

/// Values that a configuration has elsewhere already: in a `.env` file, in a JSON file, with a
/// program.
#[tokio::test(flavor = "multi_thread")]
async fn refs_to_variables_files_and_programs_are_taken_over() -> Result<()> {
    let broker = Broker::start(Engine::Sqlite).await?;
    let cli = Cli::of(&broker)?;
    let home = tempfile::tempdir()?;
    let at = |name: &str| home.path().join(name);
    fs::write(at(".env"), "TALK_KEY=of-the-environment\n")?;
    fs::write(at("held.json"), r#"{"a": {"b": "of-a-file"}}"#)?;
    // As strict as a program may be: its question to the letter, and no other variable.
    fs::write(
        at("answer.sh"),
        "#!/bin/sh\nread -r question\n\
         [ \"$question\" = '{\"ids\":[\"one/key\"],\"protocolVersion\":1,\"provider\":\"own\"}' ] \
         || exit 3\n[ \"$LEVEL\" = high ] && [ -z \"$HOME\" ] || exit 4\n\
         echo '{\"protocolVersion\":1,\"values\":{\"one/key\":\"of-a-program\"}}'\n",
    )?;
    fs::set_permissions(at("answer.sh"), fs::Permissions::from_mode(0o700))?;
    let config = serde_json::json!({
        "talk": {"apiKey": "${TALK_KEY}"},
        "gateway": {"auth": {"password": {"source": "file", "provider": "held", "id": "/a/b"}}},
        "messages": {"tts": {"elevenlabs": {
            "apiKey": {"source": "exec", "provider": "own", "id": "one/key"}}}},
        "secrets": {"providers": {
            "held": {"source": "file", "path": at("held.json"), "mode": "json"},
            "own": {"source": "exec", "command": at("answer.sh"), "env": {"LEVEL": "high"}},
        }},
    });
    fs::write(at("openclaw.json"), serde_json::to_string_pretty(&config)?)?;
    let (config, lib) = (shown(&at("openclaw.json"))?, shown(&at("lib"))?);
    let import = ["openclaw", "import", &config, "--resolver-dir", &lib, "--apply", "--yes"];
    // A program is asked only where that is allowed.
    let shy = cli.run(&import)?.ended(0)?;
    ensure!(shy.out.contains("add --allow-exec"), "{shy:?}");
    let asked: Vec<&str> = import.iter().copied().chain(["--allow-exec"]).collect();
    cli.run(&asked)?.ended(0)?;
    let after = fs::read_to_string(&config)?;
    for (name, value) in [
        ("openclaw/talk/api-key", "of-the-environment"),
        ("openclaw/gateway/auth/password", "of-a-file"),
        ("openclaw/messages/tts/elevenlabs/api-key", "of-a-program"),
    ] {
        ensure!(after.contains(name), "{name} is not in {after}");
        let got = cli.run(&["get", name, "--reveal", "--reason", "a test"])?.ended(0)?;
        ensure!(got.out.trim_end() == value, "{name}: {got:?}");
    }
    ensure!(!after.contains("one/key"), "{after}");
    Ok(())
}

fn audited(said: &Said) -> Result<(i32, Value)> {
    let report = serde_json::from_str(&said.out).with_context(|| format!("{said:?}"))?;
    Ok((said.code, report))
}

/// Every value that the report names a place of; those of the test data all begin alike.
fn plaintexts(report: &Value, openclaw: &OpenClaw) -> Result<Vec<String>> {
    let texts = [fs::read_to_string(openclaw.config())?, fs::read_to_string(openclaw.profiles())?];
    let quoted = texts.iter().flat_map(|text| text.split(['\'', '"']));
    let mut values: Vec<String> =
        quoted.filter(|word| word.starts_with("plain-")).map(str::to_owned).collect();
    values.sort();
    values.dedup();
    ensure!(report["findings"].as_array().map(Vec::len) == Some(values.len()), "{report}");
    Ok(values)
}

fn shown(path: &Path) -> Result<String> {
    Ok(path.to_str().context("a path")?.to_owned())
}
