//! What only AWS does: stages and versions, signatures, policies, sessions.

use super::{Aws, opened, opened_with, private, put};
use crate::providers::{CANARY, Held, TOKEN, World, ask, at, error, log::Log, silent, value};
use anyhow::{Context, Result};
use futures_util::future::{Either, select};
use secretref_broker::providers::OwnSecrets;
use secretref_domain::{fault::Fault, value::SecretValue};
use secretref_testkit::{
    faulty::{Faulty, Trouble},
    moto::Moto,
};
use serde_json::json;
use std::{pin::pin, sync::Arc};

#[tokio::test]
async fn a_target_may_name_a_stage_or_a_version() -> Result<()> {
    let Some(moto) = Moto::start().await? else { return Ok(()) };
    put(&moto, "turning", json!({"SecretString": "oldest"})).await?;
    let provider = opened(json!({"endpoint": moto.address()}), TOKEN, None)?;
    let oldest = ask(&provider, &at("turning")).await?.version;
    put(&moto, "turning", json!({"SecretString": json!({"key": "newest"}).to_string()})).await?;
    let next = json!({
        "SecretId": "turning", "SecretString": json!({"key": "next"}).to_string(),
        "VersionStages": ["AWSPENDING"],
    });
    moto.ask("PutSecretValue", &next).await?;
    for (target, wanted) in [
        ("turning#key", "newest"),
        ("turning?stage=AWSCURRENT#/key", "newest"),
        ("turning?stage=AWSPREVIOUS", "oldest"),
        ("turning?stage=AWSPENDING#key", "next"),
        (&format!("turning?version={oldest}"), "oldest"),
    ] {
        let found = ask(&provider, &at(target)).await?;
        assert_eq!(found.value.expose(), wanted.as_bytes(), "{target}");
        // Whoever names one means that one, and no other is to come after it.
        assert_eq!(found.pending.known().is_some(), !target.contains('?'), "{target}");
    }
    let absent = error(&provider, &at("turning?stage=NONE")).await;
    assert_eq!(absent.fault, Fault::NotFound, "{absent}");
    assert!(absent.message.contains("turning?stage=NONE"), "{absent}");
    assert!(absent.fix.contains("list-secret-version-ids --secret-id turning"), "{absent}");
    Ok(())
}

#[tokio::test]
async fn an_arn_is_a_name_too() -> Result<()> {
    let Some(moto) = Moto::start().await? else { return Ok(()) };
    let made = json!({"Name": "team/a_b+c=d.e@f", "SecretString": "held"});
    let made = moto.ask("CreateSecret", &made).await?;
    let provider = opened(json!({"endpoint": moto.address()}), TOKEN, None)?;
    let arn = made["ARN"].as_str().context("no ARN")?;
    assert_eq!(value(&provider, &at(arn)).await?, b"held");
    assert_eq!(value(&provider, &at("team/a_b+c=d.e@f")).await?, b"held");
    Ok(())
}

#[tokio::test]
async fn a_part_of_bytes_is_found_where_they_are_json() -> Result<()> {
    let Some(moto) = Moto::start().await? else { return Ok(()) };
    let bytes = super::base64(json!({"key": "inside"}).to_string().as_bytes());
    put(&moto, "bytes", json!({"SecretBinary": bytes})).await?;
    put(&moto, "others", json!({"SecretBinary": super::base64(b"\xff\xfe")})).await?;
    let provider = opened(json!({"endpoint": moto.address()}), TOKEN, None)?;
    assert_eq!(value(&provider, &at("bytes#key")).await?, b"inside");
    assert_eq!(error(&provider, &at("others#key")).await.fault, Fault::Malformed);
    Ok(())
}

#[tokio::test]
async fn what_is_pending_has_its_expiry() -> Result<()> {
    let Some(moto) = Moto::start().await? else { return Ok(()) };
    put(&moto, "turning", json!({"SecretString": "old"})).await?;
    let record = json!({"value": "new", "expiresAt": "2027-03-08T04:12:00Z"}).to_string();
    let next = json!({
        "SecretId": "turning", "SecretString": record, "VersionStages": ["AWSPENDING"],
    });
    moto.ask("PutSecretValue", &next).await?;
    let provider = opened(json!({"endpoint": moto.address()}), TOKEN, None)?;
    let pending =
        ask(&provider, &at("turning")).await?.pending.known().context("nothing is pending")?;
    assert_eq!(pending.value.expose(), b"new");
    let expires_at = pending.expires_at.map(|it| it.to_string());
    assert_eq!(expires_at.as_deref(), Some("2027-03-08T04:12:00Z"));
    Ok(())
}

