//! Administrators by the command line: made with their roles, renewed, revoked; profiles; names
//! that the shell completes.

use crate::scene::{AGENT, STRIPE, Scene};
use anyhow::{Context, Result, ensure};
use secretref_testkit::{
    broker::Broker,
    cli::{Cli, Ran},
    engine::Engine,
    on_both_engines,
};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

on_both_engines!(
    an_administrator_is_made_renewed_and_revoked_by_hand,
    a_renewal_survives_a_lost_answer,
    profiles_are_kept_with_their_comments,
    the_shell_completes_live_names,
);

fn mode(path: &Path) -> Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o777)
}

async fn an_administrator_is_made_renewed_and_revoked_by_hand(engine: Engine) -> Result<()> {
    let broker = Broker::start(engine).await?;
    let cli = Cli::of(&broker)?;
    let create = ["admin", "create", "wendy", "--role", "writer", "--save-profile", "w", "--json"];
    let made = cli.run(&create)?.ended(0)?.json()?;
    ensure!(made["roles"] == serde_json::json!(["writer"]), "{made}");
    let folder = cli.folder().join("admins/wendy");
    ensure!(mode(&folder)? == 0o700, "the folder is open");
    for name in ["ca.crt", "admin.crt", "admin.key"] {
        ensure!(mode(&folder.join(name))? == 0o600, "{name} is open");
    }
    let as_wendy = |arguments: &[&str], input: &[u8]| -> Result<Ran> {
        cli.run_with(&[&["--profile", "w"], arguments].concat(), input)
    };
    as_wendy(&["put", "a"], b"one")?.ended(0)?;
    let denied = as_wendy(&["audit", "log"], b"")?.ended(1)?;
    ensure!(denied.err.contains("auditor"), "{denied:?}");
    let denied = as_wendy(&["admin", "revoke", "admin"], b"")?.ended(1)?;
    ensure!(denied.err.contains("operator role"), "{denied:?}");

    // What does not come to anything leaves nothing behind.
    cli.run(&["admin", "create", "wendy", "--role", "reader"])?.ended(2)?;
    let other = cli.folder().join("other").display().to_string();
    cli.run(&["admin", "create", "wendy", "--role", "reader", "--out", &other])?.ended(1)?;
    ensure!(!Path::new(&other).exists(), "files of nobody are left");
    let both = ["admin", "create", "b", "--role", "writer", "--role", "auditor", "--out", &other];
    let refused = cli.run(&both)?.ended(2)?;
    ensure!(refused.err.contains("allow_both") && !Path::new(&other).exists(), "{refused:?}");
    cli.run(&[&both[..], &["--allow-both"]].concat())?.ended(0)?;
    let none = cli.run(&["admin", "create", "c", "--out", "/nowhere"])?.ended(2)?;
    ensure!(none.err.contains("--role"), "{none:?}");

    // A renewal replaces the files; the old ones are good for nothing.
    let old = cli.folder().join("old");
    fs::create_dir(&old)?;
    for name in ["ca.crt", "admin.crt", "admin.key"] {
        fs::copy(folder.join(name), old.join(name))?;
    }
    as_wendy(&["admin", "renew"], b"")?.ended(0)?;
    for name in ["admin.crt", "admin.key"] {
        ensure!(fs::read(folder.join(name))? != fs::read(old.join(name))?, "{name} is the same");
        ensure!(mode(&folder.join(name))? == 0o600, "{name} is open");
    }
    as_wendy(&["put", "a"], b"two")?.ended(0)?;
    let address = broker.listening().admin.to_string();
    let refused = Cli::with(&address, &old)?.run_with(&["put", "a"], b"three")?.ended(1)?;
    ensure!(refused.err.contains("superseded"), "{refused:?}");

    // By an operator, for another; then he is revoked.
    let again = cli.folder().join("again").display().to_string();
    cli.run(&["admin", "renew", "wendy", "--out", &again])?.ended(0)?;
    as_wendy(&["put", "a"], b"three")?.ended(1)?;
    let wendy = Cli::with(&address, Path::new(&again))?;
    wendy.run_with(&["put", "a"], b"three")?.ended(0)?;
    let listed = cli.run(&["admin", "list"])?.ended(0)?;
    ensure!(listed.out.contains("wendy") && listed.out.contains("writer"), "{listed:?}");
    cli.run(&["admin", "revoke", "wendy", "--reason", "gone"])?.ended(0)?;
    wendy.run_with(&["put", "a"], b"four")?.ended(1)?;
    ensure!(!cli.run(&["admin", "list"])?.out.contains("wendy"), "a revoked one is listed");
    cli.run(&["admin", "revoke", "wendy"])?.ended(3)?;
    let last = cli.run(&["admin", "revoke", "admin"])?.ended(1)?;
    ensure!(last.err.contains("Fix: secretref admin create NAME --role operator"), "{last:?}");
    let trail = cli.run(&["audit", "log"])?.ended(0)?.out;
    ensure!(trail.contains("admin.create") && trail.contains("admin.revoke"), "{trail}");
    Ok(())
}

