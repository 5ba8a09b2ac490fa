//! What an agent's tools go without: recorded once, and for people where the manifest says so.

use crate::place::{Guest, Place, ada, apply, environment, join, name, put};
use anyhow::{Context, Result, ensure};
use secretref_broker::custody::{Apply, Custody, Sent};
use secretref_domain::{
    alert::{Alert, AlertKind},
    audit::Decision,
};
use secretref_testkit::{engine::Engine, on_both_engines};
use std::collections::{BTreeSet, HashMap};

on_both_engines!(
    a_refusal_is_recorded_once_and_again_when_it_comes_again,
    people_are_told_of_what_an_agent_cannot_work_without,
    the_fix_names_an_environment_that_is_not_the_active_one,
);

/// An agent with one tool.
fn agent(capabilities: &str, required: bool, policy: &str) -> String {
    format!(
        r#"{{"agents": {{"worker": {{"capabilities": [{capabilities}],
          "auth-profiles": {{"t": {{"required": {required}, "on-failure": "{policy}"}}}},
          "tool-bindings": {{"t": {{"credentials": {{"k": {{"secretRef": "a"}}}}}}}}}}}}}}"#
    )
}

/// The alerts of an agent's stream, as they are now.
async fn refused(
    custody: &Custody,
    guest: &Guest,
    noted: &mut BTreeSet<String>,
) -> Result<Vec<Alert>> {
    let admission = guest.admitted(custody).await?;
    let frame = custody.frame(&admission, &Sent::new(), &HashMap::new()).await?;
    Ok(custody.refuse(&admission, &frame.missing, noted).await?)
}

async fn recorded(place: &Place) -> Result<Vec<String>> {
    let trail = place.trail().await?.into_iter();
    let denied = |it: &secretref_domain::audit::DecodedEntry| {
        it.action == "secret.deliver" && it.decision == Decision::Denied && it.object == "a"
    };
    Ok(trail.filter(denied).map(|it| it.reason).collect())
}

async fn a_refusal_is_recorded_once_and_again_when_it_comes_again(engine: Engine) -> Result<()> {
    let place = Place::found(engine).await?;
    let custody = place.open().await?;
    apply(&custody, &agent(r#""t""#, true, "deny-and-alert")).await?;
    let (worker, mut noted) = (join(&custody, "worker").await?, BTreeSet::new());
    for _ in 0..3 {
        // It is told of as long as it is so; who has told already is for others to know.
        ensure!(refused(&custody, &worker, &mut noted).await?.len() == 1);
    }
    let missing = "tool \"t\": secret \"a\" is not in the store".to_owned();
    ensure!(recorded(&place).await? == [missing.clone()], "{:?}", recorded(&place).await?);
    custody.put(&ada(), put("a", b"one"), None).await?;
    ensure!(refused(&custody, &worker, &mut noted).await?.is_empty());
    custody.set_deleted(&ada(), None, name("a"), true, None, None).await?;
    refused(&custody, &worker, &mut noted).await?;
    apply(&custody, &agent("", true, "deny-and-alert")).await?;
    refused(&custody, &worker, &mut noted).await?;
    let deleted = "tool \"t\": secret \"a\" is deleted".to_owned();
    let denied = "capability \"t\" missing".to_owned();
    ensure!(recorded(&place).await? == [missing, deleted, denied], "{:?}", recorded(&place).await?);
    Ok(())
}

async fn people_are_told_of_what_an_agent_cannot_work_without(engine: Engine) -> Result<()> {
    let place = Place::found(engine).await?;
    let custody = place.open().await?;
    apply(&custody, &agent(r#""t""#, true, "deny-and-alert")).await?;
    let worker = join(&custody, "worker").await?;
    let (allowed, not) = (r#""t""#, "");
    let (alert, log) = ("deny-and-alert", "deny-and-log");
    // Whether it is recorded, and as what people are told of it.
    let table = [
        (allowed, true, alert, true, Some(AlertKind::Unresolved)),
        (not, true, alert, true, Some(AlertKind::Denied)),
        (allowed, true, log, true, None),
        (not, true, log, true, None),
        (allowed, false, alert, false, None),
        (not, false, alert, true, None),
        (allowed, false, log, false, None),
        (not, false, log, true, None),
    ];
    for (capabilities, required, policy, on_record, told) in table {
        apply(&custody, &agent(capabilities, required, policy)).await?;
        let before = recorded(&place).await?.len();
        let alerts = refused(&custody, &worker, &mut BTreeSet::new()).await?;
        let row = (capabilities, required, policy);
        ensure!(alerts.iter().map(|it| it.kind).eq(told), "{row:?}: {alerts:?}");
        let more = recorded(&place).await?.len() - before;
        ensure!(more == usize::from(on_record), "{row:?}: {more} on record");
    }
    Ok(())
}

async fn the_fix_names_an_environment_that_is_not_the_active_one(engine: Engine) -> Result<()> {
    let place = Place::found(engine).await?;
    let custody = place.open().await?;
    let manifest = agent(r#""t""#, true, "deny-and-alert");
    apply(&custody, &manifest).await?;
    let worker = join(&custody, "worker").await?;
    let alerts = refused(&custody, &worker, &mut BTreeSet::new()).await?;
    let found = alerts.first().context("nothing is told")?;
    ensure!(found.fix == "secretref put a" && found.reference == Some(name("a")), "{found:?}");
    ensure!(found.subject() == "agent worker, tool t, ref a", "{found:?}");
    let elsewhere =
        Apply { environment: Some(environment("staging")), ..crate::place::to_apply(&manifest) };
    custody.apply(&ada(), elsewhere, Vec::new(), None).await?;
    let agent = secretref_domain::name::AgentName::parse("worker")?;
    let minted = custody.mint_token(&ada(), Some(environment("staging")), agent, 60, false).await?;
    let enrolled =
        custody.join(&crate::place::nobody(), &minted.token, crate::place::key()).await?;
    let stranger = crate::place::guest(&custody, &enrolled)?;
    let alerts = refused(&custody, &stranger, &mut BTreeSet::new()).await?;
    let found = alerts.first().context("nothing is told")?;
    ensure!(found.fix == "secretref put a --environment staging", "{found:?}");
    ensure!(found.environment == environment("staging"), "{found:?}");
    Ok(())
}
