//! Requests to a Vault: bounded in time and length, to the one address and nowhere else.

mod faults;

use super::{answer::Answer, settings::Settings};
use crate::{
    providers::{Permits, ProviderError},
    trust,
};
use reqwest::{
    Method, Response, Url,
    header::{HeaderName, HeaderValue},
    redirect, retry,
};
use secretref_domain::fault::Fault;
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

pub(super) struct Client {
    settings: Arc<Settings>,
    permits: Arc<Permits>,
    /// Made when it is first needed, and again after it did not trust the server: the file with
    /// the authorities may be another by then.
    http: Mutex<Option<reqwest::Client>>,
}

/// One request.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    /// Parts of the path, after `v1`.
    pub(super) path: &'a [&'a str],
    pub(super) token: Option<&'a HeaderValue>,
    pub(super) body: Option<&'a Zeroizing<Vec<u8>>>,
}

impl Client {
    pub(super) fn new(settings: Arc<Settings>, permits: Arc<Permits>) -> Self {
        Self { settings, permits, http: Mutex::new(None) }
    }

    /// Asks once.
    pub(super) async fn ask(&self, request: Request<'_>) -> Result<Answer, ProviderError> {
        let answer = self.exchange(&request, None).await?;
        if answer.status == 503 && self.is_sealed().await {
            return Err(self.sealed());
        }
        Ok(answer)
    }

    /// What server it is, in words; an error where it is sealed.
    pub(super) async fn server(&self) -> Result<String, ProviderError> {
        let request =
            Request { method: Method::GET, path: &["sys", "health"], token: None, body: None };
        let query = "standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200";
        let answer = self.exchange(&request, Some(query)).await?;
        if answer.status != 200 {
            return Err(answer.refusal(&self.settings));
        }
        let flag = |key: &str| answer.json.get(key).and_then(Value::as_bool);
        match (flag("initialized"), flag("sealed")) {
            (Some(true), Some(false)) => {}
            (Some(false), Some(_)) => {
                let fix = "bao operator init, then bao operator unseal";
                return Err(ProviderError::new(Fault::Sealed, "is not initialised", fix));
            }
            (Some(true), Some(true)) => return Err(self.sealed()),
            _ => return Err(Answer::malformed("without saying whether it is sealed")),
        }
        let version = answer.json.get("version").and_then(Value::as_str).unwrap_or_default();
        let plain = |it: char| it.is_ascii_alphanumeric() || ".+-".contains(it);
        let version: String = version.chars().filter(|it| plain(*it)).take(VERSION_MAX).collect();
        // Only Vault says whether it is the enterprise's, and OpenBao began at 2.
        let is_vault = version.starts_with("0.")
            || version.starts_with("1.")
            || answer.json.get("enterprise").is_some();
        Ok(format!("{} {version}", if is_vault { "Vault" } else { "OpenBao" }))
    }

    async fn is_sealed(&self) -> bool {
        let path = &["sys", "seal-status"];
        let request = Request { method: Method::GET, path, token: None, body: None };
        let answer = self.exchange(&request, None).await;
        answer.is_ok_and(|it| it.json.get("sealed").and_then(Value::as_bool) == Some(true))
    }

    fn sealed(&self) -> ProviderError {
        let address = &self.settings.address;
        let fix = format!("BAO_ADDR={address} bao operator unseal");
        ProviderError::new(Fault::Sealed, "is sealed", fix)
    }

    async fn exchange(
        &self,
        request: &Request<'_>,
        query: Option<&str>,
    ) -> Result<Answer, ProviderError> {
        let mut url = self.url(request.path)?;
        url.set_query(query);
        let http = self.http().await?;
        let mut sent = http.request(request.method.clone(), url).header(FOR_VAULT, "true");
        // What is asked without a token is the server's own, which is in no namespace.
        let within = self
            .settings
            .namespace
            .as_ref()
            .filter(|_| request.token.is_some() || request.body.is_some());
        if let Some(namespace) = within {
            sent = sent.header(NAMESPACE, namespace);
        }
        if let Some(token) = request.token {
            sent = sent.header(TOKEN, token.clone());
        }
        if let Some(body) = request.body {
            sent = sent.body(body.to_vec());
        }
        let answered = async {
            let response = sent.send().await?;
            let status = response.status().as_u16();
            Ok((status, body(response).await?))
        };
        match answered.await {
            Ok((status, Some(body))) => Answer::read(status, &body),
            Ok((_, None)) => Err(ProviderError::new(
                Fault::TooLarge,
                format!("answered more than {BODY_BYTES_MAX} bytes"),
                "make what is stored there smaller",
            )),
            Err(error) => {
                let fault = faults::of(&error, &self.settings);
                if fault.fault == Fault::Denied {
                    *self.http.lock().await = None;
                }
                Err(fault)
            }
        }
    }

    fn url(&self, path: &[&str]) -> Result<Url, ProviderError> {
        let mut url = self.settings.address.clone();
        match url.path_segments_mut() {
            Ok(mut parts) => parts.pop_if_empty().push("v1").extend(path),
            Err(()) => return Err(Answer::malformed("nothing: its `address` has no paths")),
        };
        Ok(url)
    }

    async fn http(&self) -> Result<reqwest::Client, ProviderError> {
        let mut http = self.http.lock().await;
        if let Some(http) = &*http {
            return Ok(http.clone());
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("secretref-broker/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .no_proxy()
            .referer(false)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .connect_timeout(CONNECT_TIME_MAX)
            .timeout(ANSWER_TIME_MAX);
        if let Some(local) = self.settings.loopback {
            // Whatever a resolver says of it.
            builder = builder.resolve("localhost", local);
        } else {
            builder = builder.https_only(true);
        }
        let Settings { alias, ca_file, loopback, .. } = &*self.settings;
        let (ca_file, is_plain) = (ca_file.as_deref(), loopback.is_some());
        let setting = format!("secrets.providers.{alias}.caFile");
        let tls = trust::configuration(&setting, ca_file, is_plain, &self.permits).await?;
        builder = builder.tls_backend_preconfigured(tls);
        let made = builder.build().map_err(|_| {
            let message = "cannot be asked: no HTTP client could be set up";
            ProviderError::new(Fault::Misconfigured, message, "look at the broker's host")
        })?;
        Ok(http.insert(made).clone())
    }
}

/// The body, as it comes in; none where it is too long. The rest of it is not read.
async fn body(mut response: Response) -> reqwest::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM_BYTES));
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > BODY_BYTES_MAX {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// What Vault's own clients say, and some proxies of it ask for.
const FOR_VAULT: HeaderName = HeaderName::from_static("x-vault-request");
const CONNECT_TIME_MAX: Duration = Duration::from_secs(2);
/// From the first byte sent to the last one read.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
const BODY_BYTES_MAX: usize = 1 << 20;
/// Room that is made at once: most answers fit, and no copy of a growing buffer stays behind.
const ROOM_BYTES: usize = 16 * 1024;
/// Characters of a server's version that are shown.
const VERSION_MAX: usize = 40;
