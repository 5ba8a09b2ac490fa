//! A real OpenBao: a value in it, and a role of a real Postgres behind it.

mod value {
    use super::super::suite::conforms;
    conforms!(super::WithValue);
}
mod role {
    use super::super::suite::conforms;
    conforms!(super::WithRole);
}

use super::{World, credential, minted, opened, silent, task};
use anyhow::{Context, Result, ensure};
use secretref_broker::{
    permits::Permits,
    rotators::{Credential, Rotator, RotatorError},
};
use secretref_domain::rotation::RotatorKind;
use secretref_testkit::{faulty::nobody, openbao::OpenBao, postgres, sql::Sql};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt};
use uuid::Uuid;

async fn open(address: &str, token: &str, more: &Value) -> Result<Rotator, RotatorError> {
    let mut settings = json!({"address": address.trim_end_matches('/')});
    for (key, value) in more.as_object().into_iter().flatten() {
        settings[key] = value.clone();
    }
    opened(RotatorKind::Vault, &settings, &[("token", token)], Permits::default()).await
}

/// A field of a path, beside another field.
struct WithValue {
    bao: OpenBao,
    nowhere: String,
}

impl WithValue {
    async fn fields(&self) -> Result<Value> {
        Ok(self.bao.read("secret/data/team/orders").await?["data"]["data"].clone())
    }

    fn settings(&self) -> Value {
        json!({"path": "team/orders#key", "length": 40, "alphabet": "hex", "prefix": "v-"})
    }
}

impl World for WithValue {
    const OVERLAPS: bool = false;

    async fn new() -> Result<Option<Self>> {
        let Some(bao) = OpenBao::start().await? else { return Ok(None) };
        bao.kv_put("team/orders", &json!({"key": "first-value", "user": "app"})).await?;
        Ok(Some(Self { bao, nowhere: nobody().await? }))
    }

    async fn open(&self) -> Result<Rotator, RotatorError> {
        // What it needs, and no more.
        let policy = "path \"secret/data/team/orders\" { capabilities = [\"read\", \"update\"] }";
        let policy = json!({"policy": policy});
        self.bao.write("sys/policies/acl/rotates", &policy).await.unwrap();
        let token = self.bao.create_token(&json!({"policies": ["rotates"]})).await.unwrap();
        open(self.bao.address(), &token, &self.settings()).await
    }

    async fn nowhere(&self) -> Result<Rotator, RotatorError> {
        open(&self.nowhere, "token", &self.settings()).await
    }

    async fn first(&self) -> Result<Credential> {
        credential("first-value")
    }

    fn wrong(&self) -> Result<Credential> {
        credential("never-a-value")
    }

    async fn works(&self, it: &Credential) -> Result<bool> {
        Ok(self.fields().await?["key"].as_str().map(str::as_bytes) == Some(it.value.expose()))
    }
}

/// A static role of a database engine.
struct WithRole {
    bao: OpenBao,
    nowhere: String,
    /// `HOST:PORT/DATABASE` of the Postgres.
    place: String,
    user: String,
}

impl World for WithRole {
    const OVERLAPS: bool = false;
    const ONE_WAY: bool = true;

    async fn new() -> Result<Option<Self>> {
        let Some(bao) = OpenBao::start().await? else { return Ok(None) };
        let url = postgres::database().await?;
        let (admin, place) = url.rsplit_once('@').context("no address")?;
        let (user, password) =
            admin.trim_start_matches("postgres://").split_once(':').context("no password")?;
        let name = format!("app_{}", Uuid::new_v4().simple());
        Sql::connect(&url).await?.run(&format!("CREATE ROLE {name} LOGIN PASSWORD 'x'")).await?;
        bao.write("sys/mounts/database", &json!({"type": "database"})).await?;
        let config = json!({
            "plugin_name": "postgresql-database-plugin",
            "connection_url":
                format!("postgresql://{{{{username}}}}:{{{{password}}}}@{place}?sslmode=disable"),
            "username": user,
            "password": password,
            "allowed_roles": "*",
        });
        bao.write("database/config/orders", &config).await?;
        let role = json!({"db_name": "orders", "username": name, "rotation_period": "24h"});
        bao.write("database/static-roles/app", &role).await?;
        let (place, nowhere) = (place.to_owned(), nobody().await?);
        Ok(Some(Self { bao, nowhere, place, user: name }))
    }

