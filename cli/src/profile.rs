//! Where a broker is and who asks: from `SECRETREF_ADDR`, `SECRETREF_CA`, `SECRETREF_CERT` and
//! `SECRETREF_KEY`, or from a profile of `config.toml`, which `secretref-broker init` writes:
//!
//! ```toml
//! current = "default"
//!
//! [profiles.default]
//! address = "127.0.0.1:7444"
//! ca = "/var/lib/secretref/admin/ca.crt"
//! cert = "/var/lib/secretref/admin/admin.crt"
//! key = "/var/lib/secretref/admin/admin.key"
//! agents = "127.0.0.1:7443"
//! ```
//! A relative path in it is relative to the folder of `config.toml`. `current` is the profile where
//! none is named; without it that is `default`.

mod book;
mod files;

pub(crate) use book::Book;
pub(crate) use files::{Files, Renewal};

use crate::{config::Config, failure::Failure};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// A broker's admin listener and the files of the admin that goes there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// `HOST:PORT`.
    pub(crate) address: String,
    /// Certificates of the authority, PEM.
    pub(crate) ca: PathBuf,
    /// Certificate chain of the admin, PEM, leaf first.
    pub(crate) cert: PathBuf,
    /// Key of the admin, PEM; nobody else may read it.
    pub(crate) key: PathBuf,
    /// The broker's port for agents, `HOST:PORT`; absent: 7443 of the same host.
    #[serde(default)]
    pub(crate) agents: Option<String>,
}

/// What `config.toml` holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Profiles {
    current: Option<String>,
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

/// The texts of a profile's files.
pub(crate) struct Credentials {
    /// Certificates of the authority.
    pub(crate) ca: String,
    /// Certificate chain of the admin.
    pub(crate) cert: String,
    /// Key of the admin.
    pub(crate) key: Zeroizing<String>,
}

impl Profile {
    /// The profile that is asked for: the named one, else the environment's, else the current one.
    pub(crate) fn choose(config: &Config, name: Option<&str>) -> Result<Self, Failure> {
        match name {
            None if Self::is_in_environment(config) => Self::from_environment(config),
            name => Self::named(config, name),
        }
    }

    /// The broker's port for agents, as the profile names it; else the usual one of its host.
    pub(crate) fn agents_address(&self) -> String {
        self.agents.clone().unwrap_or_else(|| {
            let host = self.address.rsplit_once(':').map_or(&*self.address, |(host, _)| host);
            format!("{host}:{AGENTS_PORT}")
        })
    }

    /// Reads the files that it names.
    pub(crate) fn credentials(&self) -> Result<Credentials, Failure> {
        check_private(&self.key)?;
        Ok(Credentials {
            ca: text("authority's certificate", &self.ca)?,
            cert: text("admin's certificate", &self.cert)?,
            key: Zeroizing::new(text("admin's key", &self.key)?),
        })
    }

    fn is_in_environment(config: &Config) -> bool {
        let files = [&config.ca, &config.cert, &config.key];
        config.address.is_some() || files.into_iter().any(Option::is_some)
    }

    fn from_environment(config: &Config) -> Result<Self, Failure> {
        let missing = |name: &str| {
            let what = format!(
                "{name} is not set, but others of SECRETREF_ADDR, SECRETREF_CA, SECRETREF_CERT \
                 and SECRETREF_KEY are"
            );
            Failure::usage(what, format!("export {name}=…, or unset the others to use a profile"))
        };
        let file = |file: &Option<PathBuf>, name| file.clone().ok_or_else(|| missing(name));
        Ok(Self {
            address: config.address.clone().ok_or_else(|| missing("SECRETREF_ADDR"))?,
            ca: file(&config.ca, "SECRETREF_CA")?,
            cert: file(&config.cert, "SECRETREF_CERT")?,
            key: file(&config.key, "SECRETREF_KEY")?,
            agents: None,
        })
    }

    fn named(config: &Config, name: Option<&str>) -> Result<Self, Failure> {
        let init = |name: &str| format!("secretref-broker init --data-dir DIR --profile {name}");
        let wanted = format!("profile \"{}\"", name.unwrap_or("default"));
        let book = Book::open(config, &wanted, || init(name.unwrap_or("default")))?;
        let name = name.unwrap_or_else(|| book.current());
        book.get(name).ok_or_else(|| {
            let shown = book.path().display();
            let known: Vec<&str> = book.names().collect();
            let what = match known.as_slice() {
                [] => format!("{shown} has no profile"),
                _ => format!("{shown} has no profile \"{name}\", only {}", known.join(", ")),
            };
            Failure::usage(what, init(name))
        })
    }

    fn below(&self, folder: &Path) -> Self {
        Self {
            address: self.address.clone(),
            ca: folder.join(&self.ca),
            cert: folder.join(&self.cert),
            key: folder.join(&self.key),
            agents: self.agents.clone(),
        }
    }
}

/// Whoever reads the key is the admin, so it is not used where others may read it.
fn check_private(key: &Path) -> Result<(), Failure> {
    let shown = key.display();
    let meta = fs::metadata(key).map_err(|error| unreadable("admin's key", key, &error))?;
    let mode = meta.mode() & 0o777;
    if mode & 0o077 != 0 {
        let what = format!("the admin's key {shown} can be used by others (mode {mode:04o})");
        return Err(Failure::usage(what, format!("chmod 600 {shown}")));
    }
    Ok(())
}

fn text(what: &str, path: &Path) -> Result<String, Failure> {
    let mut content = String::new();
    let read = File::open(path)
        .and_then(|file| file.take(PEM_BYTES_MAX).read_to_string(&mut content))
        .map_err(|error| unreadable(what, path, &error))?;
    if u64::try_from(read).is_ok_and(|read| read == PEM_BYTES_MAX) {
        let what = format!("the {what} {} is larger than {PEM_BYTES_MAX} bytes", path.display());
        return Err(Failure::usage(what, "name the PEM file that secretref-broker init wrote"));
    }
    Ok(content)
}

fn unreadable(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    let what = format!("the {what} {} cannot be read: {error}", path.display());
    Failure::usage(what, "correct the path in the profile, or run the command as its owner")
}

const AGENTS_PORT: u16 = 7443;
/// Far above what a chain of certificates needs.
const PEM_BYTES_MAX: u64 = 128 * 1024;

#[cfg(test)]
mod tests;