/// Whatever the answer of a renewal is lost to: the key was kept first, and the old certificate may
/// ask for its certificate again.
async fn a_renewal_survives_a_lost_answer(engine: Engine) -> Result<()> {
    let broker = Broker::start(engine).await?;
    let cli = Cli::of(&broker)?;
    let files = broker.data().join("admin");
    let read = |name: &str| fs::read_to_string(files.join(name));
    let (cert, key) = (read("admin.crt")?, read("admin.key")?);
    cli.run(&["admin", "renew"])?.ended(0)?;
    // As if the broker had answered and nothing had come.
    fs::rename(files.join("admin.key"), files.join("admin.key.new"))?;
    fs::write(files.join("admin.crt"), &cert)?;
    fs::write(files.join("admin.key"), &key)?;
    fs::set_permissions(files.join("admin.key"), fs::Permissions::from_mode(0o600))?;
    let wanted = read("admin.key.new")?;
    cli.run_with(&["put", "a"], b"one")?.ended(1)?;
    cli.run(&["admin", "renew"])?.ended(0)?;
    ensure!(read("admin.key")? == wanted, "the key is another");
    ensure!(!files.join("admin.key.new").exists(), "the new key is still beside");
    cli.run_with(&["put", "a"], b"one")?.ended(0)?;

    // As if it had been stopped between the two files.
    let cert = read("admin.crt")?;
    cli.run(&["admin", "renew"])?.ended(0)?;
    fs::rename(files.join("admin.crt"), files.join("admin.crt.new"))?;
    fs::write(files.join("admin.crt"), cert)?;
    let torn = cli.run(&["list"])?.ended(2)?;
    ensure!(torn.err.contains("Fix: secretref admin renew"), "{torn:?}");
    cli.run(&["admin", "renew"])?.ended(0)?;
    cli.run_with(&["put", "a"], b"two")?.ended(0)?;
    Ok(())
}

async fn profiles_are_kept_with_their_comments(engine: Engine) -> Result<()> {
    let broker = Broker::start(engine).await?;
    let cli = Cli::of(&broker)?;
    for name in ["one", "two"] {
        let role = ["--role", "auditor", "--save-profile", name];
        cli.run(&[&["admin", "create", name], &role[..]].concat())?.ended(0)?;
    }
    let path = cli.folder().join("config.toml");
    let before = format!("# mine\n{}", cli.read("config.toml")?);
    fs::write(&path, &before)?;
    ensure!(mode(&path)? & 0o077 == 0, "the profiles are open");
    let listed = cli.run(&["profile", "list", "--json"])?.ended(0)?.json()?;
    ensure!(listed[0]["profile"] == "one" && listed[1]["current"] == false, "{listed}");
    cli.run(&["profile", "use", "two"])?.ended(0)?;
    ensure!(cli.read("config.toml")?.ends_with(before.trim_start()), "the rest has changed");
    let shown = cli.run(&["profile", "show"])?.ended(0)?.out;
    ensure!(shown.contains("spiffe://stories.test/admin/"), "{shown}");
    let taken = ["admin", "create", "three", "--role", "auditor", "--save-profile", "one"];
    cli.run(&taken)?.ended(2)?;
    ensure!(!cli.run(&["admin", "list"])?.out.contains("three"), "made in spite of its profile");
    cli.run(&["profile", "remove", "two"])?.ended(2)?;
    cli.run(&["profile", "remove", "one"])?.ended(0)?;
    cli.run(&["profile", "show", "one"])?.ended(3)?;
    ensure!(cli.read("config.toml")?.contains("# mine"), "a comment is gone");
    cli.run(&["profile", "list", "--wait"])?.ended(2)?;
    Ok(())
}

/// What bash offers for an unfinished command, the last word being completed.
fn offered(cli: &Cli, words: &[&str]) -> Result<Vec<String>> {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "source <(secretref completion bash)\n\
         COMP_WORDS=({}) COMP_CWORD={} COMPREPLY=()\n\
         _secretref_with_names secretref \"${{COMP_WORDS[COMP_CWORD]}}\" \"$3\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted.join(" "),
        words.len() - 1
    );
    let ran = cli.bash(&script)?.ended(0)?;
    ensure!(ran.err.is_empty(), "the shell was told something: {ran:?}");
    Ok(ran.out.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

async fn the_shell_completes_live_names(engine: Engine) -> Result<()> {
    let mut scene = Scene::set(engine).await?;
    let cli = Cli::of(&scene.broker)?;
    let role = ["--role", "auditor", "--save-profile", "Audit"];
    cli.run(&[&["admin", "create", "oscar"], &role[..]].concat())?.ended(0)?;
    let cases: &[(&[&str], &str)] = &[
        (&["secretref", "show", ""], STRIPE),
        (&["secretref", "put", "str"], STRIPE),
        (&["secretref", "audit", "log", "--secret", ""], STRIPE),
        (&["secretref", "agent", "revoke", ""], AGENT),
        (&["secretref", "status", "--agent", "pay"], AGENT),
        (&["secretref", "admin", "revoke", "os"], "oscar"),
        (&["secretref", "admin", "renew", ""], "oscar"),
        (&["secretref", "profile", "use", ""], "Audit"),
        (&["secretref", "list", "--profile", "Au"], "Audit"),
    ];
    for (words, wanted) in cases {
        let found = offered(&cli, words)?;
        ensure!(found.iter().any(|name| name == wanted), "{words:?}: {found:?}");
        // Nothing of the table but its names.
        let is_name =
            |name: &String| !["NAME", "AGENT", "ADMIN", "PROFILE"].contains(&name.as_str());
        ensure!(found.iter().all(is_name), "{words:?}: {found:?}");
    }
    ensure!(offered(&cli, &["secretref", "show", "no-such"])?.is_empty(), "fantasies");
    ensure!(offered(&cli, &["secretref", "sho"])?.contains(&"show".to_owned()), "no verbs");

    scene.broker.stop().context("stopping")?;
    for (words, wanted) in cases {
        let found = offered(&cli, words)?;
        let local = *wanted == "Audit";
        ensure!(found.iter().any(|name| name == wanted) == local, "{words:?}: {found:?}");
    }
    Ok(())
}
