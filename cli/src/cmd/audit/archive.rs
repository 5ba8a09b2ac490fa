//! `secretref audit archive`.

use super::{
    items::{self, Pages, Stopped, line_of, row_of, write as write_line},
    key,
    verify::feed_file,
};
use crate::{
    args::since,
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
    print::time,
};
use secretref_domain::{
    audit::DecodedEntry,
    clock::Timestamp,
    hash::{Sha256, hex},
    trail::{Verifier, export::Line},
};
use secretref_identity::note::NoteVerifier;
use secretref_proto::v1::{self, trail_item::Item};
use serde::Serialize;
use std::{
    fs::{self, File},
    io::{self, BufWriter, Read},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// Write the older part of the audit trail into an archive, and record that it is there.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref audit archive --dir /mnt/archive --before 90d\n  \
    secretref audit verify --file /mnt/archive/trail-*.jsonl --key \"$(cat audit.pub)\"\n\
    Whole checkpoints are archived, up to the last one whose entries are all older. The file is \
    verified as it lies on the disk before it is recorded. Nothing is removed: that is done by \
    another role of the database, with secretref-broker prune-trail.")]
pub(crate) struct Archive {
    /// Folder of the archive; made where it is not there
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// What is older: RFC 3339, a date, or a duration before now
    #[arg(long, value_name = "TIME", default_value = "90d", value_parser = since)]
    before: Timestamp,
    /// The key of checkpoints, as `audit key` prints it; without it the one that the broker names
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

#[derive(Serialize)]
struct Written<'a> {
    file: &'a Path,
    first: u64,
    last: u64,
    sha256: String,
}

/// A part of the trail under a name of its own only when it is whole.
struct Segment {
    file: BufWriter<NamedTempFile>,
    items: u64,
    /// Entries before its first, and up to its last.
    begins: u64,
    ends: u64,
}

impl Archive {
    /// Reads the trail, keeps what is older, verifies what it kept, and has it recorded.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let key = match &self.key {
            Some(key) => key.clone(),
            None => key::ask_for(session).await?,
        };
        let key = NoteVerifier::parse(key.trim())
            .map_err(|error| Failure::usage(error.to_string(), "name it as it was printed"))?;
        fs::create_dir_all(&self.dir).map_err(|error| self.unwritable(&self.dir, &error))?;
        let segment = self.collect(session, &key).await.map_err(said)?;
        let (begins, ends) = (segment.begins, segment.ends);
        if begins == ends {
            let before = time::rfc3339(&time::wire(self.before));
            session.out.note(&format!("nothing of the trail is older than {before}"));
            return Ok(Exit::Done);
        }
        let path = self.dir.join(format!("trail-{:012}-{ends:012}.jsonl", begins + 1));
        segment.keep(&path).map_err(|error| self.unwritable(&path, &error))?;
        let sha256 = verified(&path, &key, ends).map_err(said)?;
        let client = session.audit().await?;
        let size = i64::try_from(ends).unwrap_or(i64::MAX);
        let recorded = ask_twice(|| {
            let mut client = client.clone();
            let request = v1::RecordArchiveRequest { size, sha256: sha256.to_vec() };
            async move { client.record_archive(request).await }
        });
        recorded.await?;
        let sha256 = hex(&sha256);
        let written = Written { file: &path, first: begins + 1, last: ends, sha256 };
        if session.out.json {
            session.out.json(&written)?;
        } else {
            session.out.line(&path.display().to_string())?;
        }
        session.out.note(&format!(
            "entries {} to {ends} are in it, and the trail says so. To remove them from the \
             database: secretref-broker prune-trail --archive {}",
            begins + 1,
            path.display()
        ));
        Ok(Exit::Done)
    }

    /// What is older, checkpoint by checkpoint, each verified before it is kept.
    async fn collect(&self, session: &Session<'_>, key: &NoteVerifier) -> Result<Segment, Stopped> {
        let mut verifier = Verifier::new(key.name(), None, key.opener())?;
        let file = NamedTempFile::new_in(&self.dir);
        let file = BufWriter::new(file.map_err(|error| self.unwritable(&self.dir, &error))?);
        let mut segment = Segment { file, items: 0, begins: 0, ends: 0 };
        segment.write(&Line::header(key.name(), true)).map_err(Failure::from)?;
        let mut pages = Pages::of(session).await?;
        // The checkpoint whose entries are being read, and how new the newest of them is.
        let mut group: Vec<Item> = Vec::new();
        let mut newest = Timestamp::from_micros(i64::MIN);
        while let Some(page) = pages.next().await? {
            for item in page {
                items::feed(&mut verifier, &item)?;
                let is_beginning = matches!(item, Item::Beginning(_));
                match &item {
                    Item::Entry(_) if group.is_empty() => return Ok(segment),
                    Item::Entry(entry) => newest = newest.max(written_at(entry)?),
                    Item::Beginning(_) | Item::Checkpoint(_) => {}
                }
                group.push(item);
                let size = verifier.newest().map_or(0, |checkpoint| checkpoint.size);
                if size == segment.ends {
                    continue;
                }
                if !is_beginning && newest >= self.before {
                    return Ok(segment);
                }
                for item in group.drain(..) {
                    segment.write(&line_of(&item)?).map_err(Failure::from)?;
                    segment.items += 1;
                }
                segment.ends = size;
                if is_beginning {
                    segment.begins = size;
                }
                newest = Timestamp::from_micros(i64::MIN);
            }
        }
        Ok(segment)
    }

    fn unwritable(&self, path: &Path, error: &io::Error) -> Failure {
        let what = format!("{} cannot be written: {error}", path.display());
        Failure::usage(what, format!("see to {}, or name another --dir", self.dir.display()))
    }
}

