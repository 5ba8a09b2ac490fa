//! The one writer: what it acknowledges is durable, what it does not never happened.

use crate::place::{
    Guest, Place, ada, admin, agent_name, apply, environment, join, manifest, name, nobody, put,
    read,
};
use anyhow::{Context, Result, ensure};
use secretref_broker::{
    custody::{Custody, CustodyError},
    store::StoreError,
};
use secretref_domain::{
    audit::Decision, caller::Caller, id::BrokerId, policy::Role, version::Version,
};
use secretref_testkit::{engine::Engine, on_both_engines, postgres::Postgres};
use std::{collections::BTreeMap, sync::Arc};
use tokio::task::JoinSet;
use uuid::Uuid;

on_both_engines!(
    retries_of_one_request_are_answered_alike,
    two_brokers_leave_no_gap_between_revisions,
    callers_that_go_away_lose_and_halve_nothing,
    what_cannot_be_recorded_does_not_happen,
    whoever_may_not_is_written_down,
    a_push_is_recorded_with_the_put_that_causes_it,
);

async fn retries_of_one_request_are_answered_alike(engine: Engine) -> Result<()> {
    let place = Place::found(engine).await?;
    let custody = place.open().await?;
    let (caller, id) = (ada(), Uuid::new_v4());
    let mut retries = JoinSet::new();
    for _ in 0..16 {
        let (custody, caller) = (custody.clone(), caller.clone());
        retries.spawn(async move {
            let key = custody.request_key(&caller, id, "put", b"one");
            custody.put(&caller, put("a", b"one"), Some(key)).await
        });
    }
    let answers: Result<Vec<_>, _> = retries.join_all().await.into_iter().collect();
    let answers = answers?;
    custody.put(&caller, put("a", b"two"), None).await?;
    drop(custody);

    let custody = place.open().await?;
    let key = custody.request_key(&caller, id, "put", b"one");
    let late = custody.put(&caller, put("a", b"one"), Some(key)).await?;
    for answer in &answers {
        ensure!((answer.revision, answer.at) == (late.revision, late.at), "{answer:?}");
        ensure!(answer.answer == late.answer, "{answer:?} is not {late:?}");
    }
    let versions = custody.list_versions(&caller, None, &name("a")).await?;
    ensure!(versions.len() == 2, "{versions:?}");

    let bob = match ada() {
        Caller::Admin { id, roles, peer, .. } => {
            Caller::Admin { id, name: "bob".into(), roles, peer }
        }
        other => other,
    };
    for (who, method, content) in
        [(&caller, "put", b"two"), (&caller, "delete", b"one"), (&bob, "put", b"one")]
    {
        let key = custody.request_key(who, id, method, content);
        let outcome = custody.put(who, put("a", content), Some(key)).await;
        let reused = matches!(outcome, Err(CustodyError::RequestReused(of)) if of == id);
        ensure!(reused, "{method} of {who} was taken for the same request");
    }
    Ok(())
}

async fn two_brokers_leave_no_gap_between_revisions(engine: Engine) -> Result<()> {
    let place = Place::found(engine).await?;
    let brokers = [place.open().await?, place.open_as(BrokerId(Uuid::now_v7())).await?];
    let mut writers = JoinSet::new();
    for at in 0..6 {
        let custody = brokers[at % 2].clone();
        writers.spawn(async move {
            for number in 0..20_i64 {
                let mut put = put(&format!("s{}", at / 2), format!("{at}:{number}").as_bytes());
                put.expected = None;
                custody.put(&ada(), put, None).await?;
            }
            Ok::<_, CustodyError>(())
        });
    }
    writers.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut sql = place.sql().await?;
    let last = sql.number("SELECT revision FROM head").await?;
    let distinct = sql.number("SELECT count(DISTINCT revision) FROM authority_log").await?;
    ensure!(last == distinct, "{distinct} revisions up to {last}");
    let records = sql.number("SELECT count(*) FROM authority_log").await?;
    ensure!(records == 120, "{records} records of 120 puts");
    drop(brokers);
    let custody = place.open().await?;
    for secret in ["s0", "s1", "s2"] {
        let versions = custody.list_versions(&ada(), None, &name(secret)).await?;
        let numbers: Vec<_> = versions.iter().map(|it| it.version.get()).collect();
        ensure!(numbers == (1..=40).rev().collect::<Vec<_>>(), "{secret}: {numbers:?}");
    }
    Ok(())
}

