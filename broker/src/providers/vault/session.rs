//! The broker's token: had when it is first needed, renewed while it may be, and had anew when it
//! ended or is refused.
//!
//! ```text
//!            first need, or its end             2/3 of its life
//! no token ──────────────────────────▶ token ─────────────────────▶ renew-self ─┐
//!     ▲                                  │ ▲                                     │
//!     └── refused, and lookup-self too ──┘ └─────────────────────────────────────┘
//! ```
//! A token is a file or a ref's value, or what an `AppRole` gets for its SecretID.

mod keeper;

use super::{
    answer::Answer,
    client::{Client, Request},
    settings::{Auth, Own, OwnPlace, Settings},
};
use crate::{
    permits::files,
    providers::{Permits, ProviderError},
};
use reqwest::{Method, header::HeaderValue};
use secretref_domain::{fault::Fault, limit::VALUE_BYTES_MAX};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};
use tokio_util::task::AbortOnDropHandle;
use zeroize::Zeroizing;

pub(super) struct Session(Arc<Shared>);

struct Shared {
    settings: Arc<Settings>,
    client: Arc<Client>,
    permits: Arc<Permits>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// Tokens there were.
    number: u64,
    /// Until when no new token is had where one is refused: a new one was refused as well.
    quiet_until: Option<Instant>,
    /// Renews the token.
    keeper: Option<AbortOnDropHandle<()>>,
}

#[derive(Clone)]
struct Token {
    /// Marked sensitive.
    header: HeaderValue,
    number: u64,
    ends: Option<Instant>,
}

/// How long a token lives, and whether it may live longer.
#[derive(Clone, Copy)]
struct Life {
    ttl: Duration,
    is_renewable: bool,
}

impl Session {
    pub(super) fn new(settings: Arc<Settings>, client: Arc<Client>, permits: Arc<Permits>) -> Self {
        Self(Arc::new(Shared { settings, client, permits, state: Mutex::default() }))
    }

    /// Asks with the token; where it is refused as such, once more with a new one.
    pub(super) async fn get(&self, path: &[&str]) -> Result<Answer, ProviderError> {
        self.ask(Method::GET, path, None).await
    }

    /// Writes with the token, in the same way.
    pub(super) async fn post(
        &self,
        path: &[&str],
        body: &Zeroizing<Vec<u8>>,
    ) -> Result<Answer, ProviderError> {
        self.ask(Method::POST, path, Some(body)).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&Zeroizing<Vec<u8>>>,
    ) -> Result<Answer, ProviderError> {
        let token = self.token().await?;
        let with = async |token: &Token| {
            let (method, token) = (method.clone(), Some(&token.header));
            self.0.client.ask(Request { method, path, token, body }).await
        };
        let answer = with(&token).await?;
        if answer.status != 403 {
            return Ok(answer);
        }
        let Some(token) = self.token_after(&token).await? else {
            return Ok(answer);
        };
        let answer = with(&token).await?;
        if answer.status == 403 {
            self.0.state.lock().await.quiet_until = Some(Instant::now() + QUIET);
        }
        Ok(answer)
    }

    /// The token in words: how long it is valid.
    pub(super) async fn described(&self) -> Result<String, ProviderError> {
        let mut answer = self.get(&LOOKUP).await?;
        match answer.status {
            200 => {}
            // What it is for can be allowed all the same.
            401 | 403 => return Ok("token that may not look itself up".to_owned()),
            _ => return Err(answer.refusal(&self.0.settings)),
        }
        let life = Life::of(&answer.take("/data")?, "ttl")?;
        let renewable = if life.is_renewable { " (renewable)" } else { "" };
        match life.ttl {
            Duration::ZERO => Ok("token without an end".to_owned()),
            ttl => Ok(format!("token valid for {}{renewable}", in_words(ttl))),
        }
    }

    async fn token(&self) -> Result<Token, ProviderError> {
        let mut state = self.0.state.lock().await;
        match &state.token {
            Some(token) if token.ends.is_none_or(|ends| Instant::now() < ends) => Ok(token.clone()),
            _ => self.obtain(&mut state).await,
        }
    }

    /// Another token than one that was refused for something; none where it is not the token that
    /// is refused, or where there is no other.
    async fn token_after(&self, refused: &Token) -> Result<Option<Token>, ProviderError> {
        if self.0.get(&LOOKUP, refused).await?.status != 403 {
            return Ok(None);
        }
        let mut state = self.0.state.lock().await;
        if let Some(newer) = state.token.as_ref().filter(|it| it.number != refused.number) {
            return Ok(Some(newer.clone()));
        }
        if state.quiet_until.is_some_and(|until| Instant::now() < until) {
            return Ok(None);
        }
        let new = self.obtain(&mut state).await?;
        let same = new.header.as_bytes() == refused.header.as_bytes();
        Ok((!same).then_some(new))
    }

