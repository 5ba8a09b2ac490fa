//! What the environment says, read once: the only place of this crate that looks at it.

use std::{env, ffi::OsString, path::PathBuf};

/// Everything that the program takes from its surroundings. Plain data.
#[derive(Debug, Default)]
pub(crate) struct Config {
    /// The command line, with the program's name first.
    pub(crate) arguments: Vec<OsString>,
    /// `SECRETREF_ADDR`: the broker's admin listener, `HOST:PORT`.
    pub(crate) address: Option<String>,
    /// `SECRETREF_BROKER`: the broker's port for agents, `HOST:PORT`.
    pub(crate) broker: Option<String>,
    /// `SECRETREF_CA`: file of the authority's certificate.
    pub(crate) ca: Option<PathBuf>,
    /// `SECRETREF_CERT`: file of the admin's certificate.
    pub(crate) cert: Option<PathBuf>,
    /// `SECRETREF_KEY`: file of the admin's key.
    pub(crate) key: Option<PathBuf>,
    /// `config.toml` of the profiles.
    pub(crate) profiles: Option<PathBuf>,
    /// `HOME`.
    pub(crate) home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub(crate) runtime_dir: Option<PathBuf>,
    /// Folders of `PATH`.
    pub(crate) path: Vec<PathBuf>,
    /// This program.
    pub(crate) program: Option<PathBuf>,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: the collector that is told of spans.
    pub(crate) collector: Option<String>,
    /// `NO_COLOR`: people who want no colour.
    pub(crate) no_color: bool,
}

/// A variable that another program's settings ask to be passed on to it.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}

impl Config {
    /// Reads the environment. An empty variable counts as absent.
    pub(crate) fn from_environment() -> Self {
        let text = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let file = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let home = file("HOME").map(PathBuf::from);
        let own = home.as_ref().map(|home| home.join(".config"));
        let folder = file("XDG_CONFIG_HOME").map(PathBuf::from).or(own);
        Self {
            arguments: env::args_os().collect(),
            address: text("SECRETREF_ADDR"),
            broker: text("SECRETREF_BROKER"),
            ca: file("SECRETREF_CA").map(PathBuf::from),
            cert: file("SECRETREF_CERT").map(PathBuf::from),
            key: file("SECRETREF_KEY").map(PathBuf::from),
            profiles: folder.map(|folder| folder.join("secretref").join("config.toml")),
            home,
            runtime_dir: file("XDG_RUNTIME_DIR").map(PathBuf::from),
            path: file("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default(),
            program: env::current_exe().ok(),
            collector: text("OTEL_EXPORTER_OTLP_ENDPOINT"),
            no_color: file("NO_COLOR").is_some(),
        }
    }
}