async fn callers_that_go_away_lose_and_halve_nothing(engine: Engine) -> Result<()> {
    let place = Place::found(engine).await?;
    let custody = place.open().await?;
    let mut callers = JoinSet::new();
    for at in 0..16 {
        callers.spawn(come_and_go(custody.clone(), format!("s{at}")));
    }
    let journals = callers.join_all().await;
    // What those who went away had asked for comes before this.
    custody.put(&ada(), put("last", b"last"), None).await?;
    drop(custody);

    let custody = place.open().await?;
    let mut acknowledged = 0;
    for (secret, journal) in journals {
        acknowledged += journal.len();
        let versions = match custody.list_versions(&ada(), None, &name(&secret)).await {
            Ok(versions) => versions,
            Err(CustodyError::NotFound { .. }) if journal.is_empty() => continue,
            Err(error) => return Err(error.into()),
        };
        let newest = i64::try_from(versions.len())?;
        ensure!(journal.keys().all(|number| *number <= newest), "{secret}: a put is lost");
        for number in 1..=newest {
            // Acknowledged or not: what is in the log is whole.
            let version = Version::new(number);
            let read = custody.access(&ada(), None, &name(&secret), version, "a test").await?;
            if let Some(value) = journal.get(&number) {
                ensure!(read.value.expose() == value, "{secret} v{number} is another's");
            }
        }
    }
    ensure!(acknowledged > 0, "nobody waited for an answer");
    Ok(())
}

/// Puts, and goes away at a random point of every second put; returns what was acknowledged.
async fn come_and_go(custody: Custody, secret: String) -> (String, BTreeMap<i64, Vec<u8>>) {
    let mut journal = BTreeMap::new();
    for number in 0..12 {
        let value = format!("{secret}:{number}").into_bytes();
        let (custody, put) = (custody.clone(), put(&secret, &value));
        let task = tokio::spawn(async move { custody.put(&ada(), put, None).await });
        if number % 2 == 1 {
            for _ in 0..fastrand::u32(0..400) {
                tokio::task::yield_now().await;
            }
            task.abort();
        }
        if let Ok(Ok(done)) = task.await {
            journal.insert(done.answer.1.version.get(), value);
        }
    }
    (secret, journal)
}

async fn what_cannot_be_recorded_does_not_happen(engine: Engine) -> Result<()> {
    let place = Place::found(engine).await?;
    let custody = place.open().await?;
    custody.put(&ada(), put("a", b"one"), None).await?;
    apply(&custody, &manifest("worker", &["a"])).await?;
    let worker = join(&custody, "worker").await?.admitted(&custody).await?;
    let revision = custody.feed().revision();

    let mut sql = place.sql().await?;
    sql.run("ALTER TABLE audit RENAME TO elsewhere").await?;
    let store = |outcome: Option<CustodyError>, what: &str| {
        ensure!(matches!(outcome, Some(CustodyError::Store(_))), "{what}: {outcome:?}");
        Ok(())
    };
    let write = custody.put(&ada(), put("a", b"two"), None).await;
    store(write.err(), "a put that is not recorded")?;
    store(read(&custody, "a").await.err(), "a read that is not recorded")?;
    let frame = custody.frame(&worker, &BTreeMap::new(), &std::collections::HashMap::new()).await;
    store(frame.err(), "a delivery that is not recorded")?;
    let denied = custody.put(&nobody(), put("a", b"three"), None).await;
    store(denied.err(), "a denial that is not recorded")?;
    ensure!(custody.feed().revision() == revision, "streams were told of a lost put");
    let shown = custody.show_secret(&ada(), None, &name("a")).await?;
    ensure!(shown.current == Version::FIRST, "readers see a lost put: {shown:?}");

    sql.run("ALTER TABLE elsewhere RENAME TO audit").await?;
    ensure!(read(&custody, "a").await? == b"one", "another value");
    let done = custody.put(&ada(), put("a", b"four"), None).await?;
    ensure!(done.answer.1.version.get() == 2, "{done:?}");
    ensure!(done.revision == revision.next(), "{done:?} after {revision}");
    drop(custody);
    ensure!(read(&place.open().await?, "a").await? == b"four", "another value");
    Ok(())
}

/// The server goes and comes again; the broker stays.
#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_when_postgres_comes_back() -> Result<()> {
    let mut server = tokio::task::spawn_blocking(Postgres::start).await??;
    let place = Place::found_at(Some(server.create_database().await?)).await?;
    let custody = place.open().await?;
    custody.put(&ada(), put("a", b"one"), None).await?;
    server.kill9()?;
    for _ in 0..3 {
        let outcome = custody.put(&ada(), put("a", b"lost"), None).await;
        let unavailable =
            matches!(outcome, Err(CustodyError::Store(StoreError::Unavailable { .. })));
        ensure!(unavailable, "{outcome:?}");
    }
    let restart = move || server.restart().map(|()| server);
    let _server = tokio::task::spawn_blocking(restart).await??;
    let mut done = custody.put(&ada(), put("a", b"two"), None).await;
    // Connections of the server before may each have to fail once.
    for _ in 0..40 {
        if done.is_ok() {
            break;
        }
        done = custody.put(&ada(), put("a", b"two"), None).await;
    }
    ensure!(done?.answer.1.version.get() == 2, "a put that was refused happened");
    Ok(())
}