    async fn open(&self) -> Result<Rotator, RotatorError> {
        let policy = "path \"database/static-creds/app\" { capabilities = [\"read\"] }\n\
                      path \"database/rotate-role/app\" { capabilities = [\"update\"] }";
        let policy = json!({"policy": policy});
        self.bao.write("sys/policies/acl/rotates", &policy).await.unwrap();
        let token = self.bao.create_token(&json!({"policies": ["rotates"]})).await.unwrap();
        open(self.bao.address(), &token, &json!({"role": "app"})).await
    }

    async fn nowhere(&self) -> Result<Rotator, RotatorError> {
        open(&self.nowhere, "token", &json!({"role": "app"})).await
    }

    async fn first(&self) -> Result<Credential> {
        let said = self.bao.read("database/static-creds/app").await?;
        credential(said["data"]["password"].as_str().context("no password")?)
    }

    fn wrong(&self) -> Result<Credential> {
        credential("never-a-password")
    }

    async fn works(&self, it: &Credential) -> Result<bool> {
        let password = std::str::from_utf8(it.value.expose())?;
        let url = format!("postgres://{}:{password}@{}", self.user, self.place);
        Ok(Sql::connect(&url).await.is_ok())
    }
}

#[tokio::test]
async fn other_fields_stay_and_others_writes_are_not_lost() -> Result<()> {
    let Some(world) = WithValue::new().await? else { return Ok(()) };
    let (rotator, old) = (world.open().await?, world.first().await?);
    let task = task(&old);
    let new = minted(rotator.mint(&task).await?);
    let text = std::str::from_utf8(new.value.expose())?;
    ensure!(text.starts_with("v-") && text.len() == 42, "it is made in another way");
    rotator.set(&task, &new).await?;
    ensure!(world.fields().await?["user"] == "app", "{}", world.fields().await?);
    let again = minted(rotator.mint(&task).await?);
    let refused = rotator.set(&task, &again).await.err().context("another was overwritten")?;
    let refused = silent(refused, &[&old, &new, &again]);
    ensure!(
        refused.lasting && refused.message.contains("neither the old nor the new"),
        "{refused}"
    );
    // Who wrote meanwhile has the last word, also when it is taken back.
    world.bao.kv_put("team/orders", &json!({"key": "by-hand"})).await?;
    rotator.withdraw(&task, Some(&new)).await?;
    ensure!(world.fields().await? == json!({"key": "by-hand"}), "{}", world.fields().await?);
    Ok(())
}

#[tokio::test]
async fn a_role_is_replaced_once_and_has_the_end_that_vault_says() -> Result<()> {
    let Some(world) = WithRole::new().await? else { return Ok(()) };
    let old = world.first().await?;
    let rotator =
        open(world.bao.address(), world.bao.token(), &json!({"role": "app", "form": "json"}))
            .await?;
    let password = String::from_utf8(old.value.expose().to_vec())?;
    let first = json!({"username": world.user, "password": password}).to_string();
    let old = credential(&first)?;
    let task = task(&old);
    rotator.test(&task, &old).await?;
    let made = rotator.mint(&task).await?;
    ensure!(made.expires_at.is_some(), "it has no end");
    let again = rotator.mint(&task).await?;
    ensure!(made.value.expose() == again.value.expose(), "it was replaced twice");
    let read: Value = serde_json::from_slice(made.value.expose())?;
    ensure!(read["username"] == *world.user, "it is of another role");
    let password = read["password"].as_str().context("no password")?;
    ensure!(world.works(&credential(password)?).await?, "it does not work");
    let new = minted(made);
    // As the fix says: then the new one has ended, and the rotation can.
    ensure!(rotator.withdraw(&task, Some(&new)).await.is_err_and(|it| it.lasting));
    world.bao.write("database/rotate-role/app", &json!({})).await?;
    rotator.withdraw(&task, Some(&new)).await?;
    Ok(())
}

