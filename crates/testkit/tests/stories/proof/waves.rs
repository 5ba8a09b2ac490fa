//! Agents that are restarted for a new credential: never more of one kind at a time than their
//! operators can spare, as their own programs tell it.

use super::Stage;
use crate::scene::{SLACK, STRIPE, STRIPE_FILE, ref_of};
use anyhow::{Context, Result, ensure};
use secretref_testkit::{agent::Agent, engine::Engine, on_both_engines, wait::eventually};
use serde_json::{Map, Value, json};
use std::{fs, path::Path};

on_both_engines!(never_are_two_restarted_at_once_where_one_is_allowed);

const WORKERS: [&str; 4] = ["worker-1", "worker-2", "worker-3", "worker-4"];
const READER: &str = "reader";

/// Four that have the key in their environment, and one of the same kind that reads a file.
fn manifest() -> Value {
    let agent = |credential: Value| {
        json!({"runtime": "worker", "process": {"gate": {"alive": "200ms"}}, "tool-bindings": {
            "stripe-payment": {"credentials": {"apiKey": credential}}
        }})
    };
    let worker = || agent(json!({"secretRef": STRIPE, "envVar": STRIPE_FILE}));
    let mut agents: Map<String, Value> =
        WORKERS.iter().map(|name| ((*name).to_owned(), worker())).collect();
    agents.insert(READER.to_owned(), agent(json!({"secretRef": STRIPE, "file": "stripe"})));
    json!({
        "secrets": {"rotators": {"random": {"length": 24}}},
        "agents": agents,
        "refMap": {
            STRIPE: {"provider": "store", "service": "stripe", "rotation": {
                "rotator": "random", "overlap": "0s", "restartsAtOnce": 1
            }},
            SLACK: {"provider": "store"},
        },
    })
}

/// A program that writes into a book when it comes and when it goes.
fn script(name: &str, book: &Path) -> String {
    format!(
        r#"trap 'echo "{name} down" >> {book}; exit 0' TERM
        echo "{name} up with ${{STRIPE_API_KEY-a file}}" >> {book}
        while :; do sleep 0.02; done"#,
        book = book.display()
    )
}

async fn never_are_two_restarted_at_once_where_one_is_allowed(engine: Engine) -> Result<()> {
    let stage = Stage::set(engine, &manifest()).await?;
    let folder = tempfile::tempdir()?;
    let book = folder.path().join("book");
    let mut agents = Vec::new();
    for name in WORKERS.iter().chain([&READER]) {
        let mut agent = Agent::new(&stage.broker)?;
        agent.give_token(&stage.admin.token(name).await?)?;
        agent.run_with(&[], &["/bin/sh", "-c", &script(name, &book)])?;
        agents.push(agent);
    }
    for name in WORKERS.iter().chain([&READER]) {
        eventually(&format!("{name} is on the first version"), async || {
            let status = ref_of(&stage.admin.status(name).await?, STRIPE)?;
            Ok((status.applied_version == 1).then_some(()))
        })
        .await?;
    }
    // The plan says who is away for a moment, and when.
    let plan = stage.cli.run(&["rotate", STRIPE, "--plan", "--json"])?.ended(0)?.json()?;
    let touched = plan[0]["agents"].as_array().context("nobody is touched")?;
    let of = |name: &str| touched.iter().find(|it| it["agent"] == name).cloned();
    for (name, wave) in WORKERS.iter().zip(1..) {
        let wanted = json!({"agent": name, "effect": "restart", "wave": wave});
        ensure!(of(name) == Some(wanted), "{plan}");
    }
    let unharmed = json!({"agent": READER, "effect": "nothing", "wave": 1});
    ensure!(of(READER) == Some(unharmed), "{plan}");

    let before = fs::read_to_string(&book)?.lines().count();
    ensure!(before == 5, "they were restarted for nothing");
    let rotate = ["rotate", STRIPE, "--reason", "waves", "--wait", "--json"];
    let ran = stage.cli.run(&rotate)?.ended(0)?;
    let last: Value = serde_json::from_str(ran.out.lines().last().context("nothing was said")?)?;
    ensure!(
        last["waves"] == 4 && last["proofs"].as_array().is_some_and(|it| it.len() == 5),
        "{last}"
    );

    // One goes down and is up with the new one before the next goes down, in the plan's order.
    let book = fs::read_to_string(&book)?;
    let new = String::from_utf8(agents[0].read(STRIPE_FILE)?.context("no file")?)?;
    let told: Vec<&str> = book.lines().skip(before).collect();
    let wanted: Vec<String> = WORKERS
        .iter()
        .flat_map(|name| [format!("{name} down"), format!("{name} up with {new}")])
        .collect();
    ensure!(told == wanted, "{book}");
    Ok(())
}
