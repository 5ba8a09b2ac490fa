//! Renews a token at two thirds of its life, as long as that makes it live longer.

use super::{LOOKUP, Life, Shared, Token};
use crate::providers::{
    ProviderError,
    vault::{answer::Answer, client::Request},
};
use reqwest::Method;
use std::{sync::Weak, time::Duration};
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

/// Ends when the token does, or with the session. What it cannot do it does not report: whoever
/// asks with a token that ended is told.
pub(super) async fn keep(shared: Weak<Shared>, token: Token, life: Option<Life>) {
    let Some(mut life) = (match life {
        Some(life) => Some(life),
        None => looked_up(&shared, &token).await,
    }) else {
        return;
    };
    while life.is_renewable && life.ttl * 2 / 3 >= WAIT_MIN {
        let end = Instant::now() + life.ttl;
        sleep(life.ttl * 2 / 3).await;
        match renewed_before(end, &shared, &token).await {
            Some(longer) => life = longer,
            None => return,
        }
    }
}

/// The life of a token that the session did not get itself.
async fn looked_up(shared: &Weak<Shared>, token: &Token) -> Option<Life> {
    loop {
        match look_up(shared, token).await? {
            Ok(life) => return Some(life),
            Err(error) if error.fault.falls_through() => sleep(LOOKUP_PAUSE).await,
            Err(_) => return None,
        }
    }
}

async fn renewed_before(end: Instant, shared: &Weak<Shared>, token: &Token) -> Option<Life> {
    loop {
        match renew(shared, token).await? {
            Ok(life) => return Some(life),
            Err(error) if error.fault.falls_through() => {}
            Err(_) => return None,
        }
        let left = end.saturating_duration_since(Instant::now());
        if left < WAIT_MIN {
            return None;
        }
        sleep((left / 4).max(WAIT_MIN)).await;
    }
}

/// None where the session is gone.
async fn look_up(shared: &Weak<Shared>, token: &Token) -> Option<Result<Life, ProviderError>> {
    let shared = shared.upgrade()?;
    Some(match shared.get(&LOOKUP, token).await {
        Ok(answer) if answer.status != 200 => Err(answer.refusal(&shared.settings)),
        Ok(mut answer) => answer.take("/data").and_then(|data| Life::of(&data, "ttl")),
        Err(error) => Err(error),
    })
}

/// As [`look_up`].
async fn renew(shared: &Weak<Shared>, token: &Token) -> Option<Result<Life, ProviderError>> {
    let shared = shared.upgrade()?;
    let asked_at = Instant::now();
    let body = Zeroizing::new(b"{}".to_vec());
    let request = Request {
        method: Method::POST,
        path: &["auth", "token", "renew-self"],
        token: Some(&token.header),
        body: Some(&body),
    };
    let life = |mut answer: Answer| match answer.status {
        200 => Life::of(&answer.take("/auth")?, "lease_duration"),
        _ => Err(answer.refusal(&shared.settings)),
    };
    let life = shared.client.ask(request).await.and_then(life);
    let mut state = shared.state.lock().await;
    if let (Ok(life), Some(now)) = (&life, &mut state.token)
        && now.number == token.number
        && now.ends.is_some()
    {
        now.ends = life.ends(asked_at);
    }
    Some(life)
}

/// A shorter wait is not worth a request: the token is about to end for good.
const WAIT_MIN: Duration = Duration::from_secs(1);
/// Between two attempts to learn how long a token lives.
const LOOKUP_PAUSE: Duration = Duration::from_secs(30);
