//! A real service over HTTP that makes credentials, in the words of several that are known.

#![expect(clippy::unwrap_used, reason = "what cannot be ends the test that it is in")]

use anyhow::Result;
use aws_lc_rs::{
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

/// The service; it ends when dropped.
pub struct Service {
    address: SocketAddr,
    keys: Keys,
    _serving: AbortOnDropHandle<()>,
}

/// What it has made.
#[derive(Clone, Default)]
pub struct Keys {
    made: Arc<Mutex<Vec<Key>>>,
    makes_invalid: Arc<AtomicBool>,
}

/// A credential that it made.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its own word for it.
    pub id: String,
    /// The credential.
    pub token: String,
    /// What it is replaced by, once, where that is so.
    pub refresh: String,
    /// What it was asked by.
    asked_by: Option<String>,
    is_valid: bool,
}

/// Who may make keys.
pub const ADMIN: &str = "sk_test_admin";

impl Service {
    /// Starts one with the ways in of `face`.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start(face: fn() -> Router<Keys>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let keys = Keys::default();
        let router = face().with_state(keys.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Ok(Self { address, keys, _serving: AbortOnDropHandle::new(serving) })
    }

    /// Its address, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it has made.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }
}

impl Keys {
    /// A new one; the same one where it is asked for in the same words.
    pub fn make(&self, prefix: &str, asked_by: Option<&str>) -> Key {
        let mut keys = self.all();
        let same = |key: &&Key| asked_by.is_some() && key.asked_by.as_deref() == asked_by;
        if let Some(key) = keys.iter().find(same) {
            return key.clone();
        }
        let word = || Uuid::new_v4().simple().to_string();
        let key = Key {
            id: format!("mk_{}", word()),
            token: format!("{prefix}{}", word()),
            refresh: format!("xoxe-1-{}", word()),
            asked_by: asked_by.map(str::to_owned),
            is_valid: !self.makes_invalid.load(Ordering::Relaxed),
        };
        keys.push(key.clone());
        key
    }

    /// From now on it makes such as it does not take itself, or those that it takes again.
    pub fn makes_invalid(&self, it_does: bool) {
        self.makes_invalid.store(it_does, Ordering::Relaxed);
    }

    /// How many it ever made.
    #[must_use]
    pub fn made(&self) -> usize {
        self.all().len()
    }

    /// Whether this is one that is valid.
    #[must_use]
    pub fn is_valid(&self, token: &str) -> bool {
        self.all().iter().any(|it| it.token == token && it.is_valid)
    }

    /// How many are valid.
    #[must_use]
    pub fn valid(&self) -> usize {
        self.all().iter().filter(|it| it.is_valid).count()
    }

    /// Ends those which this is said of; whether there were any that were valid.
    fn end(&self, which: impl Fn(&Key) -> bool) -> bool {
        let mut ended = false;
        for key in self.all().iter_mut().filter(|it| which(it)) {
            ended |= std::mem::replace(&mut key.is_valid, false);
        }
        ended
    }

    /// Uses up a refresh token; whether it was one.
    fn refresh(&self, refresh: &str) -> bool {
        let mut keys = self.all();
        let key = keys.iter_mut().find(|it| !refresh.is_empty() && it.refresh == refresh);
        key.map(|key| key.refresh.clear()).is_some()
    }

    fn all(&self) -> MutexGuard<'_, Vec<Key>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn bearer(headers: &HeaderMap) -> &str {
    header(headers, "authorization").and_then(|it| it.strip_prefix("Bearer ")).unwrap_or_default()
}

fn says(status: u16, body: Value) -> Response {
    let headers = [("content-type", "application/json")];
    (StatusCode::from_u16(status).unwrap(), headers, body.to_string()).into_response()
}