async fn whoever_may_not_is_written_down(engine: Engine) -> Result<()> {
    let place = Place::found(engine).await?;
    let custody = place.open().await?;
    custody.put(&ada(), put("a", b"one"), None).await?;
    apply(&custody, &manifest("worker", &["a"])).await?;
    let Guest { caller: worker, .. } = join(&custody, "worker").await?;
    let before = place.trail().await?.len();
    let reader = admin(&[Role::Reader]);
    let operator = admin(&[Role::Operator]);
    for caller in [&reader, &operator, &worker, &nobody()] {
        let denied = custody.put(caller, put("a", b"two"), None).await;
        ensure!(matches!(denied, Err(CustodyError::Denied(_))), "{caller}: {denied:?}");
    }
    let denied = custody.access(&operator, None, &name("a"), None, "curious").await;
    ensure!(matches!(denied, Err(CustodyError::Denied(_))), "an operator read a value");
    let denied = custody.mint_token(&reader, None, agent_name("worker"), 60, false).await;
    ensure!(matches!(denied, Err(CustodyError::Denied(_))), "a reader minted a token");
    let trail = place.trail().await?;
    let denials: Vec<_> = trail[before..].iter().collect();
    ensure!(denials.len() == 6, "{denials:?}");
    for denial in denials {
        ensure!(denial.decision == Decision::Denied, "{denial:?}");
        ensure!(!denial.reason.is_empty() && !denial.actor.is_empty(), "{denial:?}");
        ensure!(denial.environment == environment("default").as_str(), "{denial:?}");
    }
    ensure!(read(&custody, "a").await? == b"one", "a denied put happened");
    Ok(())
}

async fn a_push_is_recorded_with_the_put_that_causes_it(engine: Engine) -> Result<()> {
    let place = Place::found(engine).await?;
    let custody = place.open().await?;
    custody.put(&ada(), put("a", b"one"), None).await?;
    custody.put(&ada(), put("b", b"one"), None).await?;
    for (agent, secrets) in [("first", &["a"][..]), ("second", &["a", "b"]), ("other", &["b"])] {
        apply(&custody, &manifest(agent, secrets)).await?;
    }
    let mut streams = Vec::new();
    for agent in ["first", "first", "second", "other"] {
        let admission = join(&custody, agent).await?.admitted(&custody).await?;
        let stream = Arc::new(custody.subscribe(&admission, Uuid::new_v4()).await?);
        ensure!(stream.take().is_some_and(|woken| woken.recorded.is_empty()), "recorded early");
        streams.push((admission, stream));
    }
    // An instance that is not connected gets nothing, so nothing is recorded for it.
    let away = join(&custody, "first").await?.admitted(&custody).await?;
    let done = custody.put(&ada(), put("a", b"two"), None).await?;
    let trail = place.trail().await?;
    let pushes: Vec<_> = trail.iter().filter(|entry| entry.action == "secret.deliver").collect();
    ensure!(pushes.len() == 1, "{pushes:?}");
    let push = pushes.first().context("no push")?;
    let cause = trail.iter().rfind(|entry| entry.action == "secret.put").context("no put")?;
    ensure!((push.revision, cause.revision) == (done.revision, done.revision), "{push:?}");
    ensure!(push.seq == cause.seq + 1 && push.version == 2 && push.object == "a", "{push:?}");
    let mut named: Vec<_> = push.recipients.iter().map(|to| to.instance).collect();
    let mut wanted: Vec<_> = streams[..3].iter().map(|(to, _)| to.instance).collect();
    named.sort_unstable();
    wanted.sort_unstable();
    ensure!(named == wanted && !named.contains(&away.instance), "{push:?}");
    for (admission, stream) in &streams[..3] {
        let woken = stream.take().context("a stream was not woken")?;
        let recorded: Vec<_> = woken.recorded.values().copied().collect();
        ensure!(recorded == [Version::FIRST.next()], "{}: {woken:?}", admission.name);
    }
    ensure!(streams[3].1.take().is_none(), "a stream that is not concerned was woken");
    Ok(())
}