#[tokio::test]
async fn signatures_and_policies_are_what_lets_the_broker_in() -> Result<()> {
    let Some(moto) = Moto::start().await? else { return Ok(()) };
    put(&moto, "held", json!({"SecretString": "ours"})).await?;
    let next = json!({
        "SecretId": "held", "SecretString": CANARY, "VersionStages": ["AWSPENDING"],
    });
    moto.ask("PutSecretValue", &next).await?;
    let get = "secretsmanager:GetSecretValue";
    let reader = moto.create_user("reader", &[get, "secretsmanager:DescribeSecret"]).await?;
    let narrow = moto.create_user("narrow", &[get]).await?;
    let lister = moto.create_user("lister", &["secretsmanager:ListSecrets"]).await?;
    moto.guard().await?;
    let open = |id: &str, secret: &str| {
        let settings = json!({"endpoint": moto.address(), "accessKeyId": id});
        opened(settings, secret, None)
    };
    let provider = open(&reader.id, &reader.secret)?;
    let found = ask(&provider, &at("held")).await?;
    assert_eq!(found.value.expose(), b"ours");
    assert!(found.pending.known().is_some());
    // `put` and editors keep a line end, which is no part of a key.
    assert_eq!(
        value(&open(&reader.id, &format!("{}\n", reader.secret))?, &at("held")).await?,
        b"ours"
    );

    let found = ask(&open(&narrow.id, &narrow.secret)?, &at("held")).await?;
    assert_eq!(found.value.expose(), b"ours");
    assert!(found.pending.known().is_none(), "it may not describe, and so it does not know");

    let provider = open(&lister.id, &lister.secret)?;
    let denied = error(&provider, &at("held")).await;
    assert_eq!(denied.fault, Fault::Denied, "{denied}");
    let checked = provider.check().await?;
    assert!(checked.contains("lets the broker in"), "{checked}");

    for (id, secret, why) in
        [(&*reader.id, TOKEN, "another key"), ("AKIAIOSFODNN7EXAMPLE", TOKEN, "nobody")]
    {
        let provider = open(id, secret)?;
        let denied = error(&provider, &at("held")).await;
        assert_eq!(denied.fault, Fault::Denied, "{why}: {denied}");
        let checked = provider.check().await.err();
        let checked = silent(checked.with_context(|| format!("{why} is let in"))?);
        assert_eq!(checked.fault, Fault::Denied, "{why}: {checked}");
    }
    Ok(())
}

#[tokio::test]
async fn whoever_may_not_list_is_known_all_the_same() -> Result<()> {
    let said = |code: &str| {
        let message = "User: arn:aws:iam::123456789012:user/b is not authorized to perform: \
                       secretsmanager:ListSecrets because no identity-based policy allows it";
        let body = json!({"__type": code, "Message": format!("{message} {CANARY}")});
        Trouble::Answers(400, body.to_string())
    };
    let server = Faulty::start(said("AccessDeniedException")).await?;
    let provider = opened(json!({"endpoint": server.url()}), TOKEN, None)?;
    let checked = provider.check().await?;
    assert!(checked.contains("knows the broker, which may not list"), "{checked}");
    assert!(!checked.contains(CANARY), "{checked}");
    let denied = error(&provider, &at("held")).await;
    assert!(denied.fix.contains("secretsmanager:GetSecretValue"), "{denied}");
    for code in ["UnrecognizedClientException", "ExpiredTokenException"] {
        let server = Faulty::start(said(code)).await?;
        let provider = opened(json!({"endpoint": server.url()}), TOKEN, None)?;
        let checked = silent(provider.check().await.err().context("it is let in")?);
        assert_eq!(checked.fault, Fault::Denied, "{checked}");
        assert!(checked.message.contains(code), "{checked}");
    }
    Ok(())
}

