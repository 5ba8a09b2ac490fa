//! Writing back to a real OpenBao.

use super::{Vault, opened};
use crate::providers::{
    CANARY, World, at, silent, value,
    write::{write, write_in_the_end},
};
use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use secretref_domain::fault::Fault;
use serde_json::json;

#[tokio::test]
async fn other_fields_and_records_stay_as_they_are() -> Result<()> {
    let Some(world) = Vault::new().await? else { return Ok(()) };
    let (provider, bao) = (world.open()?, &world.bao);
    let before = json!({"key": "old", "user": "u", "deep": {"value": "old", "provider": "p"},
        "createdAt": "2026-03-08T04:12:00Z", "value": "old", "expiresAt": "2027-03-08T04:12:00Z"});
    bao.kv_put("team/stripe", &before).await?;
    let newest = async || -> Result<_> {
        let read = bao.read("secret/data/team/stripe").await?;
        Ok((read["data"]["data"].clone(), read["data"]["metadata"]["version"].clone()))
    };
    write(&provider, &at("team/stripe#key"), "new", Some("2028-01-01T00:00:00Z")).await?;
    let mut wanted = before.clone();
    wanted["key"] = "new".into();
    assert_eq!(newest().await?, (wanted.clone(), json!(2)), "a text has no expiry");
    write(&provider, &at("team/stripe#deep"), "deeper", Some("2028-01-01T00:00:00Z")).await?;
    wanted["deep"] =
        json!({"value": "deeper", "provider": "p", "expiresAt": "2028-01-01T00:00:00Z"});
    assert_eq!(newest().await?, (wanted.clone(), json!(3)));
    write(&provider, &at("team/stripe"), "whole", None).await?;
    let (fields, _) = newest().await?;
    assert_eq!((&fields["value"], &fields["user"]), (&json!("whole"), &json!("u")));
    assert_eq!(fields.get("expiresAt"), None);
    assert_ne!(fields["createdAt"], before["createdAt"], "a new value was not made then");
    // A path of its own gets nothing that its version says already.
    bao.kv_put("alone", &json!({"value": "old"})).await?;
    write(&provider, &at("alone"), "new", None).await?;
    assert_eq!(bao.read("secret/data/alone").await?["data"]["data"], json!({"value": "new"}));
    Ok(())
}

#[tokio::test]
async fn of_many_writes_at_once_none_is_lost() -> Result<()> {
    let Some(world) = Vault::new().await? else { return Ok(()) };
    let names: Vec<_> = (0..10).map(|number| format!("field-{number}")).collect();
    let before = names.iter().map(|name| (name.clone(), "before".into())).collect();
    world.bao.kv_put("shared", &serde_json::Value::Object(before)).await?;
    let provider = world.open()?;
    let written = names.iter().map(async |name| {
        let place = at(&format!("shared#{name}"));
        write_in_the_end(&provider, &place, &format!("after {name}")).await
    });
    try_join_all(written).await?;
    for name in names {
        let found = value(&provider, &at(&format!("shared#{name}"))).await?;
        assert_eq!(found, format!("after {name}").as_bytes());
    }
    Ok(())
}

#[tokio::test]
async fn who_may_only_read_is_told_what_lacks() -> Result<()> {
    let Some(world) = Vault::new().await? else { return Ok(()) };
    world.bao.kv_put("team/stripe", &json!({"value": "old"})).await?;
    world.bao.allow_reading("reader", "team/*").await?;
    let properties = json!({"policies": ["reader"], "no_default_policy": false});
    let token = world.bao.create_token(&properties).await?;
    let provider = opened(&json!({"address": world.bao.address()}), &token, None)?;
    let outcome = write(&provider, &at("team/stripe"), CANARY, None).await;
    let error = silent(outcome.err().context("it was written")?);
    assert_eq!(error.fault, Fault::Denied, "{error}");
    assert!(error.fix.contains("`update` on secret/data/team/stripe"), "{error}");
    assert_eq!(value(&provider, &at("team/stripe")).await?, b"old");
    Ok(())
}