#[tokio::test]
async fn what_it_may_not_do_or_does_not_find_says_what_to_do() -> Result<()> {
    let Some(bao) = OpenBao::start().await? else { return Ok(()) };
    bao.kv_put("a", &json!({"value": "old"})).await?;
    bao.allow_reading("reads", "a").await?;
    let reads = bao.create_token(&json!({"policies": ["reads"]})).await?;
    let (old, new) = (credential("old")?, credential("canary-new")?);
    let task = task(&old);
    for (token, path, said, fix) in [
        ("wrong", "a", "is answered 403 for secret/data/a", "`read` on secret/data/a"),
        (&*reads, "a", "is answered 403 for secret/data/a", "`update` on secret/data/a"),
        (bao.token(), "b", "is answered 404 for secret/data/b", "whether secret/data/b is there"),
        (bao.token(), "a#other", "neither the old nor the new", "put what stands there"),
    ] {
        let rotator = open(bao.address(), token, &json!({"path": path})).await?;
        let refused = rotator.set(&task, &new).await.err().context("it was set")?;
        let refused = silent(refused, &[&new]);
        ensure!(refused.lasting && refused.message.contains(said), "{said}: {refused}");
        ensure!(refused.fix.contains(fix), "{fix}: {refused}");
    }
    Ok(())
}

#[tokio::test]
async fn one_that_is_sealed_is_waited_for_and_its_authority_is_a_file() -> Result<()> {
    let Some(bao) = OpenBao::start_sealable().await? else { return Ok(()) };
    bao.kv_put("a", &json!({"value": "old"})).await?;
    let folder = tempfile::tempdir()?;
    let authority = folder.path().join("ca.pem");
    fs::write(&authority, bao.authority().context("no authority")?.pem())?;
    fs::set_permissions(&authority, PermissionsExt::from_mode(0o600))?;
    let old = credential("old")?;
    let task = task(&old);
    let rotator = open(bao.address(), bao.token(), &json!({"path": "a"})).await?;
    let refused = rotator.test(&task, &old).await.err().context("a stranger was believed")?;
    ensure!(refused.lasting && refused.message.contains("not trusted"), "{refused}");
    let settings = json!({"address": bao.address(), "path": "a", "caFile": "ca.pem"});
    let permits = Permits { roots: vec![folder.path().to_owned()], ..Permits::default() };
    let own = [("token", bao.token())];
    let rotator = opened(RotatorKind::Vault, &settings, &own, permits).await?;
    rotator.test(&task, &old).await?;
    bao.seal().await?;
    let error = rotator.test(&task, &old).await.err().context("it is sealed")?;
    ensure!(!error.lasting && error.message.contains("is answered 503"), "{error}");
    bao.unseal().await?;
    rotator.test(&task, &old).await?;
    Ok(())
}

#[tokio::test]
async fn settings_that_are_none_are_refused_at_once() -> Result<()> {
    for (more, said) in [
        (json!({}), "needs a `path` or a `role`, and not both"),
        (json!({"path": "a", "role": "b"}), "needs a `path` or a `role`, and not both"),
        (json!({"path": "a/../b"}), "a `path` that is none"),
        (json!({"path": "a#"}), "a `path` that is none"),
        (json!({"path": "a", "form": "json"}), "a `form`, which is a role's"),
        (json!({"path": "a", "alphabet": "a"}), "an alphabet that is none"),
        (json!({"role": "a/b"}), "a `role` that is none"),
        (json!({"role": "a", "length": 5}), "a `length`, which is a path's"),
        (json!({"role": "a", "form": "url"}), "neither password nor json"),
        (json!({"role": "a", "mount": "a//b"}), "a `mount` that is none"),
        (json!({"role": "a", "address": "http://vault.example"}), "a `address` that is none"),
        (json!({"role": "a", "address": "https://u:p@vault.example"}), "a user, a query"),
        (json!({"role": "a", "caFile": "gone.pem"}), "gone.pem"),
    ] {
        let refused = open("https://vault.example", "token", &more).await.err();
        let refused = refused.with_context(|| said.to_owned())?;
        ensure!(refused.lasting && refused.message.contains(said), "{said}: {refused}");
    }
    Ok(())
}
