//! What `join` takes, and what it shares with `init`.

use clap::Args;
use std::{net::SocketAddr, path::PathBuf};

/// Where a new broker listens, and what it is called.
#[derive(Args)]
pub struct Places {
    /// Where agents connect.
    #[arg(long, default_value = "0.0.0.0:7443")]
    pub agent_listen: SocketAddr,
    /// Where administrators connect.
    #[arg(long, default_value = "127.0.0.1:7444")]
    pub admin_listen: SocketAddr,
    /// Where health is asked for, in plain HTTP.
    #[arg(long, default_value = "127.0.0.1:7445")]
    pub health_listen: SocketAddr,
    /// Where metrics are scraped, in plain HTTP.
    #[arg(long, default_value = "127.0.0.1:7447")]
    pub metrics_listen: SocketAddr,
    /// Names and addresses that clients reach this broker by, besides localhost.
    #[arg(long)]
    pub advertise: Vec<String>,
}

/// Flags of `join`.
#[derive(Args)]
pub struct JoinArguments {
    /// Folder of the new broker; made where it is not there, refused where it is in use.
    #[arg(long)]
    pub data_dir: PathBuf,
    /// Database of the brokers that are there: postgres://…
    #[arg(long, env = "SECRETREF_DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// The root key of one of them: a copy of its root.key.
    #[arg(long)]
    pub root_key: PathBuf,
    /// File with the passphrase of that root key, where it is under one.
    #[arg(long)]
    pub root_passphrase_file: Option<PathBuf>,
    /// Where it listens, and what it is called.
    #[command(flatten)]
    pub places: Places,
    /// Do nothing where the folder holds a broker already: for what starts with its container.
    #[arg(long)]
    pub unless_made: bool,
    /// Keep the root key here under a passphrase, read from this file (`-`: standard input).
    #[arg(long)]
    pub passphrase_file: Option<PathBuf>,
}
