//! KV version 2 of a real OpenBao.

mod own;
mod write;

use super::{
    Aimed, CANARY, Held, Remote, TOKEN, World, at, remote::conforms_remotely, write::is_written,
};
use anyhow::Result;
use secretref_broker::providers::{OwnSecrets, Permits, Place, Provider};
use secretref_domain::{
    name::ProviderAlias,
    reference::{ProviderKind, ProviderSpec},
    value::SecretValue,
};
use secretref_testkit::{authority::Authority, openbao::OpenBao};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

struct Vault {
    bao: OpenBao,
}

impl World for Vault {
    const HOLDS_BYTES: bool = false;
    const HOLDS_RECORDS: bool = true;
    const HOLDS_TOO_MUCH: bool = true;
    const CHANGES: bool = true;

    async fn new() -> Result<Option<Self>> {
        Ok(OpenBao::start().await?.map(|bao| Self { bao }))
    }

    async fn put(&mut self, name: &str, held: &Held) -> Result<Place> {
        let mut fields = json!({"value": held.text()});
        if let Some(expires_at) = held.expires_at {
            fields["expiresAt"] = expires_at.into();
        }
        self.bao.kv_put(name, &fields).await?;
        Ok(at(name))
    }

    fn nowhere(&self) -> Place {
        at("nowhere")
    }

    fn open(&self) -> Result<Provider> {
        opened(&json!({"address": self.bao.address()}), self.bao.token(), None)
    }
}

impl Remote for Vault {
    fn of_the_wrong_type() -> Vec<String> {
        let metadata = json!({"version": 1, "created_time": "2026-03-08T04:12:00Z"});
        let bodies = [
            json!([CANARY]),
            json!({"auth": CANARY}),
            json!({"data": null, "request_id": CANARY}),
            json!({"data": {"data": [CANARY], "metadata": metadata}}),
            json!({"data": {"data": {"value": {"value": [CANARY]}}, "metadata": metadata}}),
            json!({"data": {"data": {"value": 7, "other": CANARY}, "metadata": metadata}}),
            json!({"data": {"data": {"value": "", "other": CANARY}, "metadata": metadata}}),
            json!({"data": {
                "data": {"value": "v", "expiresAt": CANARY}, "metadata": metadata,
            }}),
        ];
        bodies.map(|it| it.to_string()).into()
    }

    fn aimed_at(address: &str, authority: Option<&Authority>) -> Result<Aimed> {
        let folder = tempfile::tempdir()?;
        let mut settings = json!({"address": address});
        if let Some(authority) = authority {
            private(folder.path(), "ca.pem", &authority.pem())?;
            settings["caFile"] = "ca.pem".into();
        }
        let provider = opened(&settings, TOKEN, Some(folder.path()))?;
        Ok(Aimed { provider, place: at("somewhere"), _folder: folder })
    }
}

conforms_remotely!(Vault);
is_written!(Vault);

/// A provider with these settings, let in by a token where they do not say otherwise.
fn opened(settings: &Value, secret: &str, root: Option<&Path>) -> Result<Provider> {
    let mut settings = settings.as_object().cloned().unwrap_or_default();
    let token = json!({"method": "token", "token": {"secretRef": "vault-token"}});
    settings.entry("auth").or_insert(token);
    let key = match settings["auth"]["method"].as_str() {
        Some("approle") => "auth.secretId",
        _ => "auth.token",
    };
    let own = Arc::new(SecretValue::new(secret.as_bytes().to_vec())?);
    let own = OwnSecrets::from([(key, own)]);
    let roots = root.into_iter().map(Path::to_owned).collect();
    let permits = Arc::new(Permits { roots, ..Permits::default() });
    let spec = ProviderSpec { kind: ProviderKind::Vault, settings };
    Ok(Provider::open(&ProviderAlias::parse("vault")?, &spec, &permits, &own)?)
}

/// A file that nobody else can read.
fn private(folder: &Path, name: &str, content: &str) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, content)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o600))?)
}
