//! What leaves for an agent: judged when it leaves, and never before it is recorded.

use crate::place::{
    Guest, Place, ada, agent_name, apply, environment, guest, join, key, manifest, name, put,
    to_apply,
};
use anyhow::{Context, Result, ensure};
use futures_util::FutureExt;
use secretref_broker::{
    custody::{Admission, Body, Custody, CustodyError, Frame, Sent},
    feed::Cut,
    store::Store,
};
use secretref_domain::{
    audit::DecodedEntry, caller::Caller, clock::Clock, id::SecretId, version::Version,
};
use secretref_testkit::{engine::Engine, on_both_engines};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use uuid::Uuid;

on_both_engines!(
    what_an_agent_may_no_longer_have_is_taken_away,
    what_expires_leaves,
    an_environment_is_a_wall,
    a_revoked_agent_gets_nothing,
    a_superseded_certificate_gets_nothing,
    a_removed_agent_is_nobody,
    what_was_recorded_with_the_put_is_not_recorded_again,
    two_processes_of_one_instance_are_an_alarm,
);

/// A broker with an agent that is bound to `a` and `b`.
async fn bound(engine: Engine) -> Result<(Place, Custody, Guest)> {
    let place = Place::found(engine).await?;
    let custody = place.open().await?;
    for secret in ["a", "b"] {
        custody.put(&ada(), put(secret, format!("{secret}-1").as_bytes()), None).await?;
    }
    apply(&custody, &manifest("worker", &["a", "b"])).await?;
    let worker = join(&custody, "worker").await?;
    Ok((place, custody, worker))
}

async fn frame(
    custody: &Custody,
    admission: &Admission,
    sent: &Sent,
) -> Result<Frame, CustodyError> {
    custody.frame(admission, sent, &HashMap::new()).await
}

/// Names of the secrets of a frame, each with its value if it has one.
fn values(frame: &Frame) -> Vec<(String, Option<String>)> {
    let value = |body: &Arc<Body>| String::from_utf8_lossy(&body.expose()).into_owned();
    let secrets = frame.secrets.iter();
    secrets.map(|it| (it.desired.name.to_string(), it.body.as_ref().map(value))).collect()
}

/// What a sidecar holds once it has a frame.
fn held(frame: &Frame) -> Sent {
    let secrets = frame.secrets.iter().map(|it| &it.desired);
    secrets.map(|it| (it.name.clone(), (it.version, it.digest))).collect()
}

fn full(values: &[(String, Option<String>)], wanted: &[(&str, Option<&str>)]) -> Result<()> {
    let values: Vec<_> =
        values.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
    ensure!(values == wanted, "{values:?} instead of {wanted:?}");
    Ok(())
}

async fn what_an_agent_may_no_longer_have_is_taken_away(engine: Engine) -> Result<()> {
    let (_place, custody, worker) = bound(engine).await?;
    let admission = worker.admitted(&custody).await?;
    let first = frame(&custody, &admission, &Sent::new()).await?;
    full(&values(&first), &[("a", Some("a-1")), ("b", Some("b-1"))])?;
    let sent = held(&first);
    full(&values(&frame(&custody, &admission, &sent).await?), &[("a", None), ("b", None)])?;

    // Unbound.
    apply(&custody, &manifest("worker", &["a"])).await?;
    let second = frame(&custody, &admission, &sent).await?;
    full(&values(&second), &[("a", None)])?;
    ensure!(second.removed == [(name("b"), false)], "{:?}", second.removed);

    // Deleted, and back.
    custody.set_deleted(&ada(), None, name("a"), true, None, None).await?;
    let third = frame(&custody, &admission, &sent).await?;
    full(&values(&third), &[])?;
    ensure!(third.removed == [(name("a"), true), (name("b"), false)], "{:?}", third.removed);
    ensure!(third.missing.len() == 1, "{:?}", third.missing);
    custody.set_deleted(&ada(), None, name("a"), false, None, None).await?;
    full(&values(&frame(&custody, &admission, &Sent::new()).await?), &[("a", Some("a-1"))])?;

    // A capability that is gone.
    let text = manifest("worker", &["a", "b"]).replacen(
        "\"tool-bindings\"",
        "\"capabilities\": [\"b\"], \"tool-bindings\"",
        1,
    );
    apply(&custody, &text).await?;
    let fourth = frame(&custody, &admission, &sent).await?;
    full(&values(&fourth), &[("b", None)])?;
    ensure!(fourth.removed == [(name("a"), false)], "{:?}", fourth.removed);
    ensure!(fourth.missing.len() == 1 && fourth.missing[0].denied, "{:?}", fourth.missing);
    Ok(())
}

