//! The program that `OpenClaw` starts: a copy of this one. `OpenClaw` takes no link, and no file of
//! somebody else or that others may write.

use crate::{
    connect::Session,
    failure::{Exit, Failure},
};
use serde_json::{Value, json};
use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::Path,
};

/// The provider as `OpenClaw`'s configuration has it.
pub(super) fn definition(program: &Path, socket: &Path) -> Value {
    json!({
        "source": "exec",
        "command": program,
        "args": ["resolve", "--socket", socket],
        "timeoutMs": 5000,
        "jsonOnly": true,
    })
}

/// Puts a copy of this program there, unless it is there already.
pub(super) fn install(session: &Session<'_>, program: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        let what = format!("{} cannot be written: {error}", program.display());
        Failure::new(Exit::Refused, what, "name another folder: --resolver-dir DIR")
    };
    let own = session.config().program.as_deref();
    let own = own.ok_or_else(|| failed(io::Error::other("where this program is is not known")))?;
    if is_same(own, program) {
        return Ok(());
    }
    let folder = program.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new().recursive(true).mode(0o755).create(folder).map_err(failed)?;
    // It may be running: it is replaced and never written.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let mut from = fs::File::open(own).map_err(failed)?;
    io::copy(&mut from, &mut file).map_err(failed)?;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o755)).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(program).map_err(|error| failed(error.error))?;
    session.out.note(&format!("{} is a copy of this program", program.display()));
    Ok(())
}

/// Whether a plain file that nobody else may write is there with the same bytes.
fn is_same(own: &Path, copy: &Path) -> bool {
    let plain =
        fs::symlink_metadata(copy).is_ok_and(|meta| meta.is_file() && meta.mode() & 0o122 == 0o100);
    let same = || fs::read(own).ok().is_some_and(|own| fs::read(copy).is_ok_and(|it| it == own));
    plain && same()
}
