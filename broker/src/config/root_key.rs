//! What the commands of the root key take.

use clap::{Args, Subcommand};
use std::path::PathBuf;
use uuid::Uuid;

/// What to do about the root key.
#[derive(Subcommand)]
pub enum RootKeyCommand {
    /// Make the next root key in the folder, or take it over from another broker of the database.
    #[command(after_help = "Examples:\n  \
        secretref-broker root-key next --data-dir /var/lib/secretref\n  \
        secretref-broker root-key next --data-dir /var/lib/secretref --from root.key.next\n\
        Every broker of a database needs it before it can be rotated to.")]
    Next(NextArguments),
    /// Rotate to the next root key: brokers serve on, and every data key is wrapped anew.
    #[command(after_help = "Example:\n  \
        secretref-broker root-key rotate --data-dir /var/lib/secretref\n\
        It makes the next root key where there is none. Where it was cut short it is run again, or \
        left to the brokers that serve.")]
    Rotate(RotateArguments),
}

/// Flags of `root-key next`.
#[derive(Args)]
pub struct NextArguments {
    /// Folder of the broker.
    #[arg(long)]
    pub data_dir: PathBuf,
    /// The next root key of another broker: a copy of its root.key.next. Without it, a new one.
    #[arg(long)]
    pub from: Option<PathBuf>,
    /// File with the passphrase of that copy, where it is under one.
    #[arg(long, requires = "from")]
    pub from_passphrase_file: Option<PathBuf>,
    /// File with the passphrase of this broker's root key.
    #[arg(long)]
    pub passphrase_file: Option<PathBuf>,
}

/// Flags of `root-key rotate`.
#[derive(Args)]
pub struct RotateArguments {
    /// Folder of the broker.
    #[arg(long)]
    pub data_dir: PathBuf,
    /// File with the passphrase of the root key.
    #[arg(long)]
    pub passphrase_file: Option<PathBuf>,
    /// A broker that is gone for good, and need not hold the next root key; may be given again.
    #[arg(long, value_name = "BROKER")]
    pub without: Vec<Uuid>,
}