async fn what_expires_leaves(engine: Engine) -> Result<()> {
    let (place, custody, worker) = bound(engine).await?;
    let admission = worker.admitted(&custody).await?;
    let mut soon = put("a", b"a-2");
    soon.expires_at = Some(place.in_seconds(60));
    custody.put(&ada(), soon, None).await?;
    let first = frame(&custody, &admission, &Sent::new()).await?;
    full(&values(&first), &[("a", Some("a-2")), ("b", Some("b-1"))])?;
    ensure!(first.next_expiry == Some(place.in_seconds(60)), "{:?}", first.next_expiry);
    place.clock.advance_seconds(59);
    full(&values(&frame(&custody, &admission, &Sent::new()).await?)[..1], &[("a", Some("a-2"))])?;
    place.clock.advance_seconds(1);
    let last = frame(&custody, &admission, &held(&first)).await?;
    full(&values(&last), &[("b", None)])?;
    ensure!(last.removed == [(name("a"), false)] && last.next_expiry.is_none(), "it stays");
    ensure!(last.missing[0].reason.contains("expired"), "{:?}", last.missing);
    Ok(())
}

async fn an_environment_is_a_wall(engine: Engine) -> Result<()> {
    let (_place, custody, worker) = bound(engine).await?;
    let mut theirs = to_apply(&manifest("worker", &["a", "b"]));
    theirs.environment = Some(environment("elsewhere"));
    custody.apply(&ada(), theirs, Vec::new(), None).await?;
    let mut secret = put("b", b"b-elsewhere");
    secret.environment = Some(environment("elsewhere"));
    custody.put(&ada(), secret, None).await?;
    let elsewhere = Some(environment("elsewhere"));
    let minted =
        custody.mint_token(&ada(), elsewhere, agent_name("worker"), 60, false).await?.token;
    let enrolled = custody.join(&crate::place::nobody(), &minted, key()).await?;
    let namesake = guest(&custody, &enrolled)?.admitted(&custody).await?;
    full(&values(&frame(&custody, &namesake, &Sent::new()).await?), &[("b", Some("b-elsewhere"))])?;
    let ours = worker.admitted(&custody).await?;
    let first = frame(&custody, &ours, &Sent::new()).await?;
    full(&values(&first), &[("a", Some("a-1")), ("b", Some("b-1"))])?;

    // Neither's certificate stands for the other.
    let Caller::Agent { agent, instance, .. } = worker.caller.clone() else { unreachable!() };
    let forged = Caller::Agent {
        environment: environment("elsewhere"),
        agent,
        name: agent_name("worker"),
        instance,
        peer: None,
    };
    let stolen = custody.admit(&forged, &namesake.serial).await;
    ensure!(matches!(stolen, Err(CustodyError::NotAdmitted { .. })), "another's serial: let in");
    Ok(())
}

