//! `[syslog]` of `broker.toml`: the audit trail as syslog messages.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where the messages go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Syslog {
    /// `unix:///dev/log`, `udp://HOST:PORT`, `tcp://HOST:PORT` or `tls://HOST:PORT`.
    pub address: String,
    /// Authorities that the collector of `tls:` is believed by, a PEM file below a provider root;
    /// without it those of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

/// A collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyslogAddress {
    /// A socket of this host that takes datagrams.
    Unix(PathBuf),
    /// Datagrams.
    Udp(String),
    /// A stream that whoever is on its way can read.
    Tcp(String),
    /// TLS.
    Tls {
        /// Its host and port.
        collector: String,
        /// The name that its certificate has to have.
        name: String,
    },
}

/// An address that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "syslog.address is {given:?}: {why}. Fix: unix:///dev/log, udp://HOST:PORT, tcp://HOST:PORT or \
     tls://HOST:PORT"
)]
pub struct SyslogError {
    given: String,
    why: &'static str,
}

impl Syslog {
    /// The collector that the address names.
    ///
    /// # Errors
    /// [`SyslogError`].
    pub fn parsed(&self) -> Result<SyslogAddress, SyslogError> {
        let wrong = |why| SyslogError { given: self.address.clone(), why };
        let (kind, rest) = self.address.split_once("://").ok_or(wrong("it has no kind"))?;
        if kind != "tls" && self.ca_file.is_some() {
            return Err(wrong("with a ca_file it has to be one of tls:"));
        }
        if kind == "unix" {
            let path = PathBuf::from(rest);
            return match path.is_absolute() {
                true => Ok(SyslogAddress::Unix(path)),
                false => Err(wrong("its path is not absolute")),
            };
        }
        let (host, port) = rest.rsplit_once(':').ok_or(wrong("it has no port"))?;
        let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
        if host.is_empty() || !is_port || rest.contains(['/', '@', ' ']) {
            return Err(wrong("it is no host and port"));
        }
        let collector = rest.to_owned();
        match kind {
            "udp" => Ok(SyslogAddress::Udp(collector)),
            "tcp" => Ok(SyslogAddress::Tcp(collector)),
            "tls" => {
                let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                Ok(SyslogAddress::Tls { collector, name })
            }
            _ => Err(wrong("its kind is unknown")),
        }
    }
}

#[cfg(test)]
mod tests;
