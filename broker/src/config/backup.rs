//! What `backup` and `restore` take.

use super::Places;
use clap::Args;
use std::path::PathBuf;

/// Flags of `backup`.
#[derive(Args)]
pub struct BackupArguments {
    /// Folder of the broker, which may be serving.
    #[arg(long)]
    pub data_dir: PathBuf,
    /// File to write, which must not be there yet.
    #[arg(long)]
    pub out: PathBuf,
    /// Database, where it is not the broker's own address of it.
    #[arg(long, env = "SECRETREF_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
}

/// Flags of `restore`.
#[derive(Args)]
pub struct RestoreArguments {
    /// Folder of the broker: the one that there was, or a new one with --root-key.
    #[arg(long)]
    pub data_dir: PathBuf,
    /// File that `backup` wrote.
    #[arg(long)]
    pub backup: PathBuf,
    /// Verify the backup, say what is in it, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Database to restore into, which must be empty: the broker's own, or SQLite in a new folder,
    /// where none is named.
    #[arg(long, env = "SECRETREF_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// The root key that the backup is under, for a new folder.
    #[arg(long)]
    pub root_key: Option<PathBuf>,
    /// File with the passphrase of that root key, where it is under one.
    #[arg(long, requires = "root_key")]
    pub root_passphrase_file: Option<PathBuf>,
    /// File with the passphrase of the root key in the folder (`-`: standard input).
    #[arg(long)]
    pub passphrase_file: Option<PathBuf>,
    /// Where a new broker listens, and what it is called.
    #[command(flatten)]
    pub places: Places,
}
