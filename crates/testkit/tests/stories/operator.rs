//! The operator's hand: the command line against a real broker.

use crate::scene::{AGENT, SLACK, STRIPE, Scene, manifest};
use anyhow::{Context, Result, ensure};
use secretref_testkit::{
    agent::Agent,
    canary::{Canary, Scanner},
    cli::Ran,
    engine::Engine,
    on_both_engines,
    process::binary,
};
use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};
use tempfile::TempDir;

on_both_engines!(
    a_dotenv_file_becomes_secrets_and_a_manifest_that_applies,
    strict_names_every_ref_and_prune_shows_what_goes,
    a_group_is_listed_shown_and_revoked,
);

/// Runs the command line as the broker's administrator.
fn secretref(scene: &Scene, arguments: &[&str], input: &str) -> Result<Ran> {
    let admin = scene.broker.data().join("admin");
    let mut child = Command::new(binary("secretref")?)
        .args(arguments)
        .arg("--wait=120s")
        .env_clear()
        .env("SECRETREF_ADDR", scene.broker.listening().admin.to_string())
        .env("SECRETREF_CA", admin.join("ca.crt"))
        .env("SECRETREF_CERT", admin.join("admin.crt"))
        .env("SECRETREF_KEY", admin.join("admin.key"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // A command that does not read its input may be gone before it is written.
    drop(child.stdin.take().context("no input")?.write_all(input.as_bytes()));
    Ran::from_output(child.wait_with_output()?)
}

fn done(ran: Ran) -> Result<Ran> {
    ensure!(ran.code == 0, "exit {}: {}", ran.code, ran.err);
    Ok(ran)
}

async fn a_dotenv_file_becomes_secrets_and_a_manifest_that_applies(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let [key, lines] = ["key", "lines"].map(Canary::new);
    let folder = TempDir::new()?;
    let file = folder.path().join(".env");
    let text = format!(
        "# old\nexport IMPORTED_KEY='{}' # next\nIMPORTED_LINES=\"a\\n{}\"\n",
        key.value(),
        lines.value()
    );
    fs::write(&file, text)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644))?;
    let path = file.to_str().context("a path")?;
    let bind = ["import", path, "--agent", "importer", "--tool", "t"];
    let dry = done(secretref(&scene, &[&bind[..], &["--dry-run"]].concat(), "")?)?;
    ensure!(dry.err.contains("can read") && dry.err.contains("mode 0644"), "{}", dry.err);
    let shown = secretref(&scene, &["show", "imported-key"], "")?;
    ensure!(shown.code == 3, "a dry run put it: {}", shown.out);

    let put = done(secretref(&scene, &bind, "")?)?;
    ensure!(put.out == dry.out, "another manifest than the dry run's: {}", put.out);
    ensure!(put.err.contains("imported-key v1, from IMPORTED_KEY"), "{}", put.err);
    done(secretref(&scene, &["apply", "-f", "-", "--strict"], &put.out)?)?;
    let agent = Agent::enrolled(&scene.broker, &scene.admin, "importer").await?;
    agent.file_becomes("IMPORTED_KEY", key.bytes()).await?;
    agent.file_becomes("IMPORTED_LINES", format!("a\n{}", lines.value()).as_bytes()).await?;

    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    let again = done(secretref(&scene, &["import", path], "")?)?;
    ensure!(again.out.starts_with("imported-key v2, from IMPORTED_KEY\n"), "{}", again.out);
    ensure!(again.err.is_empty(), "{}", again.err);
    let empty = secretref(&scene, &["import", "-"], &format!("A={}\nB=\n", key.value()))?;
    ensure!(empty.code == 2 && empty.err.contains("line 2: B has no value"), "{}", empty.err);
    let mut scanner = Scanner::new([&key, &lines])?;
    for ran in [&dry, &put, &again, &empty] {
        scanner.bytes("standard output", ran.out.as_bytes());
        scanner.bytes("standard error", ran.err.as_bytes());
    }
    ensure!(scanner.leaks().is_empty(), "{:#?}", scanner.leaks());
    ensure!(
        secretref(&scene, &["show", "a"], "")?.code == 3,
        "a file with a fault was put in part"
    );
    Ok(())
}

