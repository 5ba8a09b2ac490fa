//! Addresses that lead to the own host and nowhere else.

use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

/// A plain HTTP address on a loopback interface, such as `http://127.0.0.1:8080/healthz`. Whoever
/// may write a manifest can make a host ask itself something, and nobody else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LoopbackUrl {
    text: String,
    address: SocketAddr,
    path_at: usize,
}

/// Why an address was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}; an address is http://127.0.0.1:PORT/PATH, [::1] or localhost, of {URL_BYTES_MAX} \
         bytes at most"
)]
pub struct LoopbackError(&'static str);

impl LoopbackUrl {
    /// Takes an address of plain HTTP whose host is a loopback address or `localhost`.
    ///
    /// # Errors
    /// [`LoopbackError`] where it leads elsewhere or is none.
    pub fn parse(given: &str) -> Result<Self, LoopbackError> {
        if given.len() > URL_BYTES_MAX {
            return Err(LoopbackError("it is too long"));
        }
        if !given.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(LoopbackError("it has a character that no address has"));
        }
        let rest = given.strip_prefix(SCHEME).ok_or(LoopbackError("it is not plain HTTP"))?;
        let authority = rest.find(['/', '?', '#']).map_or(rest, |end| &rest[..end]);
        let path_at = SCHEME.len() + authority.len();
        if given[path_at..].contains('#') || given[path_at..].starts_with('?') {
            return Err(LoopbackError("its path does not start with a slash, or has a fragment"));
        }
        let named = authority.strip_prefix("localhost");
        let address = match named {
            Some("") => Some(SocketAddr::new(LOCALHOST, HTTP_PORT)),
            Some(port) => port
                .strip_prefix(':')
                .and_then(|port| port.parse().ok())
                .map(|port: u16| SocketAddr::new(LOCALHOST, port)),
            None => authority.parse().ok().or_else(|| {
                let bare = authority.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
                let ip: Option<IpAddr> = bare.unwrap_or(authority).parse().ok();
                ip.map(|ip| SocketAddr::new(ip, HTTP_PORT))
            }),
        };
        let address = address.ok_or(LoopbackError("its host or port cannot be read"))?;
        if !address.ip().is_loopback() || address.port() == 0 {
            return Err(LoopbackError("its host is not this host"));
        }
        Ok(Self { text: given.to_owned(), address, path_at })
    }

    /// Where to connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to ask for there: a path with its query.
    #[must_use]
    pub fn path(&self) -> &str {
        match &self.text[self.path_at..] {
            "" => "/",
            path => path,
        }
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl std::str::FromStr for LoopbackUrl {
    type Err = LoopbackError;
    fn from_str(given: &str) -> Result<Self, LoopbackError> {
        Self::parse(given)
    }
}

impl TryFrom<String> for LoopbackUrl {
    type Error = LoopbackError;
    fn try_from(given: String) -> Result<Self, LoopbackError> {
        Self::parse(&given)
    }
}

impl From<LoopbackUrl> for String {
    fn from(url: LoopbackUrl) -> Self {
        url.text
    }
}

impl fmt::Display for LoopbackUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Longest address, in bytes.
pub const URL_BYTES_MAX: usize = 1024;
const SCHEME: &str = "http://";
const HTTP_PORT: u16 = 80;
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[cfg(test)]
mod tests;
