//! Health, in plain HTTP: it says whether the broker serves, and nothing else.
//!
//! `/healthz` answers 200 for as long as the process lives; `/readyz` answers 200 only while the
//! broker serves, and 503 with the reason while it is sealed or its store does not answer.

use crate::config::Config;
use anyhow::Context;
use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde::Serialize;
use std::{io, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// How the broker is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "status", content = "reason")]
pub enum Health {
    /// It serves.
    Serving,
    /// It has no usable root key, and serves nothing.
    Sealed(String),
    /// It cannot reach its store; nothing leaves until it can.
    Unavailable(String),
    /// It is starting or stopping.
    Waiting(String),
}

/// A broker that does not serve.
#[derive(Debug, thiserror::Error)]
#[error("the broker does not serve: {0}")]
pub struct Unhealthy(String);

/// Serves health until `stop`.
///
/// # Errors
/// What the transport says.
pub async fn serve(
    listener: TcpListener,
    health: watch::Receiver<Health>,
    stop: CancellationToken,
) -> io::Result<()> {
    let router = Router::new()
        .route("/healthz", get(async || StatusCode::OK))
        .route("/readyz", get(ready))
        .with_state(health);
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn ready(State(health): State<watch::Receiver<Health>>) -> (StatusCode, Json<Health>) {
    let health = health.borrow().clone();
    let code = match health {
        Health::Serving => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, Json(health))
}

/// Asks a serving broker how it is.
///
/// # Errors
/// [`Unhealthy`] where it does not serve, or cannot be reached within 2 s.
pub async fn ask(config: Config) -> anyhow::Result<()> {
    let address = config.file.health_listen;
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET /readyz HTTP/1.0\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(4096).read_to_end(&mut answer).await?;
        io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = timeout(Duration::from_secs(2), asked)
        .await
        .map_err(|_| Unhealthy(format!("{address} does not answer")))?
        .map_err(|error| Unhealthy(format!("{address}: {error}")))?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    if head.starts_with("HTTP/1.0 200") || head.starts_with("HTTP/1.1 200") {
        return Ok(());
    }
    Err(Unhealthy(body.to_owned()).into())
}