#[tokio::test]
async fn a_session_s_keys_are_read_again_when_they_are_refused() -> Result<()> {
    let Some(moto) = Moto::start().await? else { return Ok(()) };
    put(&moto, "held", json!({"SecretString": "ours"})).await?;
    let session = moto.create_session("reader", &["secretsmanager:GetSecretValue"]).await?;
    moto.guard().await?;
    let root = tempfile::tempdir()?;
    private(root.path(), "key", &format!("{}\n", session.secret))?;
    private(root.path(), "session", TOKEN)?;
    let settings = json!({
        "endpoint": moto.address(), "accessKeyId": session.id,
        "secretAccessKey": {"file": "key"}, "sessionToken": {"file": "session"},
    });
    let provider = opened_with(settings, OwnSecrets::new(), Some(root.path()))?;
    let denied = error(&provider, &at("held")).await;
    assert_eq!(denied.fault, Fault::Denied, "{denied}");
    let token = session.token.context("a session without a token")?;
    private(root.path(), "session", &token)?;
    assert_eq!(value(&provider, &at("held")).await?, b"ours");

    // As refs, the way most have them.
    let own = |text: &str| anyhow::Ok(Arc::new(SecretValue::new(text.as_bytes().to_vec())?));
    let secrets =
        [("secretAccessKey", own(&session.secret)?), ("sessionToken", own(&token)?)].into();
    let settings = json!({
        "endpoint": moto.address(), "accessKeyId": session.id,
        "sessionToken": {"secretRef": "aws-session"},
    });
    assert_eq!(value(&opened_with(settings, secrets, None)?, &at("held")).await?, b"ours");
    Ok(())
}

#[tokio::test]
async fn nothing_of_a_secret_is_logged() -> Result<()> {
    let Some(mut world) = Aws::new().await? else { return Ok(()) };
    let place = world.put("held", &Held::value(CANARY)).await?;
    let next = json!({
        "SecretId": "held", "SecretString": format!("next-{CANARY}"),
        "VersionStages": ["AWSPENDING"],
    });
    world.moto.ask("PutSecretValue", &next).await?;
    let session = format!("session-{TOKEN}");
    let own = |text: &str| anyhow::Ok(Arc::new(SecretValue::new(text.as_bytes().to_vec())?));
    let own = [("secretAccessKey", own(TOKEN)?), ("sessionToken", own(&session)?)].into();
    let settings = json!({
        "endpoint": world.moto.address(), "sessionToken": {"secretRef": "aws-session"},
    });
    let (log, until_dropped) = Log::of_all();
    let provider = opened_with(settings, own, None)?;
    let found = ask(&provider, &place).await?;
    assert_eq!(found.value.expose(), CANARY.as_bytes());
    assert!(found.pending.known().is_some());
    provider.check().await?;
    error(&provider, &world.nowhere()).await;
    // Connections are tasks of their own, which the client starts: they are heard.
    tracing::info!("and it is listened to");
    drop(until_dropped);
    let said = log.said();
    assert!(said.contains("and it is listened to"), "{said}");
    assert!(!said.contains(CANARY) && !said.contains(TOKEN), "{said}");
    Ok(())
}

#[tokio::test]
async fn eight_requests_are_under_way_whoever_asks() -> Result<()> {
    let server = Faulty::start(Trouble::Silent).await?;
    let provider = opened(json!({"endpoint": server.url()}), TOKEN, None)?;
    let places: Vec<_> = (0..8).map(|_| at("somewhere")).collect();
    let (first, second) = (provider.fetch(&places), provider.fetch(&places));
    let (Either::Left((answers, _)) | Either::Right((answers, _))) =
        select(pin!(first), pin!(second)).await;
    assert!(answers.iter().all(|it| it.as_ref().is_err_and(|it| it.fault == Fault::TimedOut)));
    let asked = server.requests();
    assert!((8..16).contains(&asked), "{asked} were under way at once");
    Ok(())
}

#[tokio::test]
async fn of_many_secrets_those_that_are_reached_are_kept() -> Result<()> {
    let server = Faulty::start(Trouble::Silent).await?;
    let provider = opened(json!({"endpoint": server.url()}), TOKEN, None)?;
    let places: Vec<_> = (0..24).map(|_| at("somewhere")).collect();
    let answers = provider.fetch(&places).await;
    let faults: Vec<_> = answers.into_iter().map(|it| it.err().map(silent)).collect();
    let late = |it: &Option<secretref_broker::providers::ProviderError>| {
        it.as_ref().is_some_and(|it| it.message.contains("this one too"))
    };
    assert!(faults.iter().flatten().all(|it| it.fault == Fault::TimedOut), "{faults:?}");
    assert!(!late(&faults[0]), "the first has an answer of its own: {:?}", faults[0]);
    assert!(late(&faults[23]), "the last was not reached: {:?}", faults[23]);
    Ok(())
}