async fn a_revoked_agent_gets_nothing(engine: Engine) -> Result<()> {
    let (place, custody, worker) = bound(engine).await?;
    let admission = worker.admitted(&custody).await?;
    let stream = custody.subscribe(&admission, Uuid::new_v4()).await?;
    drop(stream.take());
    let (caller, worker_name) = (ada(), agent_name("worker"));
    let revoking = custody.revoke_agent(&caller, None, worker_name, String::new(), None);
    let streams = revoking.await?.answer.streams;
    ensure!(streams == 1, "{streams} streams");
    ensure!(stream.take().and_then(|woken| woken.cut) == Some(Cut::Revoked), "it is not cut");
    for recorded in [HashMap::new(), recorded(&custody).await?] {
        let outcome = custody.frame(&admission, &Sent::new(), &recorded).await;
        ensure!(matches!(outcome, Err(CustodyError::NotAdmitted { .. })), "a frame left");
    }
    ensure!(!custody.admitted(&admission), "the admission holds");
    let again = worker.admitted(&custody).await;
    ensure!(matches!(again, Err(CustodyError::NotAdmitted { .. })), "it came in again");
    let trail = place.trail().await?;
    let last = trail.last().context("an empty trail")?;
    ensure!(last.action == "agent.watch" && last.reason.contains("revoked"), "{last:?}");
    Ok(())
}

/// As if the delivery of everything had been recorded.
async fn recorded(custody: &Custody) -> Result<HashMap<SecretId, Version>> {
    let mut recorded = HashMap::new();
    for secret in ["a", "b"] {
        let shown = custody.show_secret(&ada(), None, &name(secret)).await?;
        recorded.insert(shown.id, shown.current);
    }
    Ok(recorded)
}

async fn a_superseded_certificate_gets_nothing(engine: Engine) -> Result<()> {
    let (_place, custody, first) = bound(engine).await?;
    let admission = first.admitted(&custody).await?;
    let renewed = custody.renew(&first.caller, first.serial.clone(), key()).await?;
    let second = guest(&custody, &renewed)?;
    ensure!(custody.admitted(&admission), "the current one is good beside the next");
    let renewed = custody.renew(&second.caller, second.serial.clone(), key()).await?;
    let third = guest(&custody, &renewed)?;
    ensure!(!custody.admitted(&admission), "one that is neither current nor next is let in");
    let outcome = frame(&custody, &admission, &Sent::new()).await;
    ensure!(matches!(outcome, Err(CustodyError::NotAdmitted { .. })), "a frame left");
    for good in [second, third] {
        frame(&custody, &good.admitted(&custody).await?, &Sent::new()).await?;
    }
    Ok(())
}

async fn a_removed_agent_is_nobody(engine: Engine) -> Result<()> {
    let (_place, custody, worker) = bound(engine).await?;
    let admission = worker.admitted(&custody).await?;
    let mut pruning = to_apply(&manifest("other", &["a"]));
    pruning.prune = true;
    custody.apply(&ada(), pruning, Vec::new(), None).await?;
    let outcome = frame(&custody, &admission, &Sent::new()).await;
    ensure!(matches!(outcome, Err(CustodyError::NotAdmitted { .. })), "a frame left");
    ensure!(worker.admitted(&custody).await.is_err(), "a removed agent came in");
    Ok(())
}

async fn what_was_recorded_with_the_put_is_not_recorded_again(engine: Engine) -> Result<()> {
    let (place, custody, worker) = bound(engine).await?;
    let admission = worker.admitted(&custody).await?;
    let stream = custody.subscribe(&admission, Uuid::new_v4()).await?;
    drop(stream.take());
    let sent = held(&frame(&custody, &admission, &Sent::new()).await?);
    let deliveries = async || {
        let trail = place.trail().await?;
        Ok::<_, anyhow::Error>(trail.iter().filter(|it| it.action == "secret.deliver").count())
    };
    ensure!(deliveries().await? == 2, "a delivery that is not recorded");
    custody.put(&ada(), put("a", b"a-2"), None).await?;
    let woken = stream.take().context("it was not woken")?;
    let pushed = custody.frame(&admission, &sent, &woken.recorded).await?;
    full(&values(&pushed), &[("a", Some("a-2")), ("b", None)])?;
    ensure!(deliveries().await? == 3, "a push is recorded more or less than once");
    // Without the word of the put it is recorded here.
    full(&values(&frame(&custody, &admission, &sent).await?)[..1], &[("a", Some("a-2"))])?;
    ensure!(deliveries().await? == 4, "a delivery that is not recorded");
    Ok(())
}

