//! A value that says itself when it ends has that end, unless somebody says another.

use crate::place::{Place, ada, apply, name, put};
use anyhow::{Context, Result, ensure};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use secretref_broker::custody::{Begin, Custody, CustodyError, Observation, Seen};
use secretref_domain::{
    clock::Timestamp, name::SecretName, rotation::Trigger, value::SecretValue, version::Ahead,
};
use secretref_testkit::{engine::Engine, on_both_engines};

on_both_engines!(
    a_put_takes_the_end_that_the_value_says,
    a_value_that_has_ended_is_not_put,
    a_copy_keeps_the_end_of_what_the_provider_has,
    what_a_rotator_mints_ends_by_its_word_then_by_the_value,
);

fn token(end: Timestamp) -> String {
    let part = |json: String| BASE64_URL_SAFE_NO_PAD.encode(json);
    let claims = format!(r#"{{"sub":"canary-of-a-value","exp":{}}}"#, end.as_micros() / 1_000_000);
    format!("{}.{}.c2lnbmF0dXJl", part(r#"{"alg":"RS256"}"#.to_owned()), part(claims))
}

fn value(text: &str) -> SecretValue {
    SecretValue::new(text.as_bytes().to_vec()).unwrap()
}

async fn ends_of(custody: &Custody, secret: &str) -> Result<Vec<Option<Timestamp>>> {
    let versions = custody.list_versions(&ada(), None, &SecretName::parse_kept(secret)?).await?;
    Ok(versions.iter().map(|version| version.expires_at).collect())
}

async fn a_put_takes_the_end_that_the_value_says(engine: Engine) -> Result<()> {
    let place = Place::found(engine).await?;
    let custody = place.open().await?;
    let (hour, day) = (place.in_seconds(3600), place.in_seconds(86_400));
    let (secret, version) =
        custody.put(&ada(), put("token", token(hour).as_bytes()), None).await?.answer;
    ensure!(secret.expires_at == Some(hour) && version.expires_at == Some(hour), "{version:?}");

    let mut typed = put("token", token(hour).as_bytes());
    typed.expires_at = Some(day);
    let (_, version) = custody.put(&ada(), typed, None).await?.answer;
    ensure!(version.expires_at == Some(day), "what somebody says counts: {version:?}");

    let mut params = CertificateParams::new(vec!["example.org".to_owned()])?;
    params.not_after = date_time_ymd(2099, 1, 2);
    let pem = params.self_signed(&KeyPair::generate()?)?.pem();
    let (_, version) = custody.put(&ada(), put("certificate", pem.as_bytes()), None).await?.answer;
    let end = version.expires_at.map(|end| end.to_string());
    ensure!(end.as_deref() == Some("2099-01-02T00:00:00Z"), "{end:?}");

    let session =
        format!(r#"{{"AccessKeyId": "ASIA", "SecretAccessKey": "s", "Expiration": "{hour}"}}"#);
    let (_, version) = custody.put(&ada(), put("session", session.as_bytes()), None).await?.answer;
    ensure!(version.expires_at == Some(hour), "{version:?}");

    let (_, version) = custody.put(&ada(), put("plain", b"sk_live_1"), None).await?.answer;
    ensure!(version.expires_at.is_none(), "{version:?}");
    drop(custody);
    let custody = place.open().await?;
    ensure!(ends_of(&custody, "session").await? == [Some(hour)], "it is not in the log");
    Ok(())
}

async fn a_value_that_has_ended_is_not_put(engine: Engine) -> Result<()> {
    let place = Place::found(engine).await?;
    let custody = place.open().await?;
    let ended = token(place.in_seconds(-3600));
    let outcome = custody.put(&ada(), put("token", ended.as_bytes()), None).await;
    let Err(CustodyError::Invalid { field, problem }) = outcome else {
        anyhow::bail!("{outcome:?}");
    };
    ensure!(field == "value", "{field}");
    ensure!(problem.contains("JSON Web Token that ended at "), "{problem}");
    ensure!(!problem.contains(&ended) && !problem.contains("canary"), "{problem}");
    ensure!(custody.list_versions(&ada(), None, &name("token")).await.is_err(), "it was put");
    // Whoever knows better says so.
    let mut typed = put("token", ended.as_bytes());
    typed.expires_at = Some(place.in_seconds(60));
    custody.put(&ada(), typed, None).await?;
    Ok(())
}

const COPIED: &str = r#"{
    "secrets": {"providers": {"files": {"type": "file", "path": "secrets.json"}}},
    "agents": {"a": {"tool-bindings": {"t": {"credentials": {
        "key": {"secretRef": "token", "file": "token"}}}}}},
    "refMap": {"token": {"provider": "files"}}
}"#;

async fn a_copy_keeps_the_end_of_what_the_provider_has(engine: Engine) -> Result<()> {
    let place = Place::found(engine).await?;
    let custody = place.open().await?;
    apply(&custody, COPIED).await?;
    let there = custody.itinerary().places.into_iter().next().context("no place")?;
    let has = async |text: &str, expires_at: Option<Timestamp>| {
        let version = "1".to_owned();
        let (created_at, pending) = (None, Ahead::Unknown);
        let seen = Seen { value: value(text), expires_at, created_at, version, pending };
        let observation = Observation { place: there.clone(), answer: Ok(seen) };
        custody.observe(vec![observation]).await
    };
    let (past, hour, day) =
        (place.in_seconds(-3600), place.in_seconds(3600), place.in_seconds(86_400));
    let copy = "token@files";
    has(&token(past), None).await?;
    ensure!(ends_of(&custody, copy).await? == [Some(past)], "an end that is past is kept");
    has(&token(past), None).await?;
    has(&token(past), None).await?;
    ensure!(ends_of(&custody, copy).await?.len() == 1, "what did not change is written again");
    has(&token(hour), None).await?;
    has(&token(hour), Some(day)).await?;
    has(&token(hour), Some(day)).await?;
    has("sk_live_1", None).await?;
    let mut ends = ends_of(&custody, copy).await?;
    ends.sort();
    ensure!(ends == [None, Some(past), Some(hour), Some(day)], "{ends:?}");
    Ok(())
}

const ROTATED: &str = r#"{
    "secrets": {"rotators": {"random": {"length": 24}}},
    "agents": {"a": {"tool-bindings": {"t": {"credentials": {
        "one": {"secretRef": "one", "file": "one"}, "two": {"secretRef": "two", "file": "two"},
        "three": {"secretRef": "three", "file": "three"}}}}}},
    "refMap": {
        "one": {"provider": "store", "rotation": {"rotator": "random"}},
        "two": {"provider": "store", "rotation": {"rotator": "random"}},
        "three": {"provider": "store", "rotation": {"rotator": "random"}}
    }
}"#;

async fn what_a_rotator_mints_ends_by_its_word_then_by_the_value(engine: Engine) -> Result<()> {
    let place = Place::found(engine).await?;
    let custody = place.open().await?;
    let (hour, day) = (place.in_seconds(3600), place.in_seconds(86_400));
    let lived = place.in_seconds(7200);
    let minted = async |secret: &str, text: String, word: Option<Timestamp>| -> Result<_> {
        let mut old = put(secret, b"the old one");
        old.expires_at = Some(lived);
        custody.put(&ada(), old, None).await?;
        if secret == "one" {
            apply(&custody, ROTATED).await?;
        }
        let (environment, reference, reason) = (None, name(secret), String::new());
        let (trigger, force, overlaps) = (Trigger::Asked, false, true);
        let begin = Begin { environment, reference, reason, trigger, force, overlaps };
        let rotation = custody.begin_rotation(&ada(), begin).await?.answer;
        let next = custody.rotation_minted(rotation.id, value(&text), word, None).await?;
        let version = next.new.context("nothing was minted")?;
        Ok(custody.version_expiry(next.secret, version))
    };
    ensure!(minted("one", token(hour), Some(day)).await? == Some(day), "the rotator's word");
    ensure!(minted("two", token(hour), None).await? == Some(hour), "the value's own");
    let end = minted("three", "sk_live_2".to_owned(), None).await?;
    ensure!(end == Some(lived), "as long as the old one lived: {end:?}");
    Ok(())
}
