//! Somebody writes the database past the broker, into what holds the values: only what he touched
//! is refused, and it is written down.

use crate::place::{Place, ada, apply, environment, join, manifest, name, put, read, to_apply};
use anyhow::{Context, Result, ensure};
use secretref_broker::custody::{Custody, CustodyError};
use secretref_domain::{audit::Decision, id::SecretId, version::Version};
use secretref_testkit::{engine::Engine, on_both_engines};
use std::collections::{BTreeMap, HashMap};

on_both_engines!(
    rows_in_the_wrong_place_are_refused_alone,
    edited_rows_are_refused_alone,
    an_agent_keeps_its_other_secrets,
);

/// Versions 1 and 2 of `a`, `b` beside it, and another `a` in another environment.
struct Rows {
    place: Place,
    engine: Engine,
    a: SecretId,
    b: SecretId,
    other: SecretId,
}

impl Rows {
    async fn written(engine: Engine) -> Result<Self> {
        let place = Place::found(engine).await?;
        let custody = place.open().await?;
        let first = custody.put(&ada(), put("a", b"a-1"), None).await?;
        custody.put(&ada(), put("a", b"a-2"), None).await?;
        let second = custody.put(&ada(), put("b", b"b-1"), None).await?;
        let mut elsewhere = put("a", b"x-1");
        elsewhere.environment = Some(environment("elsewhere"));
        let third = custody.put(&ada(), elsewhere, None).await?;
        let [a, b, other] = [first, second, third].map(|done| done.answer.0.id);
        Ok(Self { place, engine, a, b, other })
    }

    fn id(&self, id: SecretId) -> String {
        let hex = id.0.simple();
        match self.engine {
            Engine::Sqlite => format!("x'{hex}'"),
            Engine::Postgres => format!("'\\x{hex}'::bytea"),
        }
    }

    /// The value that stands in a column of a row.
    fn of(&self, column: &str, id: SecretId, version: i64) -> String {
        let id = self.id(id);
        format!(
            "(SELECT {column} FROM secret_versions AS other \
             WHERE other.secret = {id} AND other.version = {version})"
        )
    }

    /// Does it to the current version of `a`, and opens.
    async fn after(&self, set: &str) -> Result<Custody> {
        let a = self.id(self.a);
        let statement =
            format!("UPDATE secret_versions SET {set} WHERE secret = {a} AND version = 2");
        let mut sql = self.place.sql().await?;
        sql.tamper(&statement).await?;
        self.place.open().await
    }

    /// `a` is refused and recorded; everything else is served.
    async fn only_a_is_refused(&self, custody: &Custody, what: &str) -> Result<()> {
        let outcome = read(custody, "a").await;
        let refused = matches!(&outcome, Err(CustodyError::RowRefused { name, .. }) if name == "a");
        ensure!(refused, "{what}: {outcome:?}");
        let trail = self.place.trail().await?;
        let alarm = trail.iter().rfind(|entry| entry.action == "secret.refuse");
        let alarm = alarm.with_context(|| format!("{what}: it is not recorded"))?;
        ensure!(alarm.decision == Decision::Denied && alarm.reason.starts_with("ALARM"), "{what}");
        let of = (alarm.object.as_str(), alarm.object_id, alarm.version);
        ensure!(of == ("a", self.a.0, 2), "{what}: {alarm:?}");
        let older =
            custody.access(&ada(), None, &name("a"), Some(Version::FIRST), "a test").await?;
        ensure!(older.value.expose() == b"a-1".as_slice(), "{what}: the version before");
        ensure!(read(custody, "b").await? == b"b-1", "{what}: another secret");
        let elsewhere = Some(environment("elsewhere"));
        let other = custody.access(&ada(), elsewhere, &name("a"), None, "a test").await?;
        ensure!(other.value.expose() == b"x-1".as_slice(), "{what}: another environment");
        // A new version heals it.
        custody.put(&ada(), put("a", b"a-3"), None).await?;
        ensure!(read(custody, "a").await? == b"a-3", "{what}: a new version");
        Ok(())
    }
}