async fn strict_names_every_ref_and_prune_shows_what_goes(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    // More than one status could name.
    let names: Vec<String> = (0..40).map(|at| format!("missing-{at}")).collect();
    let refs: Vec<&str> = names.iter().map(String::as_str).collect();
    let text = manifest("buyer", &refs);
    let refused = secretref(&scene, &["apply", "-f", "-", "--strict"], &text)?;
    ensure!(refused.code == 2, "exit {}: {}", refused.code, refused.err);
    for name in &names {
        let line = format!("error: ref \"{name}\" (agent buyer) is not resolvable: ");
        let found = refused.err.lines().find(|it| it.starts_with(&line));
        let found = found.with_context(|| format!("{name} is not named: {}", refused.err))?;
        ensure!(found.ends_with(&format!("Fix: secretref put {name}")), "{found}");
    }
    ensure!(secretref(&scene, &["agent", "show", "buyer"], "")?.code == 3, "it was applied");

    let keep = manifest("witness", &[STRIPE]);
    let arguments = ["apply", "-f", "-", "--prune", "--dry-run"];
    let preview = done(secretref(&scene, &arguments, &keep)?)?;
    for line in [
        "agent payment-analyst: would be removed",
        "  - agents.payment-analyst.runtime: \"subagent\"",
        "  + agents.witness.tool-bindings.stripe-api-key.credentials.key.secretRef: \
         \"stripe-api-key\"",
        "ref slack-bot-token: would be removed",
    ] {
        ensure!(preview.out.lines().any(|it| it == line), "{line:?} is not in {}", preview.out);
    }
    ensure!(!preview.out.contains('\u{1b}'), "colour in a pipe: {:?}", preview.out);
    done(secretref(&scene, &["agent", "show", AGENT], "")?)?;
    let pruned = done(secretref(&scene, &["apply", "-f", "-", "--prune", "--json"], &keep)?)?;
    let pruned: serde_json::Value = serde_json::from_str(&pruned.out)?;
    ensure!(pruned["changes"][0]["differences"] == serde_json::json!([]), "{pruned}");
    ensure!(secretref(&scene, &["agent", "show", AGENT], "")?.code == 3, "not pruned");
    done(secretref(&scene, &["show", SLACK], "")?)?;
    Ok(())
}

async fn a_group_is_listed_shown_and_revoked(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let text = "groups:\n  finance:\n    tool-bindings:\n      stripe: {credentials: {key: \
                {secretRef: stripe-api-key, file: key}}}\nagents:\n  one: {groups: [finance]}\n  \
                two: {groups: [finance]}\n";
    done(secretref(&scene, &["apply", "-f", "-"], text)?)?;
    let one = Agent::enrolled(&scene.broker, &scene.admin, "one").await?;
    one.file_becomes("key", b"stripe-1").await?;
    let list = done(secretref(&scene, &["agent", "list", "--group", "finance"], "")?)?;
    ensure!(!list.out.contains(AGENT), "{}", list.out);
    ensure!(list.out.lines().count() == 3, "{}", list.out);
    let show = done(secretref(&scene, &["agent", "show", "one"], "")?)?;
    ensure!(show.out.contains("(file key, required, group finance)"), "{}", show.out);
    let status = done(secretref(&scene, &["status", "--group", "finance"], "")?)?;
    ensure!(status.out.contains("two") && !status.out.contains(AGENT), "{}", status.out);

    let unasked = secretref(&scene, &["agent", "revoke", "--group", "finance"], "")?;
    ensure!(unasked.code == 2 && unasked.err.contains("one, two"), "{}", unasked.err);
    ensure!(one.read("key")?.is_some(), "nobody agreed");
    let arguments = ["agent", "revoke", "--group", "finance", "--yes", "--reason", "a story"];
    let revoked = done(secretref(&scene, &arguments, "")?)?;
    ensure!(revoked.out.contains("one revoked, 1 stream cut"), "{}", revoked.out);
    ensure!(revoked.out.contains("two revoked"), "{}", revoked.out);
    one.file_leaves("key").await?;
    let other = done(secretref(&scene, &["agent", "show", AGENT], "")?)?;
    ensure!(other.out.contains("active"), "{}", other.out);
    Ok(())
}
