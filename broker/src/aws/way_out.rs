//! The SDK's requests, by the broker's own way out.

use super::{AwsError, settings::Settings};
use crate::{
    outbound::{Outbound, Patience, Trouble},
    permits::Permits,
    trust,
};
use aws_sdk_secretsmanager::{
    Client,
    config::{
        BehaviorVersion, Builder, Config, Credentials, Region, retry::RetryConfig,
        timeout::TimeoutConfig,
    },
};
use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
            SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use secretref_domain::fault::Fault;
use std::{fmt, sync::Arc};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Why there is no answer, as it is found again among the causes of the SDK's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAnswer {
    /// It did not come.
    #[error("{0}")]
    Trouble(Trouble),
    /// It is too long.
    #[error("it answered more than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
    /// It leads elsewhere.
    #[error("it answered with a redirect")]
    Redirect,
    /// The SDK made a request that is none.
    #[error("the request could not be made")]
    NoRequest,
}

/// A client for these settings.
pub(super) async fn client(
    settings: &Settings,
    permits: &Arc<Permits>,
    turns: &Arc<Semaphore>,
) -> Result<Client, AwsError> {
    let setting = format!("{}.caFile", settings.place);
    let ca_file = settings.ca_file.as_deref();
    let roots = trust::roots(&setting, ca_file, settings.is_plain(), permits).await?;
    let out = Outbound::believing(roots, Patience::default()).map_err(|error| {
        let message = format!("cannot be asked: {error}");
        AwsError::new(Fault::Misconfigured, message, "look at the broker's host")
    })?;
    let (key, token) = settings.keys(permits).await?;
    let token = token.map(|token| token.to_string());
    let id = settings.access_key_id.clone();
    let credentials = Credentials::new(id, key.to_string(), token, None, "secretref");
    let way_out = WayOut { out, turns: Arc::clone(turns) };
    Ok(Client::from_conf(config(settings, credentials).http_client(way_out).build()))
}

/// All but the way out.
fn config(settings: &Settings, credentials: Credentials) -> Builder {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(settings.region.clone()))
        .credentials_provider(credentials)
        // Who asks again, and when, is decided where all providers are asked.
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled());
    match &settings.endpoint {
        Some(endpoint) => config.endpoint_url(endpoint.as_str().trim_end_matches('/')),
        None => config,
    }
}

/// The broker's way out, as the SDK wants one.
#[derive(Clone)]
struct WayOut {
    out: Outbound,
    /// One for each request that may be under way.
    turns: Arc<Semaphore>,
}

impl fmt::Debug for WayOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WayOut")
    }
}

impl HttpClient for WayOut {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for WayOut {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let WayOut { out, turns } = self.clone();
        HttpConnectorFuture::new(async move {
            // They are never closed, and without one it is one request more than meant.
            let _turn = turns.acquire().await.ok();
            exchange(&out, request).await.map_err(|why| match why {
                NoAnswer::Trouble(Trouble::TimedOut) => ConnectorError::timeout(why.into()),
                NoAnswer::Trouble(Trouble::Unreachable) => ConnectorError::io(why.into()),
                _ => ConnectorError::other(why.into(), None),
            })
        })
    }
}

async fn exchange(out: &Outbound, request: HttpRequest) -> Result<HttpResponse, NoAnswer> {
    let request = request.try_into_http1x().map_err(|_| NoAnswer::NoRequest)?;
    let (head, body) = request.into_parts();
    let url = head.uri.to_string();
    // What is signed is in memory as a whole.
    let body = body.bytes().map(<[u8]>::to_vec).ok_or(NoAnswer::NoRequest)?;
    let mut sent = out.client().request(head.method, url).headers(head.headers);
    sent = sent.body(body);
    let trouble = |error: reqwest::Error| NoAnswer::Trouble(Trouble::of(&error));
    let mut response = sent.send().await.map_err(trouble)?;
    if response.status().is_redirection() {
        return Err(NoAnswer::Redirect);
    }
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let mut answer = Zeroizing::new(Vec::with_capacity(ROOM_BYTES));
    while let Some(chunk) = response.chunk().await.map_err(trouble)? {
        if answer.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(NoAnswer::TooLong);
        }
        answer.extend_from_slice(&chunk);
    }
    let status = StatusCode::try_from(status).map_err(|_| NoAnswer::Trouble(Trouble::Garbled))?;
    let mut made = HttpResponse::new(status, SdkBody::from(Bytes::from_owner(answer)));
    for (name, value) in &headers {
        // What is no text says nothing to the SDK.
        if let Ok(value) = value.to_str() {
            made.headers_mut().append(name.as_str().to_owned(), value.to_owned());
        }
    }
    Ok(made)
}

/// Longest answer, in bytes: a secret has 64 KiB, which base64 and JSON make longer.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Room that is made at once: most answers fit.
const ROOM_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests;
