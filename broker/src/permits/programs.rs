//! Programs on the broker's host: only one below a root that nobody else could have written, run
//! with nothing of the broker's but what it is given, bounded in time and output, and gone with all
//! that it started when it is over.

mod checked;
mod run;

use super::{HostError, Permits};
use secretref_domain::{fault::Fault, name::EnvVar};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

/// A program, and how it is run.
#[derive(Debug, Clone)]
pub struct Program {
    /// Where a manifest says of it what stands below: `secrets.providers.op`.
    pub settings: String,
    /// Its path, whole.
    pub command: PathBuf,
    /// Its arguments, as they are: there is no shell.
    pub arguments: Vec<String>,
    /// Variables that are set.
    pub environment: Vec<(EnvVar, String)>,
    /// Variables of the broker's own environment that are passed on; see [`permitted`].
    pub passed: Vec<EnvVar>,
    /// How long it may take.
    pub time_max: Duration,
    /// How long it may print nothing.
    pub silence_max: Duration,
    /// How many bytes it may print, both outputs together.
    pub output_bytes_max: usize,
    /// Whether the command itself may be a symlink.
    pub allow_symlink: bool,
    /// Folders below the roots of which one has to hold the program; none: any.
    pub trusted: Vec<PathBuf>,
    /// A request that shows, by hand, what it says itself.
    pub example: String,
}

impl Program {
    /// Where it really lies, once it is seen that it obeys the rules at this moment.
    ///
    /// # Errors
    /// [`HostError`], mostly [`Fault::Misconfigured`].
    pub async fn checked(self: &Arc<Self>, permits: &Arc<Permits>) -> Result<PathBuf, HostError> {
        let (program, permits) = (Arc::clone(self), Arc::clone(permits));
        let checked = spawn_blocking(move || checked::checked(&program, &permits.roots));
        checked.await.unwrap_or_else(|error| {
            let message = format!("was not looked at: {error}");
            Err(HostError::new(Fault::Unreachable, message, "try again"))
        })
    }

    /// Runs it with a request on its standard input, and takes what it prints on its output.
    ///
    /// # Errors
    /// [`HostError`] where it may not be run, takes too long, prints too much or fails.
    pub async fn run(
        self: &Arc<Self>,
        permits: &Arc<Permits>,
        request: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, HostError> {
        let path = self.checked(permits).await?;
        run::run(&path, self, permits, request).await
    }

    /// The command that shows what it says itself, which no message of ours may repeat.
    fn by_hand(&self, path: &Path) -> String {
        format!("as the broker's user: echo '{}' | env -i {}", self.example, path.display())
    }
}

/// The variables of a `passEnv`, all of which the broker's configuration allows.
///
/// # Errors
/// [`Fault::Misconfigured`], with the first that it does not.
pub fn permitted<'a>(
    names: impl Iterator<Item = &'a str>,
    settings: &str,
    permits: &Permits,
) -> Result<Vec<EnvVar>, HostError> {
    let names: Vec<EnvVar> = names.filter_map(|name| EnvVar::parse(name).ok()).collect();
    if let Some(name) = names.iter().find(|name| !permits.environment.contains_key(*name)) {
        return Err(HostError::new(
            Fault::Misconfigured,
            format!("passes the variable {name}, which the broker's configuration does not allow"),
            format!(
                "add {:?} to `provider_environment` in broker.toml and restart, or remove it \
                 from `{settings}.passEnv`",
                name.as_str()
            ),
        ));
    }
    Ok(names)
}
