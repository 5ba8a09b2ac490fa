//! Files on the broker's host.

use super::{
    Held, World, at,
    suite::conforms,
    value,
    write::{is_written, write, write_in_the_end},
};
use anyhow::Result;
use futures_util::future::try_join_all;
use secretref_broker::providers::{OwnSecrets, Permits, Place, Provider};
use secretref_domain::{
    name::ProviderAlias,
    reference::{ProviderKind, ProviderSpec},
};
use serde_json::{Map, Value, json};
use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};
use tempfile::TempDir;

struct Files {
    root: TempDir,
    records: Map<String, Value>,
}

impl Files {
    /// As an editor does: another file takes the place of the old one.
    fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let new = self.root.path().join(format!("{name}.new"));
        fs::write(&new, content)?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
        Ok(fs::rename(new, self.root.path().join(name))?)
    }
}

impl World for Files {
    const HOLDS_BYTES: bool = true;
    const HOLDS_RECORDS: bool = true;
    const HOLDS_TOO_MUCH: bool = true;
    const CHANGES: bool = true;

    async fn new() -> Result<Option<Self>> {
        let files = Self { root: tempfile::tempdir()?, records: Map::new() };
        files.write("secrets.json", b"{}")?;
        Ok(Some(files))
    }

    async fn put(&mut self, name: &str, held: &Held) -> Result<Place> {
        let Some(text) = held.text() else {
            self.write(name, &held.value)?;
            return Ok(Place { target: None, path: Some(name.to_owned()), ..at(name) });
        };
        let record = match held.expires_at {
            Some(expires_at) => json!({"value": text, "expiresAt": expires_at}),
            None => text.into(),
        };
        self.records.insert(name.to_owned(), record);
        self.write("secrets.json", &serde_json::to_vec(&self.records)?)?;
        Ok(at(name))
    }

    fn nowhere(&self) -> Place {
        at("nowhere")
    }

    fn open(&self) -> Result<Provider> {
        let permits = Permits { roots: vec![self.root.path().to_owned()], ..Permits::default() };
        let settings = Map::from_iter([("path".to_owned(), "secrets.json".into())]);
        let spec = ProviderSpec { kind: ProviderKind::File, settings };
        let alias = ProviderAlias::parse("file")?;
        Ok(Provider::open(&alias, &spec, &Arc::new(permits), &OwnSecrets::new())?)
    }
}

conforms!(Files);
is_written!(Files);

#[tokio::test]
async fn bytes_are_written_to_a_file_of_their_own() -> Result<()> {
    let Some(mut files) = Files::new().await? else { return Ok(()) };
    let place = files.put("key.der", &Held::value(vec![0xff, 0x00, b'\n'])).await?;
    let provider = files.open()?;
    for bytes in [vec![0xfe, b'\r', b'\n'], vec![b'\n'], vec![0x80, b'\r']] {
        write(&provider, &place, bytes.clone(), None).await?;
        assert_eq!(value(&provider, &place).await?, bytes);
    }
    Ok(())
}

/// Ten who write ten records of one file, each of which is lost where one does not look.
#[tokio::test]
async fn of_many_writes_at_once_none_is_lost() -> Result<()> {
    let Some(mut files) = Files::new().await? else { return Ok(()) };
    let mut places = Vec::new();
    for name in 'a'..='j' {
        places.push(files.put(&format!("many-{name}"), &Held::value("before")).await?);
    }
    let provider = files.open()?;
    let written = places.iter().zip(0..).map(async |(place, number)| {
        write_in_the_end(&provider, place, &format!("after {number}")).await
    });
    try_join_all(written).await?;
    for (place, number) in places.iter().zip(0..) {
        assert_eq!(value(&provider, place).await?, format!("after {number}").as_bytes());
    }
    Ok(())
}
