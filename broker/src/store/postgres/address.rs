//! The URL of a Postgres store. Unlike sqlx, refuses what it does not know, and never falls back
//! to plain text on the way to another host.

use crate::store::StoreError;
use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgSslMode},
};
use std::net::IpAddr;

/// Takes `postgres://USER:PASSWORD@HOST:PORT/DATABASE?KEY=VALUE…`.
pub(super) fn parse(url: &str) -> Result<PgConnectOptions, StoreError> {
    let keys = query_keys(url);
    if let Some(unknown) = keys.iter().find(|key| !KEYS.contains(key)) {
        return Err(StoreError::Unusable(format!(
            "its URL has a parameter {unknown:?} that is not known; known are {}",
            KEYS.join(", ")
        )));
    }
    let options: PgConnectOptions = url.parse().map_err(|error: sqlx::Error| {
        StoreError::Unusable(format!("its URL is not valid: {error}"))
    })?;
    let options = options.disable_statement_logging();
    let says_mode = keys.contains(&"sslmode");
    if is_local(&options) {
        // The bytes do not leave the machine; encryption there is asked for, or left out.
        return Ok(if says_mode { options } else { options.ssl_mode(PgSslMode::Disable) });
    }
    if says_mode && !matches!(options.get_ssl_mode(), PgSslMode::VerifyFull) {
        return Err(StoreError::Unusable(format!(
            "its sslmode lets {} be another server, or read along: write sslmode=verify-full (and \
             sslrootcert=FILE where its authority is your own)",
            options.get_host()
        )));
    }
    Ok(options.ssl_mode(PgSslMode::VerifyFull))
}

fn query_keys(url: &str) -> Vec<&str> {
    let Some((_, query)) = url.split_once('?') else { return Vec::new() };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').map_or(pair, |(key, _)| key)).collect()
}

fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Parameters of a URL that mean something. Session settings (`options`) are the broker's own.
const KEYS: &[&str] = &[
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
];

#[cfg(test)]
mod tests;
