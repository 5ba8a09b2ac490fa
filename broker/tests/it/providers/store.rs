//! The broker's own store, which is asked by nobody: what a ref that lies in it comes to.
//!
//! It has no wire, so of the faults there is one, that it has nothing. A row that does not open is
//! no fault but an alarm: nothing stands in for it.

use crate::{
    place::{Place, ada, apply, join, name, put},
    providers::CANARY,
};
use anyhow::{Context, Result, ensure};
use secretref_broker::{
    custody::{Custody, Frame, Observation, Seen},
    providers::{OwnSecrets, Permits, Provider},
};
use secretref_domain::{
    fault::Fault,
    limit::VALUE_BYTES_MAX,
    name::ProviderAlias,
    reference::{ProviderKind, ProviderSpec},
    value::SecretValue,
    version::Ahead,
};
use secretref_testkit::{engine::Engine, on_both_engines};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

on_both_engines!(
    values_are_exact_and_new_ones_come_unasked,
    what_is_not_there_is_said_with_what_helps,
    another_place_stands_in_for_what_is_not_there,
    nothing_stands_in_for_a_row_that_does_not_open,
);

/// An agent with one ref, and what it is owed of it.
struct World {
    place: Place,
    custody: Custody,
}

impl World {
    /// The ref lies where this says.
    async fn with(engine: Engine, reference: Value) -> Result<Self> {
        let place = Place::found(engine).await?;
        let custody = place.open().await?;
        let manifest = json!({
            "agents": {"worker": {"tool-bindings": {"tool": {"credentials": {
                "key": {"secretRef": REF, "file": "key"}
            }}}}},
            "secrets": {"providers": {"file": {"path": "secrets.json"}}},
            "refMap": {REF: reference},
        });
        apply(&custody, &manifest.to_string()).await?;
        Ok(Self { place, custody })
    }

    async fn put(&self, secret: &str, value: &[u8]) -> Result<()> {
        self.custody.put(&ada(), put(secret, value), None).await?;
        Ok(())
    }

    async fn delete(&self, secret: &str) -> Result<()> {
        self.custody.set_deleted(&ada(), None, name(secret), true, None, None).await?;
        Ok(())
    }

    /// What an agent that comes now gets.
    async fn frame(&self) -> Result<Frame> {
        let admission = join(&self.custody, "worker").await?.admitted(&self.custody).await?;
        Ok(self.custody.frame(&admission, &BTreeMap::new(), &HashMap::new()).await?)
    }

    async fn value(&self) -> Result<Vec<u8>> {
        let frame = self.frame().await?;
        let secret = frame.secrets.first().with_context(|| format!("{:?}", frame.missing))?;
        Ok(secret.body.as_ref().context("no value")?.expose().to_vec())
    }

    /// Why there is nothing, and what helps.
    async fn missing(&self) -> Result<(String, String)> {
        let frame = self.frame().await?;
        ensure!(frame.secrets.is_empty(), "it has a value");
        let missing = frame.missing.into_iter().next().context("nothing is said")?;
        Ok((missing.reason, missing.fix))
    }

    /// The file answers that it holds this.
    async fn file_holds(&self, value: &str) -> Result<()> {
        let mut places = self.custody.itinerary().places.into_iter();
        let place = places.next().context("the file is not asked")?;
        ensure!(place.source.provider.as_str() == "file" && places.next().is_none());
        let value = SecretValue::new(value.as_bytes().to_vec())?;
        let (version, pending) = ("one".to_owned(), Ahead::Unknown);
        let seen = Seen { value, expires_at: None, created_at: None, version, pending };
        Ok(self.custody.observe(vec![Observation { place, answer: Ok(seen) }]).await?)
    }
}

async fn values_are_exact_and_new_ones_come_unasked(engine: Engine) -> Result<()> {
    let world = World::with(engine, json!({"provider": "store", "target": "team/a"})).await?;
    ensure!(world.custody.itinerary().places.is_empty(), "the store is asked");
    let longest = vec![b'x'; VALUE_BYTES_MAX];
    for value in
        [b" spaced \t".as_slice(), b"two\nlines\n", b"{\"value\": 1}", &[0xff, 0, 1], &longest]
    {
        world.put("team/a", value).await?;
        ensure!(world.value().await? == value, "it has another value");
    }
    let error = Provider::open(
        &ProviderAlias::parse("store")?,
        &ProviderSpec { kind: ProviderKind::Store, settings: Map::new() },
        &Arc::new(Permits::default()),
        &OwnSecrets::new(),
    );
    ensure!(error.is_err_and(|it| it.fault == Fault::Misconfigured), "it is asked like others");
    Ok(())
}

async fn what_is_not_there_is_said_with_what_helps(engine: Engine) -> Result<()> {
    let world = World::with(engine, json!({"provider": "store", "target": "team/a"})).await?;
    let (reason, fix) = world.missing().await?;
    ensure!(reason.contains("team/a") && fix == "secretref put team/a", "{reason}: {fix}");
    world.put("team/a", b"there").await?;
    ensure!(world.value().await? == b"there");
    world.delete("team/a").await?;
    let (reason, fix) = world.missing().await?;
    ensure!(reason.contains("deleted") && fix.starts_with("secretref "), "{reason}: {fix}");
    Ok(())
}

async fn another_place_stands_in_for_what_is_not_there(engine: Engine) -> Result<()> {
    let chain = json!({"provider": "store", "fallback": [{"provider": "file"}]});
    let world = World::with(engine, chain).await?;
    let (reason, _) = world.missing().await?;
    ensure!(reason.contains("has no secret") && reason.contains("was not asked yet"), "{reason}");
    world.file_holds("of the file").await?;
    ensure!(world.value().await? == b"of the file");
    world.put(REF, b"of the store").await?;
    ensure!(world.value().await? == b"of the store");
    world.delete(REF).await?;
    ensure!(world.value().await? == b"of the file");
    Ok(())
}

async fn nothing_stands_in_for_a_row_that_does_not_open(engine: Engine) -> Result<()> {
    for column in ["wrapped", "sealed"] {
        let chain = json!({"provider": "store", "fallback": [{"provider": "file"}]});
        let mut world = World::with(engine, chain).await?;
        world.file_holds("of the file").await?;
        let done = world.custody.put(&ada(), put(REF, CANARY.as_bytes()), None).await?;
        ensure!(world.value().await? == CANARY.as_bytes());
        let id = done.answer.0.id.0.simple();
        let id = match engine {
            Engine::Sqlite => format!("x'{id}'"),
            Engine::Postgres => format!("'\\x{id}'::bytea"),
        };
        let cut = format!("{column} = substr({column}, 1, length({column}) - 1)");
        let cut = format!("UPDATE secret_versions SET {cut} WHERE secret = {id}");
        world.place.sql().await?.tamper(&cut).await?;
        world.custody = world.place.open().await?;
        let (reason, fix) = world.missing().await?;
        ensure!(reason.contains("tampered") && !reason.contains(CANARY), "{reason}");
        ensure!(fix == format!("secretref put {REF}"), "{fix}");
    }
    Ok(())
}

const REF: &str = "api-key";