/// Stripe, as far as keys go.
pub fn stripe() -> Router<Keys> {
    async fn make(State(keys): State<Keys>, headers: HeaderMap, body: String) -> Response {
        let asked: Value = serde_json::from_str(&body).unwrap_or_default();
        if bearer(&headers) != ADMIN || asked["type"] != "secret_key" {
            return says(401, json!({"error": {"code": "invalid_api_key"}}));
        }
        let key = keys.make("sk_test_", header(&headers, "idempotency-key"));
        says(200, json!({"id": key.id, "secret_key": {"token": key.token}, "note": asked["note"]}))
    }
    async fn expire(
        State(keys): State<Keys>,
        Path(id): Path<String>,
        headers: HeaderMap,
    ) -> Response {
        if bearer(&headers) != ADMIN {
            return says(401, json!({"error": {"code": "invalid_api_key"}}));
        }
        match keys.end(|it| it.id == id) {
            true => says(200, json!({"id": id, "status": "expired"})),
            false => says(404, json!({"error": {"code": "resource_missing"}})),
        }
    }
    async fn balance(State(keys): State<Keys>, headers: HeaderMap) -> Response {
        match keys.is_valid(bearer(&headers)) {
            true => says(200, json!({"object": "balance"})),
            false => says(401, json!({"error": {"code": "invalid_api_key"}})),
        }
    }
    Router::new()
        .route("/v2/iam/api_keys", post(make))
        .route("/v2/iam/api_keys/{id}/expire", post(expire))
        .route("/v1/balance", get(balance))
}

/// A service with keys that have ids, as many have it.
pub fn keys() -> Router<Keys> {
    async fn make(State(keys): State<Keys>, headers: HeaderMap) -> Response {
        if bearer(&headers) != ADMIN {
            return says(403, json!({"error": "forbidden"}));
        }
        let key = keys.make("key-", header(&headers, "idempotency-key"));
        says(201, json!({"data": {"id": key.id, "key": key.token}, "ends": 4_102_444_800_i64}))
    }
    async fn end(State(keys): State<Keys>, Path(id): Path<String>, headers: HeaderMap) -> Response {
        if bearer(&headers) != ADMIN {
            return says(403, json!({"error": "forbidden"}));
        }
        match keys.end(|it| it.id == id) {
            true => StatusCode::NO_CONTENT.into_response(),
            false => says(404, json!({"error": "gone"})),
        }
    }
    Router::new().route("/keys", post(make)).route("/keys/{id}", delete(end)).route("/me", get(me))
}

/// A service that has one key, which whoever is let in may choose.
pub fn slot() -> Router<Keys> {
    async fn choose(State(keys): State<Keys>, headers: HeaderMap, body: String) -> Response {
        let asked: Value = serde_json::from_str(&body).unwrap_or_default();
        let Some(token) = asked["key"].as_str().filter(|_| bearer(&headers) == ADMIN) else {
            return says(403, json!({"error": "forbidden"}));
        };
        keys.end(|it| it.token != token);
        keys.make("", Some(token));
        for key in keys.all().iter_mut().filter(|it| it.asked_by.as_deref() == Some(token)) {
            token.clone_into(&mut key.token);
            key.is_valid = true;
        }
        says(200, json!({}))
    }
    Router::new().route("/key", put(choose)).route("/me", get(me))
}

async fn me(State(keys): State<Keys>, headers: HeaderMap) -> Response {
    match keys.is_valid(bearer(&headers)) {
        true => says(200, json!({"me": "it"})),
        false => says(401, json!({"error": "unauthorized"})),
    }
}

/// GitHub, as far as an app's installations go: <https://docs.github.com/rest/apps>. Whoever asks
/// signs with [`github_key`].
pub fn github() -> Router<Keys> {
    async fn make(
        State(keys): State<Keys>,
        Path(installation): Path<String>,
        headers: HeaderMap,
    ) -> Response {
        if !is_signed(bearer(&headers), "123456") || installation != "7654321" {
            return says(401, json!({"message": "A JSON web token could not be decoded"}));
        }
        let token = keys.make("ghs_", None).token;
        let expires_at = "2100-01-01T00:00:00Z";
        says(201, json!({"token": token, "expires_at": expires_at, "permissions": {}}))
    }
    async fn list(State(keys): State<Keys>, headers: HeaderMap) -> Response {
        match keys.is_valid(bearer(&headers)) {
            true => says(200, json!({"total_count": 0, "repositories": []})),
            false => says(401, json!({"message": "Bad credentials", "status": "401"})),
        }
    }
    async fn end(State(keys): State<Keys>, headers: HeaderMap) -> Response {
        match keys.end(|it| it.token == bearer(&headers)) {
            true => StatusCode::NO_CONTENT.into_response(),
            false => says(401, json!({"message": "Bad credentials", "status": "401"})),
        }
    }
    Router::new()
        .route("/app/installations/{id}/access_tokens", post(make))
        .route("/installation/repositories", get(list))
        .route("/installation/token", delete(end))
}

