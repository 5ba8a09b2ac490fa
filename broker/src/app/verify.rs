//! `verify`: whether the audit trail in the database is what was written, and the tables what the
//! log of authority says. It changes nothing, and needs no broker that serves.

use crate::{
    config::{Config, VerifyArguments},
    custody::{State, StateError, TrailCursor, TrailItem, WholeTrail, verify_state},
    store::Store,
    telemetry::announce,
};
use anyhow::Context;
use futures_util::FutureExt;
use secretref_domain::trail::{EXIT_INTERNAL, Finding, Row, Verified, Verifier};
use secretref_envelope::Keyring;
use secretref_identity::note::NoteVerifier;
use std::{fmt, fs, panic::AssertUnwindSafe};

/// A trail that is not what was written, or that could not be verified to its end.
#[derive(Debug)]
pub struct NotVerified {
    /// How the program ends: never with 0.
    pub exit_code: u8,
    what: String,
}

impl fmt::Display for NotVerified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for NotVerified {}

impl From<Finding> for NotVerified {
    fn from(finding: Finding) -> Self {
        let what = format!(
            "the audit trail is not what was written: {finding}. Fix: keep what there is, compare \
             it with an export or a backup that you trust, and see docs/audit.md"
        );
        Self { exit_code: finding.verdict.exit_code(), what }
    }
}

/// Verifies the trail of a database and says what came of it.
///
/// # Errors
/// [`NotVerified`], or what kept it from beginning.
pub async fn verify(arguments: VerifyArguments) -> anyhow::Result<()> {
    let trusted = arguments.checkpoint.as_ref().map(|path| {
        fs::read_to_string(path).with_context(|| format!("--checkpoint {}", path.display()))
    });
    let trusted = trusted.transpose()?;
    let given = arguments.key.as_deref().map(|key| NoteVerifier::parse(key.trim()));
    let given = given.transpose().context("--key")?;
    let holds_state = arguments.state;
    let config = arguments.load()?;
    let store = Store::open(&config.file.database_url).await?;
    let key = match given {
        Some(key) => key,
        None => super::trail_key(&config, &store).await?,
    };
    let verified = to_its_end(read(&store, &key, trusted.as_deref())).await?;
    let state = match holds_state {
        true => Some(Box::pin(to_its_end(state_of(&config, &store))).await?),
        false => None,
    };
    store.close().await;
    let (entries, lanes) = (verified.entries(), verified.lanes());
    announce(&format!(
        "the audit trail is what was written: entries {entries}, lanes {lanes}, checkpoints {}",
        verified.checkpoints()
    ));
    if verified.begins() > 0 {
        let begins = verified.begins();
        announce(&format!("it begins after entry {begins}; what is before is in an archive"));
    }
    match verified.unsigned() {
        0 => {}
        unsigned => announce(&format!("entries that no checkpoint signs yet: {unsigned}")),
    }
    if let Some(State { revisions, values, entries }) = state {
        announce(&format!(
            "the tables are what the log of authority says: revisions {revisions}, values \
             {values}, entries of its history {entries}"
        ));
    }
    Ok(())
}

/// Holds the tables against the log, which takes the root key.
async fn state_of(config: &Config, store: &Store) -> anyhow::Result<State> {
    held(store, &super::unsealed(config, store).await?).await
}

/// Holds the tables against the log, by keys that are open.
pub(crate) async fn held(store: &Store, keyring: &Keyring) -> anyhow::Result<State> {
    match verify_state(store, keyring).await {
        Ok(state) => Ok(state),
        Err(StateError::Differs(what)) => {
            let what = format!(
                "the tables are not what the log of authority says: {what}. Fix: keep what there \
                 is, restore a backup into another database, and see docs/audit.md"
            );
            Err(NotVerified { exit_code: EXIT_STATE, what }.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// What a verifier came to. One that falls has verified nothing.
pub(crate) async fn to_its_end<T>(
    read: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let internal = |what: String| NotVerified { exit_code: EXIT_INTERNAL, what };
    match AssertUnwindSafe(read).catch_unwind().await {
        Ok(Ok(verified)) => Ok(verified),
        Ok(Err(error)) if error.is::<NotVerified>() => Err(error),
        Ok(Err(error)) => {
            Err(internal(format!("the database could not be read: {error:#}")).into())
        }
        Err(_) => Err(internal("the verifier itself failed; report this".to_owned()).into()),
    }
}

/// Reads the trail of a database.
pub(crate) async fn read(
    store: &Store,
    key: &NoteVerifier,
    trusted: Option<&str>,
) -> anyhow::Result<Verified> {
    let verifier = Verifier::new(key.name(), trusted, key.opener());
    let mut verifier = verifier.map_err(NotVerified::from)?;
    let mut next = Some(TrailCursor::START);
    while let Some(from) = next {
        let page = WholeTrail::page(store, from, PAGE_ITEMS).await?;
        for item in page.items {
            let taken = match item {
                TrailItem::Beginning { note, edge } => verifier.begin(&note, edge),
                TrailItem::Checkpoint(note) => verifier.checkpoint(&note),
                TrailItem::Entry(row) => verifier.entry(Row {
                    lane: row.lane,
                    seq: row.seq,
                    canonical: &row.entry,
                    hash: row.hash,
                }),
            };
            taken.map_err(NotVerified::from)?;
        }
        next = page.next;
    }
    Ok(verifier.finish().map_err(NotVerified::from)?)
}

/// The exit code where the tables are not what the log says.
const EXIT_STATE: u8 = 14;
/// Items that are held at once.
const PAGE_ITEMS: usize = 1_000;

#[cfg(test)]
mod tests;
