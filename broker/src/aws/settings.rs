//! What a manifest says of an account of AWS.

use super::AwsError;
use crate::{
    outbound,
    permits::{Permits, files},
};
use reqwest::Url;
use secretref_domain::{fault::Fault, limit::VALUE_BYTES_MAX, value::SecretValue};
use serde_json::{Map, Value};
use std::{path::PathBuf, sync::Arc};
use zeroize::Zeroizing;

pub(super) struct Settings {
    /// Where they stand, as `secrets.providers.ALIAS`.
    pub(super) place: String,
    /// The command that says how it is.
    pub(super) check_command: String,
    pub(super) region: String,
    /// Absent: that of the region.
    pub(super) endpoint: Option<Url>,
    /// Authorities of the endpoint's certificate; absent: those of the host.
    pub(super) ca_file: Option<PathBuf>,
    pub(super) access_key_id: String,
    secret_access_key: Own,
    session_token: Option<Own>,
}

/// A secret of the provider's own.
enum Own {
    Given(Arc<SecretValue>),
    File(PathBuf),
}

impl Settings {
    pub(super) fn read(
        (place, check_command): (String, String),
        members: &Map<String, Value>,
        own: impl Fn(&str) -> Option<Arc<SecretValue>>,
    ) -> Result<Self, AwsError> {
        let lacks = |key: &str| {
            let fix = format!("set `{place}.{key}` and apply again");
            AwsError::new(Fault::Misconfigured, format!("has no `{key}`"), fix)
        };
        let text = |key: &str| members.get(key).and_then(Value::as_str);
        let region = text("region").ok_or_else(|| lacks("region"))?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !region.bytes().all(plain) {
            // It becomes part of a host's name.
            let fix = format!("set `{place}.region` to one as eu-central-1");
            let message = "has a `region` that is none";
            return Err(AwsError::new(Fault::Misconfigured, message, fix));
        }
        let endpoint = text("endpoint").map(|given| {
            outbound::address(given).map_err(|error| {
                let fix = format!("set `{place}.endpoint` to https://HOST:PORT");
                let message = format!("has an `endpoint` that is none: {error}");
                AwsError::new(Fault::Misconfigured, message, fix)
            })
        });
        Ok(Self {
            region: region.to_owned(),
            endpoint: endpoint.transpose()?,
            ca_file: text("caFile").map(PathBuf::from),
            access_key_id: text("accessKeyId").ok_or_else(|| lacks("accessKeyId"))?.to_owned(),
            secret_access_key: Own::of(members, "secretAccessKey", &own)
                .ok_or_else(|| lacks("secretAccessKey"))?,
            session_token: Own::of(members, "sessionToken", &own),
            place,
            check_command,
        })
    }

    /// Whether it is asked over plain HTTP, which only the own host is.
    pub(super) fn is_plain(&self) -> bool {
        self.endpoint.as_ref().is_some_and(|endpoint| endpoint.scheme() == "http")
    }

    /// Secret access key, and session token where there is one.
    pub(super) async fn keys(
        &self,
        permits: &Arc<Permits>,
    ) -> Result<(Zeroizing<String>, Option<Zeroizing<String>>), AwsError> {
        let key = self.secret_access_key.read("secretAccessKey", permits).await?;
        let token = match &self.session_token {
            Some(token) => Some(token.read("sessionToken", permits).await?),
            None => None,
        };
        Ok((key, token))
    }
}

impl Own {
    fn of(
        members: &Map<String, Value>,
        key: &str,
        own: impl Fn(&str) -> Option<Arc<SecretValue>>,
    ) -> Option<Self> {
        match members.get(key).and_then(|said| said.get("file")?.as_str()) {
            Some(path) => Some(Self::File(PathBuf::from(path))),
            None => own(key).map(Self::Given),
        }
    }

    /// As a text; a line end after it is passed over, since `put` and editors keep it.
    async fn read(&self, key: &str, permits: &Arc<Permits>) -> Result<Zeroizing<String>, AwsError> {
        let bytes = match self {
            Self::Given(value) => Zeroizing::new(value.expose().to_vec()),
            Self::File(path) => files::read_below(permits, path, VALUE_BYTES_MAX).await?,
        };
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned())),
            Err(_) => Err(AwsError::new(
                Fault::Misconfigured,
                format!("has its own {key}, which is no text"),
                "store the one that AWS gave, as it is",
            )),
        }
    }
}
