//! `prune-trail`: removes from a database what an archive has of its audit trail. It changes
//! nothing else, needs no broker and no root key, and is not for a role that may write the trail.

use super::verify::{self, NotVerified};
use crate::{
    config::PruneTrailArguments,
    store::{AuditPrivileges, Store},
    telemetry::announce,
};
use anyhow::{Context, bail};
use secretref_domain::{
    checkpoint::Checkpoint,
    hash::{Sha256, hex},
    trail::{
        Verifier,
        export::{LINE_BYTES_MAX, Reader},
    },
};
use secretref_identity::note::NoteVerifier;
use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

/// What a file has of the trail.
struct Archived {
    /// Entries before its first.
    begins: u64,
    /// The checkpoint that it ends with.
    newest: Checkpoint,
    /// SHA-256 of the file, hexadecimal.
    sha256: String,
}

/// Verifies the archive and the trail, finds the signed word that the one has a part of the other,
/// and removes that part.
///
/// # Errors
/// [`NotVerified`], or why nothing was removed.
pub async fn prune(arguments: PruneTrailArguments) -> anyhow::Result<()> {
    let key = NoteVerifier::parse(arguments.key.trim()).context("--key")?;
    let path = &arguments.archive;
    let archived = read(path, &key).with_context(|| path.display().to_string())?;
    let store = Store::open(&arguments.database_url).await?;
    if let Some(AuditPrivileges { appends: true, .. }) = store.audit_privileges().await? {
        bail!(
            "the role of --database-url may write the audit trail: whom it tells of must not cut \
             it. Fix: connect as a role that may only read and remove, see docs/postgres-roles.sql"
        );
    }
    let verified = verify::to_its_end(verify::read(&store, &key, None)).await?;
    let (size, begins) = (archived.newest.size, verified.begins());
    if verified.archives().get(&size) != Some(&archived.sha256) {
        bail!(
            "no signed entry of the trail says that its first {size} entries are in a file of \
             SHA-256 {}. Fix: secretref audit archive, and 10 s later again this",
            archived.sha256
        );
    }
    if archived.begins > begins || size < begins {
        bail!(
            "the archive has entries {} to {size}, and the trail begins after entry {begins}. Fix: \
             name the archive that goes on from there",
            archived.begins + 1
        );
    }
    let lanes = archived.newest.lanes.iter().map(|(lane, end)| (*lane, end.seq)).collect();
    let removed = store.remove_archived(i64::try_from(size)?, lanes).await?;
    store.close().await;
    announce(&format!("removed {removed} entries; the trail begins after entry {size}"));
    Ok(())
}

/// Reads a segment to its end.
fn read(path: &Path, key: &NoteVerifier) -> anyhow::Result<Archived> {
    let mut from = BufReader::new(File::open(path)?);
    let verifier = Verifier::new(key.name(), None, key.opener());
    let mut verifier = verifier.map_err(NotVerified::from)?;
    let (mut reader, mut running, mut line) = (Reader::default(), Sha256::default(), Vec::new());
    let mut is_first = true;
    while from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? > 0 {
        running.update(&line);
        if is_first {
            let header = reader.header(&line);
            if !header.is_some_and(|header| header.segment && header.origin == key.name()) {
                bail!("it is no archive of this trail. Fix: name one of secretref audit archive");
            }
            is_first = false;
        } else {
            reader.line(&line, &mut verifier).map_err(NotVerified::from)?;
        }
        line.clear();
    }
    reader.finish().map_err(NotVerified::from)?;
    let verified = verifier.finish_segment().map_err(NotVerified::from)?;
    let begins = verified.begins();
    let newest = verified.newest().cloned().context("it has no checkpoint")?;
    let sha256 = hex(&running.finish());
    Ok(Archived { begins, newest, sha256 })
}
