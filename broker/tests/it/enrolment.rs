//! How a sidecar becomes somebody, stays it, and stops being it.

use crate::place::{
    CERTIFICATE_SECONDS, Guest, Place, ada, agent_name, apply, guest, join, key, manifest, nobody,
    token,
};
use anyhow::{Context, Result, ensure};
use secretref_broker::custody::{Custody, CustodyError, Enrolled};
use secretref_domain::{audit::DecodedEntry, caller::Caller};
use secretref_identity::join_token::JoinToken;
use secretref_testkit::{engine::Engine, on_both_engines};
use std::{collections::BTreeSet, sync::Arc};
use tokio::{sync::Barrier, task::JoinSet};
use zeroize::Zeroizing;

on_both_engines!(
    of_thirty_two_keys_one_wins_a_token,
    a_lost_answer_is_asked_for_again_with_the_same_key,
    tokens_end,
    a_revoked_agent_comes_back_only_by_readmission,
    a_certificate_is_renewed_by_its_two_slots,
    an_expired_certificate_renews_for_seven_days,
    a_superseded_certificate_revokes_its_instance,
    only_strangers_join_and_only_agents_renew,
);

async fn founded(engine: Engine) -> Result<(Place, Custody)> {
    let place = Place::found(engine).await?;
    let custody = place.open().await?;
    apply(&custody, &manifest("worker", &["a"])).await?;
    Ok((place, custody))
}

/// Wants the one answer that every refusal of a token has, and its cause on record.
async fn token_refused(
    place: &Place,
    outcome: Result<Enrolled, CustodyError>,
    cause: &str,
) -> Result<DecodedEntry> {
    match outcome {
        Err(CustodyError::NotAdmitted { code: "TOKEN_REFUSED", message }) => {
            let one = message == "the join token is not good: unknown, expired or used";
            ensure!(one, "{cause}: the answer tells: {message}");
        }
        other => anyhow::bail!("{cause}: {other:?}"),
    }
    let last = place.trail().await?.pop().context("an empty trail")?;
    ensure!(last.action == "agent.join" && last.reason.contains(cause), "{cause}: {last:?}");
    Ok(last)
}

async fn instances(custody: &Custody) -> Result<usize> {
    Ok(custody.show_agent(&ada(), None, &agent_name("worker")).await?.0.instances.len())
}

async fn of_thirty_two_keys_one_wins_a_token(engine: Engine) -> Result<()> {
    let (place, custody) = founded(engine).await?;
    let text: Arc<str> = token(&custody, "worker").await?.expose().as_str().into();
    let start = Arc::new(Barrier::new(32));
    let mut racers = JoinSet::new();
    for _ in 0..32 {
        let (custody, text, start) = (custody.clone(), Arc::clone(&text), Arc::clone(&start));
        racers.spawn(async move {
            let (token, key) = (JoinToken::parse(&text).unwrap(), key());
            start.wait().await;
            custody.join(&nobody(), &token, key).await
        });
    }
    let outcomes = racers.join_all().await;
    let winners = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    ensure!(winners == 1, "{winners} winners");
    ensure!(instances(&custody).await? == 1, "not one instance");
    let trail = place.trail().await?;
    let alarms = trail.iter().filter(|it| it.reason.starts_with("ALARM")).count();
    ensure!(alarms == 31, "{alarms} alarms of 31 losers");
    Ok(())
}

async fn a_lost_answer_is_asked_for_again_with_the_same_key(engine: Engine) -> Result<()> {
    let (place, custody) = founded(engine).await?;
    let (token, mine) = (token(&custody, "worker").await?, key());
    let first = custody.join(&nobody(), &token, mine.clone()).await?;
    place.clock.advance_seconds(119);
    let second = custody.join(&nobody(), &token, mine.clone()).await?;
    ensure!(first.instance == second.instance, "a second instance");
    ensure!(instances(&custody).await? == 1, "not one instance");
    for certificate in [&first, &second] {
        guest(&custody, certificate)?.admitted(&custody).await?;
    }
    let other = custody.join(&nobody(), &token, key()).await;
    token_refused(&place, other, "ALARM: a used token came with another key").await?;
    place.clock.advance_seconds(1);
    let late = custody.join(&nobody(), &token, mine).await;
    token_refused(&place, late, "the token was used").await?;
    let late = custody.join(&nobody(), &token, key()).await;
    token_refused(&place, late, "ALARM").await?;
    Ok(())
}

async fn tokens_end(engine: Engine) -> Result<()> {
    let (place, custody) = founded(engine).await?;
    let minted = custody.mint_token(&ada(), None, agent_name("worker"), 60, false).await?;
    ensure!(minted.expires_at == place.in_seconds(60), "{}", minted.expires_at);
    place.clock.advance_seconds(60);
    let late = custody.join(&nobody(), &minted.token, key()).await;
    token_refused(&place, late, "expired").await?;
    let unknown = JoinToken::new(Zeroizing::new([7; 32]), minted.token.fingerprint());
    let outcome = custody.join(&nobody(), &unknown, key()).await;
    token_refused(&place, outcome, "unknown").await?;
    for ttl in [-1, 0, 24 * 3600 + 1, i64::MAX] {
        let outcome = custody.mint_token(&ada(), None, agent_name("worker"), ttl, false).await;
        let field = matches!(&outcome, Err(CustodyError::Invalid { field, .. })
            if field == "ttl_seconds");
        ensure!(field, "a token of {ttl} s");
    }
    ensure!(instances(&custody).await? == 0, "somebody came in");
    Ok(())
}

