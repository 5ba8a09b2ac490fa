//! The trail as it is written: nobody who follows it misses an entry or gets one twice.

use crate::scene::{AGENT, SLACK, STRIPE, Scene};
use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use secretref_domain::clock::Timestamp;
use secretref_testkit::{
    cli::Cli, engine::Engine, on_both_engines, process::Process, wait::DEADLINE,
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    time::{SystemTime, UNIX_EPOCH},
};

on_both_engines!(
    who_follows_goes_on_after_a_restart_and_ends_with_ctrl_c,
    the_trail_is_narrowed_by_action_decision_and_time,
);

/// What an `audit log` prints with `--json`.
fn entries(text: &str) -> Result<Vec<Value>> {
    let lines = text.lines().filter(|line| line.starts_with('{'));
    Ok(lines.map(serde_json::from_str).collect::<serde_json::Result<_>>()?)
}

fn log(cli: &Cli, options: &[&str]) -> Result<Vec<Value>> {
    let words: Vec<&str> = ["audit", "log", "--json"].iter().chain(options).copied().collect();
    entries(&cli.run(&words)?.ended(0)?.out)
}

async fn who_follows_goes_on_after_a_restart_and_ends_with_ctrl_c(engine: Engine) -> Result<()> {
    let mut scene = Scene::set(engine).await?;
    let cli = Cli::of(&scene.broker)?;
    let words = ["audit", "log", "--follow", "--action", "secret.put", "--json"];
    let mut command = cli.command(&words)?;
    let mut follower = Process::start("follower", &mut command, scene.broker.folder())?;
    // What was there before, and then what comes.
    follower.wait_for_line(SLACK, DEADLINE)?;
    scene.admin.put("third", b"3").await?;
    follower.wait_for_line("third", DEADLINE)?;
    // Over a restart, and with what was written before it was there again.
    scene.broker.kill9()?;
    follower.wait_for_line("error:", DEADLINE)?;
    scene.broker.serve()?;
    let admin = scene.broker.admin().await?;
    admin.put("fourth", b"4").await?;
    follower.wait_for_line("fourth", DEADLINE)?;
    scene.broker.stop()?;
    scene.broker.serve()?;
    let admin = scene.broker.admin().await?;
    admin.put("fifth", b"5").await?;
    follower.wait_for_line("fifth", DEADLINE)?;
    follower.signal(Signal::INT)?;
    let ended = follower.wait(DEADLINE)?;
    ensure!(ended.code() == Some(0), "it ended with {ended}");
    let told = entries(&std::fs::read_to_string(follower.log())?)?;
    let names: Vec<&str> = told.iter().filter_map(|it| it["object"].as_str()).collect();
    ensure!(names == [STRIPE, SLACK, "third", "fourth", "fifth"], "{names:?}");
    // The same as the whole trail says.
    let listed = log(&cli, &["--action", "secret.put"])?;
    ensure!(told == listed, "{told:?} is not {listed:?}");
    Ok(())
}

/// Another broker over the same database has a lane of its own; whoever follows at the first gets
/// both, also of what the other one wrote while nobody told the first.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_broker_writes_is_followed_too() -> Result<()> {
    let scene = Scene::set(Engine::Postgres).await?;
    let cli = Cli::of(&scene.broker)?;
    let words = ["audit", "log", "--follow", "--action", "secret.put", "--json"];
    let mut command = cli.command(&words)?;
    let mut follower = Process::start("follower", &mut command, scene.broker.folder())?;
    follower.wait_for_line(SLACK, DEADLINE)?;
    let mut other = scene.broker.another()?;
    other.serve()?;
    let elsewhere = other.admin().await?;
    for number in 0..5 {
        elsewhere.put(&format!("there-{number}"), b"1").await?;
        scene.admin.put(&format!("here-{number}"), b"1").await?;
    }
    for name in ["\"there-4\"", "\"here-4\""] {
        follower.wait_for_line(name, DEADLINE)?;
    }
    follower.signal(Signal::INT)?;
    follower.wait(DEADLINE)?;
    let mut told = entries(&std::fs::read_to_string(follower.log())?)?;
    let by_place = |it: &Value| (it["lane"].to_string(), it["seq"].as_i64());
    let lanes: BTreeSet<String> =
        told.iter().filter_map(|it| Some(it["lane"].as_str()?.to_owned())).collect();
    ensure!(lanes.len() == 2 && told.len() == 12, "{told:?}");
    // Each lane in its order, and all of them what the trail says.
    for lane in lanes {
        let of_lane = told.iter().filter(|it| it["lane"] == lane);
        ensure!(of_lane.is_sorted_by_key(by_place), "{told:?}");
    }
    let mut listed = log(&cli, &["--action", "secret.put"])?;
    listed.sort_by_key(by_place);
    told.sort_by_key(by_place);
    ensure!(told == listed, "{told:?} is not {listed:?}");
    // Either broker's trail, and the database's, is one.
    cli.run(&["audit", "verify"])?.ended(0)?;
    Cli::of(&other)?.run(&["audit", "verify"])?.ended(0)?;
    Ok(())
}

async fn the_trail_is_narrowed_by_action_decision_and_time(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let cli = Cli::of(&scene.broker)?;
    let actions = |found: &[Value]| -> Vec<String> {
        found.iter().filter_map(|it| Some(it["action"].as_str()?.to_owned())).collect()
    };
    let micros = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
    let between = Timestamp::from_micros(i64::try_from(micros)?).to_string();
    scene.admin.put(STRIPE, b"stripe-2").await?;
    let token = scene.admin.token(AGENT).await?;
    ensure!(!token.is_empty(), "no token");
    let puts = log(&cli, &["--action", "secret.put"])?;
    ensure!(actions(&puts) == ["secret.put"; 3], "{puts:?}");
    let until = log(&cli, &["--action", "secret.put", "--until", &between])?;
    ensure!(until == puts[..2], "{until:?}");
    let since = log(&cli, &["--action", "secret.put", "--since", &between])?;
    ensure!(since == puts[2..], "{since:?}");
    // A kind of actions, and no part of a word.
    let of_tokens = log(&cli, &["--action", "token"])?;
    ensure!(actions(&of_tokens) == ["token.mint"], "{of_tokens:?}");
    ensure!(log(&cli, &["--action", "secret.pu"])?.is_empty(), "a part of a word");

    // A denial: of one who may only read the trail.
    let out = cli.folder().join("eve");
    let folder = out.to_str().context("a path")?;
    let words = ["admin", "create", "eve", "--role", "auditor", "--out", folder];
    cli.run(&words)?.ended(0)?;
    let eve = Cli::with(&scene.broker.listening().admin.to_string(), &out)?;
    eve.run(&["delete", STRIPE])?.ended(1)?;
    let denied = log(&cli, &["--decision", "denied"])?;
    ensure!(actions(&denied) == ["secret.delete"], "{denied:?}");
    let allowed = log(&eve, &["--decision", "allowed"])?;
    ensure!(!actions(&allowed).contains(&"secret.delete".to_owned()), "{allowed:?}");
    ensure!(allowed.len() + 1 == log(&eve, &[])?.len(), "some are neither");
    cli.run(&["audit", "log", "--decision", "perhaps"])?.ended(2)?;
    cli.run(&["audit", "log", "--follow", "--until", "1h"])?.ended(2)?;
    Ok(())
}