async fn two_processes_of_one_instance_are_an_alarm(engine: Engine) -> Result<()> {
    let (place, custody, worker) = bound(engine).await?;
    let admission = worker.admitted(&custody).await?;
    let (boot, other) = (Uuid::new_v4(), Uuid::new_v4());
    let first = custody.subscribe(&admission, boot).await?;
    let again = custody.subscribe(&admission, boot).await?;
    let alarms = async || {
        let trail = place.trail().await?;
        let alarm =
            |it: &&DecodedEntry| it.action == "agent.duplicate" && it.reason.starts_with("ALARM");
        Ok::<_, anyhow::Error>(trail.iter().filter(alarm).count())
    };
    ensure!(alarms().await? == 0, "a process that came again is no alarm");
    ensure!(first.take().and_then(|it| it.cut).is_none(), "the old one goes before it may");
    again.supersede();
    ensure!(first.take().and_then(|it| it.cut) == Some(Cut::Superseded), "the old stream stays");
    let rival = custody.subscribe(&admission, other).await?;
    ensure!(alarms().await? == 1, "two processes are no alarm");
    drop((again, rival));
    let alone = custody.subscribe(&admission, boot).await?;
    ensure!(alarms().await? == 1, "one process is an alarm");
    ensure!(alone.take().is_some_and(|it| it.cut.is_none()), "the only stream is cut");
    Ok(())
}

/// On one thread: the revocation comes while the delivery is being recorded, and in the same
/// transaction, so that only a look after the record can see it.
#[tokio::test]
async fn a_revocation_during_the_record_is_seen() -> Result<()> {
    let (place, custody, worker) = bound(Engine::Sqlite).await?;
    let admission = worker.admitted(&custody).await?;
    let held_up = Store::open(&place.url).await?.lock().await?;
    let nothing = BTreeMap::new();
    let mut leaving = Box::pin(frame(&custody, &admission, &nothing));
    ensure!(leaving.as_mut().now_or_never().is_none(), "it left without a record");
    let caller = ada();
    let revoking = custody.revoke_agent(&caller, None, agent_name("worker"), String::new(), None);
    let mut revoking = Box::pin(revoking);
    ensure!(revoking.as_mut().now_or_never().is_none(), "it is revoked without a record");
    drop(held_up);
    let (left, revoked) = futures_util::join!(leaving, revoking);
    revoked?;
    ensure!(matches!(left, Err(CustodyError::NotAdmitted { .. })), "a frame left");
    let recorded = place.trail().await?.iter().filter(|it| it.action == "secret.deliver").count();
    ensure!(recorded == 2, "{recorded} deliveries on record: the test proves nothing");
    Ok(())
}

/// As above, for a binding that goes while the delivery is being recorded.
#[tokio::test]
async fn a_binding_that_goes_during_the_record_is_left_out() -> Result<()> {
    let (place, custody, worker) = bound(Engine::Sqlite).await?;
    let admission = worker.admitted(&custody).await?;
    let held_up = Store::open(&place.url).await?.lock().await?;
    let nothing = BTreeMap::new();
    let mut leaving = Box::pin(frame(&custody, &admission, &nothing));
    ensure!(leaving.as_mut().now_or_never().is_none(), "it left without a record");
    let text = manifest("worker", &["b"]);
    let mut unbinding = Box::pin(apply(&custody, &text));
    ensure!(unbinding.as_mut().now_or_never().is_none(), "it is unbound without a record");
    drop(held_up);
    let (left, unbound) = futures_util::join!(leaving, unbinding);
    unbound?;
    full(&values(&left?), &[("b", Some("b-1"))])?;
    ensure!(place.clock.now() == custody.now(), "one clock");
    Ok(())
}
