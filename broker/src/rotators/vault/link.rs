//! Requests to a Vault: with the rotator's token, to the one address and nowhere else.

use super::Current;
use crate::{
    outbound,
    permits::Permits,
    rotators::{
        OwnSecrets, RotatorError,
        way_out::{WayOut, Wiped, may_pass},
    },
};
use reqwest::{
    Method, Url,
    header::{HeaderName, HeaderValue},
};
use secretref_domain::name::RotatorAlias;
use serde_json::{Map, Value};
use std::{path::PathBuf, sync::Arc};
use zeroize::Zeroizing;

/// The way to a Vault.
pub(super) struct Link {
    alias: RotatorAlias,
    way: WayOut,
    address: Url,
    /// Without slashes at its ends.
    mount: String,
    namespace: Option<HeaderValue>,
    token: HeaderValue,
}

impl Link {
    pub(super) async fn open(
        alias: &RotatorAlias,
        settings: &Map<String, Value>,
        mount: &str,
        permits: &Arc<Permits>,
        own: &OwnSecrets,
    ) -> Result<Self, RotatorError> {
        let text = |key: &str| settings.get(key).and_then(Value::as_str);
        let wrong = |key: &str, why: &str| {
            let fix = format!("set `secrets.rotators.{alias}.{key}` and apply again");
            RotatorError::lasting(alias, format!("has a `{key}` that {why}"), fix)
        };
        let address = outbound::address(text("address").unwrap_or_default())
            .map_err(|error| wrong("address", &format!("is none: {error}")))?;
        let is_bare = address.query().is_none()
            && address.fragment().is_none()
            && address.username().is_empty()
            && address.password().is_none();
        if !is_bare {
            return Err(wrong("address", "has a user, a query or a fragment in it"));
        }
        let namespace = text("namespace").map(|it| HeaderValue::from_str(it.trim_matches('/')));
        let namespace = namespace
            .transpose()
            .map_err(|_| wrong("namespace", "has a character that none has"))?;
        let token = own.get("token").ok_or_else(|| wrong("secrets", "has no `token`"))?;
        let mut token = HeaderValue::from_bytes(token.expose().trim_ascii_end())
            .map_err(|_| wrong("secrets.token", "has a character that no token has"))?;
        token.set_sensitive(true);
        let way = WayOut::open(alias, permits, text("caFile").map(PathBuf::from)).await?;
        let (alias, mount) = (alias.clone(), mount.to_owned());
        Ok(Self { alias, way, address, mount, namespace, token })
    }

    pub(super) fn mount(&self) -> &str {
        &self.mount
    }

    /// What stands at a path of a KV engine.
    pub(super) async fn current(&self, path: &str) -> Result<Current, RotatorError> {
        let mut answer = self.ask(Method::GET, &["data", path], None).await?;
        let version = answer.0.pointer("/data/metadata/version").and_then(Value::as_u64);
        let fields = answer.0.pointer_mut("/data/data").map(Value::take);
        match (version, fields) {
            (Some(version), Some(fields @ Value::Object(_))) => {
                Ok(Current { version, fields: Wiped(fields) })
            }
            _ => Err(self.malformed("a path")),
        }
    }

    /// Writes a version at a path of a KV engine.
    pub(super) async fn write(&self, path: &str, version: &Wiped) -> Result<(), RotatorError> {
        self.ask(Method::POST, &["data", path], Some(version)).await.map(drop)
    }

    /// The current credential of a static role.
    pub(super) async fn credentials(&self, role: &str) -> Result<Wiped, RotatorError> {
        self.ask(Method::GET, &["static-creds", role], None).await
    }

    /// Has a static role get a new password.
    pub(super) async fn rotate(&self, role: &str) -> Result<(), RotatorError> {
        self.ask(Method::POST, &["rotate-role", role], None).await.map(drop)
    }

    pub(super) fn malformed(&self, what: &str) -> RotatorError {
        let message = format!("is answered about {what} as no Vault answers");
        let fix =
            format!("bao secrets list; look whether {}/ is the engine it should be", self.mount);
        RotatorError::lasting(&self.alias, message, fix)
    }

    async fn ask(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&Wiped>,
    ) -> Result<Wiped, RotatorError> {
        let mut url = self.address.clone();
        let parts = || self.mount.split('/').chain(path.iter().flat_map(|part| part.split('/')));
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(parts());
        }
        let shown = parts().collect::<Vec<_>>().join("/");
        let wants = if method == Method::GET { "read" } else { "update" };
        let mut request = self.way.client().request(method, url).header(FOR_VAULT, "true");
        request = request.header(TOKEN, self.token.clone());
        if let Some(namespace) = &self.namespace {
            request = request.header(NAMESPACE, namespace.clone());
        }
        if let Some(body) = body {
            let body = Zeroizing::new(body.0.to_string());
            request = request.body(body.as_bytes().to_vec());
        }
        let answered = self.way.send(request, &shown).await?;
        let said = format!("is answered {} for {shown}", answered.status);
        let lasting = |fix: String| Err(RotatorError::lasting(&self.alias, said.clone(), fix));
        match answered.status {
            200 => Wiped::read(&answered.body).ok_or_else(|| self.malformed("a path")),
            204 => Ok(Wiped(Value::Null)),
            // Somebody wrote between reading and writing: it is looked at again.
            400 if is_outrun(&answered.body) => {
                let message = format!("was outrun by another writer at {shown}");
                Err(RotatorError::passing(&self.alias, message, "look who else writes there"))
            }
            status if may_pass(status) => {
                Err(RotatorError::passing(&self.alias, said.clone(), "bao status"))
            }
            401 | 403 => lasting(format!("give the token's policy `{wants}` on {shown}")),
            404 => lasting(format!("bao secrets list; look whether {shown} is there")),
            _ => lasting("look at the log of the Vault".to_owned()),
        }
    }
}

/// Whether a write came to nothing because the version was not the newest any more.
fn is_outrun(body: &[u8]) -> bool {
    let Some(said) = Wiped::read(body) else { return false };
    let errors = said.0.get("errors").and_then(Value::as_array).into_iter().flatten();
    errors.filter_map(Value::as_str).any(|it| it.contains("check-and-set"))
}

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
const FOR_VAULT: HeaderName = HeaderName::from_static("x-vault-request");
