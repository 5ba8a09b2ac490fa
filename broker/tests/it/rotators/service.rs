//! A real service over HTTP that makes credentials, in the words of several that are known.

use anyhow::Result;
use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

/// The service; it ends when dropped.
pub(super) struct Service {
    address: SocketAddr,
    keys: Keys,
    _serving: AbortOnDropHandle<()>,
}

/// What it has made.
#[derive(Clone, Default)]
pub(super) struct Keys(Arc<Mutex<Vec<Key>>>);

/// A credential that it made.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// Its own word for it.
    pub(super) id: String,
    /// The credential.
    pub(super) token: String,
    /// What it was asked by.
    asked_by: Option<String>,
    is_valid: bool,
}

/// Who may make keys.
pub(super) const ADMIN: &str = "sk_test_admin";

impl Service {
    /// Starts one with the ways in of `face`.
    pub(super) async fn start(face: fn() -> Router<Keys>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let keys = Keys::default();
        let router = face().with_state(keys.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Ok(Self { address, keys, _serving: AbortOnDropHandle::new(serving) })
    }

    /// Its address, without a slash at the end.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it has made.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }
}

impl Keys {
    /// A new one; the same one where it is asked for in the same words.
    pub(super) fn make(&self, prefix: &str, asked_by: Option<&str>) -> Key {
        let mut keys = self.all();
        let same = |key: &&Key| asked_by.is_some() && key.asked_by.as_deref() == asked_by;
        if let Some(key) = keys.iter().find(same) {
            return key.clone();
        }
        let word = || Uuid::new_v4().simple().to_string();
        let key = Key {
            id: format!("mk_{}", word()),
            token: format!("{prefix}{}", word()),
            asked_by: asked_by.map(str::to_owned),
            is_valid: true,
        };
        keys.push(key.clone());
        key
    }

    /// Whether this is one that is valid.
    pub(super) fn is_valid(&self, token: &str) -> bool {
        self.all().iter().any(|it| it.token == token && it.is_valid)
    }

    /// How many are valid.
    pub(super) fn valid(&self) -> usize {
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

    fn all(&self) -> MutexGuard<'_, Vec<Key>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
pub(super) fn stripe() -> Router<Keys> {
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
