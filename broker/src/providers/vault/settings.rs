//! What a manifest says of a Vault.

use crate::providers::{OwnSecrets, ProviderError};
use reqwest::{Url, header::HeaderValue};
use secretref_domain::{
    fault::Fault, loopback::LoopbackUrl, name::ProviderAlias, reference::ProviderSpec,
    value::SecretValue,
};
use serde_json::{Map, Value};
use std::{net::SocketAddr, path::PathBuf, sync::Arc};

pub(super) struct Settings {
    pub(super) alias: ProviderAlias,
    pub(super) address: Url,
    /// Where to connect, where the address is plain HTTP: this host and no other.
    pub(super) loopback: Option<SocketAddr>,
    /// Without slashes at its ends.
    pub(super) mount: String,
    pub(super) namespace: Option<HeaderValue>,
    /// Authorities of the server's certificate; absent: those of the host.
    pub(super) ca_file: Option<PathBuf>,
    pub(super) auth: Auth,
}

/// How the broker is let in.
pub(super) enum Auth {
    Token(Own),
    AppRole { mount: String, role_id: String, secret_id: Own },
}

/// A secret of the provider's own.
pub(super) struct Own {
    /// Key of the settings.
    pub(super) key: &'static str,
    pub(super) place: OwnPlace,
}

pub(super) enum OwnPlace {
    Given(Arc<SecretValue>),
    File(PathBuf),
}

impl Settings {
    pub(super) fn read(
        alias: &ProviderAlias,
        spec: &ProviderSpec,
        own: &OwnSecrets,
    ) -> Result<Self, ProviderError> {
        let members = &spec.settings;
        let lacks = |key: &str| {
            let fix = format!("set `secrets.providers.{alias}.{key}` and apply again");
            ProviderError::new(Fault::Misconfigured, format!("has no `{key}`"), fix)
        };
        let given = text(members, "address").ok_or_else(|| lacks("address"))?;
        let (address, loopback) = address(alias, given)?;
        let auth = members.get("auth").and_then(Value::as_object).ok_or_else(|| lacks("auth"))?;
        let auth = match text(auth, "method") {
            Some("approle") => Auth::AppRole {
                mount: mount(auth, "approle", alias)?,
                role_id: text(auth, "roleId").ok_or_else(|| lacks("auth.roleId"))?.to_owned(),
                secret_id: Own::of(auth, "secretId", "auth.secretId", own)
                    .ok_or_else(|| lacks("auth.secretId"))?,
            },
            Some("token") => Auth::Token(
                Own::of(auth, "token", "auth.token", own).ok_or_else(|| lacks("auth.token"))?,
            ),
            _ => return Err(lacks("auth.method")),
        };
        Ok(Self {
            alias: alias.clone(),
            address,
            loopback,
            mount: mount(members, "secret", alias)?,
            namespace: text(members, "namespace").map(|it| namespace(alias, it)).transpose()?,
            ca_file: text(members, "caFile").map(PathBuf::from),
            auth,
        })
    }

    /// The command that says how it is.
    pub(super) fn check_command(&self) -> String {
        format!("secretref provider check {}", self.alias)
    }
}

impl Own {
    fn of(
        auth: &Map<String, Value>,
        name: &str,
        key: &'static str,
        own: &OwnSecrets,
    ) -> Option<Self> {
        let file = auth.get(name).and_then(|it| it.get("file")).and_then(Value::as_str);
        let place = match file {
            Some(path) => OwnPlace::File(PathBuf::from(path)),
            None => OwnPlace::Given(Arc::clone(own.get(key)?)),
        };
        Some(Self { key, place })
    }
}

fn text<'a>(members: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    members.get(key)?.as_str()
}

/// A mount without slashes at its ends.
fn mount(
    members: &Map<String, Value>,
    default: &str,
    alias: &ProviderAlias,
) -> Result<String, ProviderError> {
    let mount = text(members, "mount").unwrap_or(default).trim_matches('/');
    if mount.split('/').any(|part| ["", ".", ".."].contains(&part)) {
        return Err(ProviderError::new(
            Fault::Misconfigured,
            format!("has the `mount` {mount:?}, which is none"),
            format!("bao secrets list; then set `secrets.providers.{alias}.mount`"),
        ));
    }
    Ok(mount.to_owned())
}

/// A namespace as a header can have it, without slashes at its ends.
fn namespace(alias: &ProviderAlias, given: &str) -> Result<HeaderValue, ProviderError> {
    HeaderValue::from_str(given.trim_matches('/')).map_err(|_| {
        ProviderError::new(
            Fault::Misconfigured,
            "has a `namespace` with a character that none has",
            format!("bao namespace list; then set `secrets.providers.{alias}.namespace`"),
        )
    })
}

/// The address, and where to connect where it is plain HTTP: the token must not pass a network
/// that anybody may listen to.
fn address(alias: &ProviderAlias, given: &str) -> Result<(Url, Option<SocketAddr>), ProviderError> {
    let wrong = |why: &str| {
        ProviderError::new(
            Fault::Misconfigured,
            format!("has an `address` that {why}"),
            format!("set `secrets.providers.{alias}.address` to https://HOST:PORT"),
        )
    };
    let url = Url::parse(given).map_err(|_| wrong("is none"))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("has a query or a fragment"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("has a user or a password in it"));
    }
    match url.scheme() {
        "https" if url.host_str().is_some() => Ok((url, None)),
        "http" => match LoopbackUrl::parse(given) {
            Ok(local) => Ok((url, Some(local.address()))),
            Err(_) => {
                Err(wrong("is plain http and leads to another host: the token would be read"))
            }
        },
        _ => Err(wrong("is not https")),
    }
}
