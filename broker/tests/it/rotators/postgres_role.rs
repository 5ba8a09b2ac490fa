//! Roles of a real Postgres.

mod one {
    use super::super::suite::conforms;
    conforms!(super::One);
}
mod two {
    use super::super::suite::conforms;
    conforms!(super::Two);
}

use super::{World, credential, opened};
use anyhow::{Context, Result};
use secretref_broker::{
    permits::Permits,
    rotators::{Credential, Rotator, RotatorError},
};
use secretref_domain::rotation::RotatorKind;
use secretref_testkit::{faulty::nobody, postgres, sql::Sql};
use serde_json::{Value, json};
use uuid::Uuid;

/// A database of one's own, with two roles of which the first may come in.
struct Place {
    admin: String,
    /// `HOST:PORT/DATABASE`.
    address: String,
    users: [String; 2],
    nowhere: String,
}

/// One role.
struct One(Place);
/// Two that take turns.
struct Two(Place);

const FIRST: &str = "first-password-1";

impl Place {
    async fn new() -> Result<Self> {
        let url = postgres::database().await?;
        let admin = url.split('?').next().unwrap_or_default().to_owned();
        let address = admin.rsplit_once('@').context("no address")?.1.to_owned();
        // Roles are the cluster's, and tests share it.
        let name = Uuid::new_v4().simple().to_string();
        let users = [format!("app \"{name}\" a"), format!("app_{name}_b")];
        let mut sql = Sql::connect(&admin).await?;
        let quoted = users[0].replace('"', "\"\"");
        sql.run(&format!("CREATE ROLE \"{quoted}\" LOGIN PASSWORD '{FIRST}'")).await?;
        sql.run(&format!("CREATE ROLE \"{}\" NOLOGIN", users[1])).await?;
        let nowhere = nobody().await?.trim_start_matches("http://").to_owned();
        Ok(Self { admin, address, users, nowhere })
    }

    fn url(&self, user: &str, password: &str) -> String {
        let user = user.replace(' ', "%20").replace('"', "%22");
        format!("postgres://{user}:{password}@{}", self.address)
    }

    async fn open(&self, more: &Value, address: &str) -> Result<Rotator, RotatorError> {
        let mut settings = json!({"address": address});
        for (key, value) in more.as_object().into_iter().flatten() {
            settings[key] = value.clone();
        }
        let admin = [("admin", self.admin.as_str())];
        opened(RotatorKind::PostgresRole, &settings, &admin, Permits::default()).await
    }
}

impl World for One {
    const OVERLAPS: bool = false;

    async fn new() -> Result<Option<Self>> {
        Place::new().await.map(Self).map(Some)
    }

    async fn open(&self) -> Result<Rotator, RotatorError> {
        self.0.open(&json!({"users": [self.0.users[0]]}), &self.0.address).await
    }

    async fn nowhere(&self) -> Result<Rotator, RotatorError> {
        let address = format!("{}/orders", self.0.nowhere);
        self.0.open(&json!({"users": [self.0.users[0]]}), &address).await
    }

    async fn first(&self) -> Result<Credential> {
        credential(FIRST)
    }

    fn wrong(&self) -> Result<Credential> {
        credential("never-a-password")
    }

    async fn works(&self, it: &Credential) -> Result<bool> {
        let password = std::str::from_utf8(it.value.expose())?;
        Ok(Sql::connect(&self.0.url(&self.0.users[0], password)).await.is_ok())
    }
}

impl World for Two {
    const OVERLAPS: bool = true;

    async fn new() -> Result<Option<Self>> {
        Place::new().await.map(Self).map(Some)
    }

    async fn open(&self) -> Result<Rotator, RotatorError> {
        self.0.open(&json!({"users": self.0.users}), &self.0.address).await
    }

    async fn nowhere(&self) -> Result<Rotator, RotatorError> {
        self.0.open(&json!({"users": self.0.users}), &format!("{}/orders", self.0.nowhere)).await
    }

    async fn first(&self) -> Result<Credential> {
        credential(&self.0.url(&self.0.users[0], FIRST))
    }

    fn wrong(&self) -> Result<Credential> {
        credential(&self.0.url(&self.0.users[1], "never-a-password"))
    }

    async fn works(&self, it: &Credential) -> Result<bool> {
        Ok(Sql::connect(std::str::from_utf8(it.value.expose())?).await.is_ok())
    }
}

#[tokio::test]
async fn what_the_administrator_may_not_do_is_told_apart() -> Result<()> {
    let place = Place::new().await?;
    let mut sql = Sql::connect(&place.admin).await?;
    let weak = format!("weak_{}", Uuid::new_v4().simple());
    sql.run(&format!("CREATE ROLE {weak} LOGIN PASSWORD 'weak'")).await?;
    let old = credential(&place.url(&place.users[0], FIRST))?;
    let task = super::task(&old);
    for (admin, users, said) in [
        (place.url(&weak, "weak"), place.users.clone(), "may not alter role"),
        (place.url(&weak, "wrong"), place.users.clone(), "is not let in"),
        (
            place.admin.clone(),
            [place.users[0].clone(), "no_such_role".to_owned()],
            "finds no role \"no_such_role\"",
        ),
    ] {
        let settings = json!({"address": place.address, "users": users});
        let own = [("admin", admin.as_str())];
        let rotator =
            opened(RotatorKind::PostgresRole, &settings, &own, Permits::default()).await?;
        let new = super::minted(rotator.mint(&task).await?);
        let refused = rotator.set(&task, &new).await.expect_err("it was done");
        let refused = super::silent(refused, &[&old, &new]);
        assert!(refused.lasting && refused.message.contains(said), "{said}: {refused}");
    }
    Ok(())
}