async fn a_revoked_agent_comes_back_only_by_readmission(engine: Engine) -> Result<()> {
    let (place, custody) = founded(engine).await?;
    let before = join(&custody, "worker").await?;
    let unused = token(&custody, "worker").await?;
    custody.revoke_agent(&ada(), None, agent_name("worker"), "why".into(), None).await?;
    let outcome = custody.join(&nobody(), &unused, key()).await;
    token_refused(&place, outcome, "").await?;
    let plain = custody.mint_token(&ada(), None, agent_name("worker"), 60, false).await;
    let says = matches!(&plain, Err(CustodyError::Precondition { code: "AGENT_REVOKED", fix, .. })
        if fix.contains("--readmit"));
    ensure!(says, "a plain token for a revoked agent");
    let readmit = custody.mint_token(&ada(), None, agent_name("worker"), 60, true).await?;
    let outcome = custody.renew(&before.caller, before.serial.clone(), key()).await;
    ensure!(outcome.is_err(), "a minted token readmits by itself");
    let enrolled = custody.join(&nobody(), &readmit.token, key()).await?;
    guest(&custody, &enrolled)?.admitted(&custody).await?;
    ensure!(before.admitted(&custody).await.is_err(), "the old instance came back as well");
    Ok(())
}

async fn renewed(custody: &Custody, by: &Guest) -> Result<Guest> {
    let renewed = custody.renew(&by.caller, by.serial.clone(), key()).await?;
    guest(custody, &renewed)
}

async fn a_certificate_is_renewed_by_its_two_slots(engine: Engine) -> Result<()> {
    let (place, custody) = founded(engine).await?;
    let first = join(&custody, "worker").await?;
    // The answer was lost: the first one asks again, and the lost one is the superseded one.
    renewed(&custody, &first).await?;
    let second = renewed(&custody, &first).await?;
    first.admitted(&custody).await?;
    place.clock.advance_seconds(CERTIFICATE_SECONDS / 2);
    let third = renewed(&custody, &second).await?;
    for good in [&second, &third] {
        good.admitted(&custody).await?;
    }
    ensure!(first.admitted(&custody).await.is_err(), "the first is let in");
    let serials = BTreeSet::from([&first.serial.0, &second.serial.0, &third.serial.0]);
    ensure!(serials.len() == 3, "a serial is used again");
    Ok(())
}

async fn an_expired_certificate_renews_for_seven_days(engine: Engine) -> Result<()> {
    let (place, custody) = founded(engine).await?;
    let first = join(&custody, "worker").await?;
    place.clock.advance_seconds(CERTIFICATE_SECONDS - 1);
    first.admitted(&custody).await?;
    place.clock.advance_seconds(1);
    ensure!(first.admitted(&custody).await.is_err(), "an expired certificate watches");
    place.clock.advance_seconds(7 * 24 * 3600 - 1);
    let second = renewed(&custody, &first).await?;
    second.admitted(&custody).await?;
    ensure!(first.admitted(&custody).await.is_err(), "an expired certificate watches");

    place.clock.advance_seconds(CERTIFICATE_SECONDS + 7 * 24 * 3600);
    let outcome = custody.renew(&second.caller, second.serial.clone(), key()).await;
    ensure!(matches!(outcome, Err(CustodyError::NotAdmitted { .. })), "after 7 days: {outcome:?}");
    let last = place.trail().await?.pop().context("an empty trail")?;
    ensure!(last.reason.contains("7 days"), "{last:?}");
    ensure!(instances(&custody).await? == 1, "an end is no alarm");
    Ok(())
}

async fn a_superseded_certificate_revokes_its_instance(engine: Engine) -> Result<()> {
    let (place, custody) = founded(engine).await?;
    let bystander = join(&custody, "worker").await?;
    let first = join(&custody, "worker").await?;
    let second = renewed(&custody, &first).await?;
    let third = renewed(&custody, &second).await?;
    let outcome = custody.renew(&first.caller, first.serial.clone(), key()).await;
    ensure!(matches!(outcome, Err(CustodyError::NotAdmitted { .. })), "{outcome:?}");
    let last = place.trail().await?.pop().context("an empty trail")?;
    ensure!(last.action == "agent.renew" && last.reason.starts_with("ALARM"), "{last:?}");
    for gone in [&first, &second, &third] {
        ensure!(gone.admitted(&custody).await.is_err(), "the instance is let in");
        let outcome = custody.renew(&gone.caller, gone.serial.clone(), key()).await;
        ensure!(outcome.is_err(), "the instance renews");
    }
    bystander.admitted(&custody).await?;
    drop(custody);
    let custody = place.open().await?;
    ensure!(third.admitted(&custody).await.is_err(), "a restart forgets it");
    bystander.admitted(&custody).await?;
    Ok(())
}

async fn only_strangers_join_and_only_agents_renew(engine: Engine) -> Result<()> {
    let (_place, custody) = founded(engine).await?;
    let worker = join(&custody, "worker").await?;
    let unused = token(&custody, "worker").await?;
    for caller in [&worker.caller, &ada()] {
        let outcome = custody.join(caller, &unused, key()).await;
        ensure!(matches!(outcome, Err(CustodyError::Denied(_))), "{caller} joined");
    }
    for caller in [&nobody(), &ada(), &Caller::Broker { id: custody.broker() }] {
        let outcome = custody.renew(caller, worker.serial.clone(), key()).await;
        ensure!(matches!(outcome, Err(CustodyError::Denied(_))), "{caller} renewed");
        let outcome = custody.admit(caller, &worker.serial).await;
        ensure!(matches!(outcome, Err(CustodyError::Denied(_))), "{caller} watches");
    }
    custody.join(&nobody(), &unused, key()).await?;
    Ok(())
}
