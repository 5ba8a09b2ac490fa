//! `secretref audit export`.

use super::{
    items::{Pages, line_of, write as write_line},
    key,
};
use crate::{
    connect::Session,
    failure::{Exit, Failure},
    print::counted,
};
use secretref_domain::trail::export::Line;
use secretref_identity::note::NoteVerifier;
use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// Write the whole audit trail with its checkpoints, to be verified anywhere.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref audit export --out trail.jsonl\n  \
    secretref audit verify --file trail.jsonl --key \"$(cat audit.pub)\"\n\
    One JSON document a line; docs/audit.md says what is in them. It holds no value of a secret.")]
pub(crate) struct Export {
    /// File to write, which must not be there yet; without it standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Export {
    /// Writes it page by page.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let key = key::ask_for(session).await?;
        let origin = NoteVerifier::parse(&key).map_err(|error| {
            let fix = "use the secretref of the broker's version";
            Failure::new(Exit::Refused, format!("the broker's key: {error}"), fix)
        })?;
        let pages = Pages::of(session).await?;
        let items = match &self.out {
            None => write(pages, origin.name(), &mut BufWriter::new(io::stdout())).await?,
            Some(path) => to_file(pages, origin.name(), path).await?,
        };
        session.out.note(&counted(usize::try_from(items).unwrap_or(usize::MAX), "item"));
        Ok(Exit::Done)
    }
}

/// Under its name only when it is whole.
async fn to_file(pages: Pages, origin: &str, path: &Path) -> Result<u64, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        let what = format!("{} cannot be written: {error}", path.display());
        Failure::usage(what, "name another file with --out")
    };
    if path.exists() {
        return Err(failed(&"it is there already"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")));
    let mut file = BufWriter::new(file.map_err(|error| failed(&error))?);
    let items = write(pages, origin, &mut file).await?;
    let file = file.into_inner().map_err(|error| failed(&error))?;
    file.as_file().sync_all().map_err(|error| failed(&error))?;
    file.persist_noclobber(path).map_err(|error| failed(&error.error))?;
    Ok(items)
}

async fn write(mut pages: Pages, origin: &str, to: &mut impl Write) -> Result<u64, Failure> {
    let mut items = 0;
    write_line(&Line::header(origin, false), to)?;
    while let Some(page) = pages.next().await? {
        for item in page {
            write_line(&line_of(&item)?, to)?;
            items += 1;
        }
    }
    write_line(&Line::end(items), to)?;
    to.flush()?;
    Ok(items)
}