    async fn obtain(&self, state: &mut State) -> Result<Token, ProviderError> {
        let asked_at = Instant::now();
        // It keeps what ends now, and would renew it on.
        state.keeper = None;
        let (secret, life) = match &self.0.settings.auth {
            Auth::Token(own) => (self.0.own(own).await?, None),
            Auth::AppRole { mount, role_id, secret_id } => {
                let (token, life) = self.0.log_in(mount, role_id, secret_id).await?;
                (token, Some(life))
            }
        };
        let mut header = HeaderValue::from_bytes(&secret).map_err(|_| {
            ProviderError::new(
                Fault::Misconfigured,
                "has a token with a character that no token has",
                "put the token alone where its `auth` says, without a newline",
            )
        })?;
        header.set_sensitive(true);
        state.number += 1;
        let ends = life.and_then(|life| life.ends(asked_at));
        let token = Token { header, number: state.number, ends };
        state.token = Some(token.clone());
        let keeper = keeper::keep(Arc::downgrade(&self.0), token.clone(), life);
        state.keeper = Some(AbortOnDropHandle::new(tokio::spawn(keeper)));
        Ok(token)
    }
}

impl Shared {
    async fn get(&self, path: &[&str], token: &Token) -> Result<Answer, ProviderError> {
        let token = Some(&token.header);
        self.client.ask(Request { method: Method::GET, path, token, body: None }).await
    }

    async fn log_in(
        &self,
        mount: &str,
        role_id: &str,
        secret_id: &Own,
    ) -> Result<(Zeroizing<Vec<u8>>, Life), ProviderError> {
        let secret = self.own(secret_id).await?;
        let secret = std::str::from_utf8(&secret).map_err(|_| {
            let message = format!("has an {} that is no text", secret_id.key);
            ProviderError::new(Fault::Misconfigured, message, secret_id.fix())
        })?;
        let login = Login { role_id, secret_id: secret };
        let body = Zeroizing::new(serde_json::to_vec(&login).unwrap_or_default());
        let path: Vec<&str> =
            ["auth"].into_iter().chain(mount.split('/')).chain(["login"]).collect();
        let request = Request { method: Method::POST, path: &path, token: None, body: Some(&body) };
        let mut answer = self.client.ask(request).await?;
        match answer.status {
            200 => {}
            400 | 401 | 403 => {
                return Err(ProviderError::new(
                    Fault::Denied,
                    format!("answered {} to the login at auth/{mount}/", answer.status),
                    secret_id.fix(),
                ));
            }
            404 => {
                return Err(ProviderError::new(
                    Fault::Misconfigured,
                    format!("has no AppRole at auth/{mount}/"),
                    "bao auth list; then set its `auth.mount`",
                ));
            }
            _ => return Err(answer.refusal(&self.settings)),
        }
        let mut auth = answer.take("/auth")?;
        let life = Life::of(&auth, "lease_duration")?;
        match auth.get_mut("client_token").map(Value::take) {
            Some(Value::String(token)) => Ok((Zeroizing::new(token.into_bytes()), life)),
            _ => Err(Answer::malformed("a login without a token")),
        }
    }

    /// A secret of the provider's own.
    async fn own(&self, own: &Own) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        match &own.place {
            OwnPlace::Given(value) => Ok(Zeroizing::new(value.expose().to_vec())),
            OwnPlace::File(path) => {
                Ok(files::read_below(&self.permits, path, VALUE_BYTES_MAX).await?)
            }
        }
    }
}

#[derive(serde::Serialize)]
struct Login<'a> {
    role_id: &'a str,
    secret_id: &'a str,
}

impl Life {
    fn of(json: &Value, key: &str) -> Result<Self, ProviderError> {
        let ttl = json.get(key).and_then(Value::as_u64);
        let ttl = ttl.ok_or_else(|| Answer::malformed("a token without its life"))?;
        let is_renewable = json.get("renewable").and_then(Value::as_bool).unwrap_or(false);
        Ok(Self { ttl: Duration::from_secs(ttl.min(TTL_SECONDS_MAX)), is_renewable })
    }

    /// A token without an end has a life of 0.
    fn ends(self, asked_at: Instant) -> Option<Instant> {
        (!self.ttl.is_zero()).then(|| asked_at + self.ttl)
    }
}

impl Own {
    fn fix(&self) -> String {
        match &self.place {
            OwnPlace::Given(_) => format!("secretref put the ref that its {} names", self.key),
            OwnPlace::File(path) => format!("write a new one to {}", path.display()),
        }
    }
}

fn in_words(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

const LOOKUP: [&str; 3] = ["auth", "token", "lookup-self"];
/// How long no new token is had after a new one was refused as well.
const QUIET: Duration = Duration::from_secs(60);
/// A longer life is as good as this: a hundred years.
const TTL_SECONDS_MAX: u64 = 100 * 365 * 86_400;