async fn rows_in_the_wrong_place_are_refused_alone(engine: Engine) -> Result<()> {
    for columns in [&["sealed"][..], &["wrapped"], &["sealed", "wrapped"]] {
        for of in ["another secret", "an older version", "another environment"] {
            let rows = Rows::written(engine).await?;
            let (id, version) = match of {
                "another secret" => (rows.b, 1),
                "an older version" => (rows.a, 1),
                _ => (rows.other, 1),
            };
            let set: Vec<_> = columns
                .iter()
                .map(|column| format!("{column} = {}", rows.of(column, id, version)))
                .collect();
            let custody = rows.after(&set.join(", ")).await?;
            rows.only_a_is_refused(&custody, &format!("{columns:?} of {of}")).await?;
        }
    }
    Ok(())
}

async fn edited_rows_are_refused_alone(engine: Engine) -> Result<()> {
    let stranger = SecretId(uuid::Uuid::from_u128(9));
    for what in ["wrapped", "sealed", "environment", "secret", "version"] {
        let rows = Rows::written(engine).await?;
        let set = match what {
            "environment" => "environment = 'elsewhere'".to_owned(),
            "secret" => format!("secret = {}", rows.id(stranger)),
            "version" => "version = 9".to_owned(),
            column => format!("{column} = substr({column}, 1, length({column}) - 1)"),
        };
        let custody = rows.after(&set).await?;
        rows.only_a_is_refused(&custody, what).await?;
    }
    Ok(())
}

async fn an_agent_keeps_its_other_secrets(engine: Engine) -> Result<()> {
    let rows = Rows::written(engine).await?;
    let custody = rows.place.open().await?;
    apply(&custody, &manifest("worker", &["a", "b"])).await?;
    let worker = join(&custody, "worker").await?;
    drop(custody);
    let custody = rows.after(&format!("sealed = {}", rows.of("sealed", rows.b, 1))).await?;
    let admission = worker.admitted(&custody).await?;
    let frame = custody.frame(&admission, &BTreeMap::new(), &HashMap::new()).await?;
    let values: Vec<_> = frame
        .secrets
        .iter()
        .map(|it| (it.desired.name.as_str(), it.body.as_ref().map(|body| body.expose())))
        .collect();
    ensure!(values.len() == 1 && values[0].0 == "b", "{values:?}");
    ensure!(values[0].1.as_deref() == Some(b"b-1"), "{values:?}");
    ensure!(frame.missing.len() == 1, "{:?}", frame.missing);
    ensure!(frame.missing[0].reason.contains("tampered"), "{:?}", frame.missing);
    let trail = rows.place.trail().await?;
    let alarms = trail.iter().filter(|entry| entry.action == "secret.refuse").count();
    ensure!(alarms == 1, "{alarms} alarms");

    // Who holds the version before keeps it: it is not told to take it away.
    let held = custody.list_versions(&ada(), None, &name("a")).await?;
    ensure!(held.len() == 2, "{held:?}");
    let digest = secretref_domain::id::Digest([1; 32]);
    let sent = BTreeMap::from([(name("a"), (Version::FIRST, digest))]);
    let frame = custody.frame(&admission, &sent, &HashMap::new()).await?;
    let kept = frame.secrets.iter().find(|it| it.desired.name == name("a")).context("no a")?;
    ensure!(kept.desired.version == Version::FIRST && kept.body.is_none(), "{:?}", kept.desired);
    ensure!(frame.removed.is_empty(), "{:?}", frame.removed);
    let unchanged =
        custody.apply(&ada(), to_apply(&manifest("worker", &["a", "b"])), Vec::new(), None).await?;
    ensure!(unchanged.answer.changes.iter().all(|it| it.action == "unchanged"), "{unchanged:?}");
    Ok(())
}