/// Slack, as far as token rotation goes: <https://docs.slack.dev/authentication>.
pub fn slack() -> Router<Keys> {
    async fn access(State(keys): State<Keys>, body: String) -> Response {
        let form = form(&body);
        let said = |key: &str| form.get(key).map(String::as_str).unwrap_or_default();
        let known = said("client_id") == "1111.2222" && said("client_secret") == ADMIN;
        if !known || said("grant_type") != "refresh_token" {
            return says(200, json!({"ok": false, "error": "bad_client_secret"}));
        }
        if !keys.refresh(said("refresh_token")) {
            return says(200, json!({"ok": false, "error": "invalid_refresh_token"}));
        }
        let key = keys.make("xoxe.xoxb-1-", None);
        says(
            200,
            json!({
                "ok": true,
                "access_token": key.token,
                "token_type": "bot",
                "expires_in": 43_200,
                "refresh_token": key.refresh,
            }),
        )
    }
    async fn test(State(keys): State<Keys>, headers: HeaderMap) -> Response {
        match keys.is_valid(bearer(&headers)) {
            true => says(200, json!({"ok": true, "team_id": "T0"})),
            false => says(200, json!({"ok": false, "error": "invalid_auth"})),
        }
    }
    async fn revoke(State(keys): State<Keys>, headers: HeaderMap) -> Response {
        match keys.end(|it| it.token == bearer(&headers)) {
            true => says(200, json!({"ok": true, "revoked": true})),
            false => says(200, json!({"ok": false, "error": "token_revoked"})),
        }
    }
    Router::new()
        .route("/oauth.v2.access", post(access))
        .route("/auth.test", post(test))
        .route("/auth.revoke", post(revoke))
}

/// An authorisation server: RFC 6749, RFC 7662 and RFC 7009.
pub fn oauth2() -> Router<Keys> {
    fn is_let_in(headers: &HeaderMap) -> bool {
        let pair = STANDARD.encode(format!("secretref:{ADMIN}"));
        header(headers, "authorization") == Some(&format!("Basic {pair}"))
    }
    async fn token(State(keys): State<Keys>, headers: HeaderMap, body: String) -> Response {
        if !is_let_in(&headers) {
            return says(401, json!({"error": "invalid_client"}));
        }
        let form = form(&body);
        if form.get("grant_type").is_none_or(|it| it != "client_credentials") {
            return says(400, json!({"error": "unsupported_grant_type"}));
        }
        let token = keys.make("at+/", None).token;
        let scope = form.get("scope");
        let said = json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600});
        match scope.is_some_and(|it| it == "orders:read") {
            true => says(200, said),
            false => says(400, json!({"error": "invalid_scope"})),
        }
    }
    async fn introspect(State(keys): State<Keys>, headers: HeaderMap, body: String) -> Response {
        let token = form(&body).remove("token").unwrap_or_default();
        match is_let_in(&headers) {
            true => says(200, json!({"active": keys.is_valid(&token)})),
            false => says(401, json!({"error": "invalid_client"})),
        }
    }
    async fn revoke(State(keys): State<Keys>, headers: HeaderMap, body: String) -> Response {
        if !is_let_in(&headers) {
            return says(401, json!({"error": "invalid_client"}));
        }
        let token = form(&body).remove("token").unwrap_or_default();
        keys.end(|it| it.token == token);
        StatusCode::OK.into_response()
    }
    Router::new()
        .route("/token", post(token))
        .route("/introspect", post(introspect))
        .route("/revoke", post(revoke))
}

/// The key of an app, made anew with each process.
pub fn github_key() -> &'static KeyPair {
    static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).unwrap());
    &KEY
}

/// Whether a token is one that GitHub takes: of this app, for ten minutes at most.
fn is_signed(token: &str, app: &str) -> bool {
    let Some((signed, signature)) = token.rsplit_once('.') else { return false };
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    let public = github_key().public_key().as_ref();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public);
    let part = |part: Option<&str>| -> Value {
        let bytes = URL_SAFE_NO_PAD.decode(part.unwrap_or_default()).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    };
    let mut parts = signed.split('.');
    let (head, claims) = (part(parts.next()), part(parts.next()));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let time = |name: &str| claims[name].as_u64().unwrap_or_default();
    head == json!({"alg": "RS256", "typ": "JWT"})
        && claims["iss"] == app
        && (now - 120..=now).contains(&time("iat"))
        && (now..=time("iat") + 600).contains(&time("exp"))
        && key.verify(signed.as_bytes(), &signature).is_ok()
}

/// The fields of a form.
fn form(body: &str) -> BTreeMap<String, String> {
    let url = reqwest::Url::parse(&format!("http://form/?{body}")).unwrap();
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}