impl Segment {
    fn write(&mut self, line: &Line) -> io::Result<()> {
        write_line(line, &mut self.file)
    }

    /// Ends it and gives it its name, which it may have from a run that was broken off: what lies
    /// there is verified all the same.
    fn keep(mut self, path: &Path) -> io::Result<()> {
        let end = Line::end(self.items);
        self.write(&end)?;
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error.error);
            }
            _ => {}
        }
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

/// Reads a segment as it lies on the disk; its SHA-256 where it ends as it should.
fn verified(path: &Path, key: &NoteVerifier, ends: u64) -> Result<[u8; 32], Stopped> {
    let mut verifier = Verifier::new(key.name(), None, key.opener())?;
    let is_segment = feed_file(path, key, &mut verifier)?;
    let verified = verifier.finish_segment()?;
    if !is_segment || verified.newest().map(|newest| newest.size) != Some(ends) {
        let what = format!("{} is another part of the trail", path.display());
        return Err(Failure::usage(what, "move it away, and archive again").into());
    }
    let unreadable = |error: io::Error| {
        let what = format!("{} cannot be read: {error}", path.display());
        Failure::usage(what, "archive to another disk")
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let (mut running, mut piece) = (Sha256::default(), vec![0; PIECE_BYTES]);
    loop {
        match file.read(&mut piece).map_err(unreadable)? {
            0 => return Ok(running.finish()),
            read => running.update(&piece[..read]),
        }
    }
}

fn written_at(entry: &v1::TrailEntry) -> Result<Timestamp, Stopped> {
    let row = row_of(entry)?;
    // The verifier has read it already.
    let entry = DecodedEntry::decode(row.canonical);
    Ok(entry.map_or(Timestamp::from_micros(i64::MAX), |entry| entry.at))
}

fn said(stopped: Stopped) -> Failure {
    match stopped {
        Stopped::Failed(failure) => failure,
        Stopped::Finding(finding) => super::verify::found(&finding),
    }
}

const PIECE_BYTES: usize = 64 * 1024;
