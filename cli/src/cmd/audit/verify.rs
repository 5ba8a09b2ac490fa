//! `secretref audit verify`.

use super::{
    items::{self, Export, Pages, Stopped},
    key,
};
use crate::{
    connect::Session,
    failure::{Exit, Failure},
    print::Printer,
};
use secretref_domain::{
    checkpoint::NOTE_BYTES_MAX,
    trail::{Finding, Spot, Verdict, Verified, Verifier},
};
use secretref_identity::note::NoteVerifier;
use secretref_proto::v1::audit_service_client::AuditServiceClient;
use serde::Serialize;
use std::{
    fs::File,
    future::poll_fn,
    io::{BufReader, Read},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    pin::pin,
    task::Poll,
};
use tonic::transport::Channel;

/// Verify the whole audit trail: of a broker, or of an export without a broker.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref audit verify\n  \
    secretref audit verify --checkpoint kept.txt\n  \
    secretref audit verify --file trail.jsonl --key \"$(cat audit.pub)\"\n  \
    secretref audit verify --file archive/trail-*.jsonl --key \"$(cat audit.pub)\"\n\
    Exit codes: 0 it is what was written (entries that no checkpoint signs yet are counted), \
    10 altered, 11 missing or reordered, 12 truncated, 13 bad signature or fork, 20 it could not \
    be verified to its end. Without --checkpoint, a trail that was cut back together with its \
    checkpoints is not told from a shorter one. For a database: secretref-broker verify.")]
pub(crate) struct Verify {
    /// An export to be verified, without a broker; segments of an archive in their order, and
    /// the export that goes on from them
    #[arg(long, value_name = "FILE", requires = "key", num_args = 1..)]
    file: Vec<PathBuf>,
    /// The key of checkpoints, as `audit key` prints it; without it the one that the broker names
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// A checkpoint that you kept and trust, which has to be part of the trail
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

#[derive(Serialize)]
struct Well<'a> {
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    begins_after: Option<u64>,
    entries: u64,
    lanes: usize,
    checkpoints: u64,
    unsigned: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<&'a str>,
}

#[derive(Serialize)]
struct Wrong<'a> {
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<i64>,
    what: &'a str,
}

/// The verifier fell.
#[derive(Debug)]
struct Fell;

impl Verify {
    /// Reads the trail to its end, or to the first thing that is wrong.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let read = caught(self.read(session)).await;
        conclude(read, session.out)
    }

    async fn read(&self, session: &Session<'_>) -> Result<Verified, Stopped> {
        let key = match &self.key {
            Some(key) => key.clone(),
            None => key::ask_for(session).await?,
        };
        let key = NoteVerifier::parse(key.trim())
            .map_err(|error| Failure::usage(error.to_string(), "name it as it was printed"))?;
        let trusted = self.checkpoint.as_deref().map(note).transpose()?;
        let mut verifier = Verifier::new(key.name(), trusted.as_deref(), key.opener())?;
        if self.file.is_empty() {
            feed_pages(Pages::of(session).await?, &mut verifier).await?;
            return Ok(verifier.finish()?);
        }
        let mut is_segment = false;
        for path in &self.file {
            is_segment = feed_file(path, &key, &mut verifier)?;
        }
        Ok(if is_segment { verifier.finish_segment() } else { verifier.finish() }?)
    }
}

/// Verifies the trail that a broker shows, by the key that it names.
pub(in crate::cmd) async fn shown_by(
    client: AuditServiceClient<Channel>,
) -> Result<Verified, Failure> {
    let key = NoteVerifier::parse(&key::ask_by(&client).await?)
        .map_err(|error| Failure::usage(error.to_string(), "use a secretref of its version"))?;
    let read = async {
        let mut verifier = Verifier::new(key.name(), None, key.opener())?;
        feed_pages(Pages::by(client), &mut verifier).await?;
        Ok(verifier.finish()?)
    };
    read.await.map_err(|stopped: Stopped| match stopped {
        Stopped::Finding(finding) => found(&finding),
        Stopped::Failed(failure) => failure,
    })
}

/// Hands a broker's whole trail to a verifier.
async fn feed_pages<O>(mut pages: Pages, verifier: &mut Verifier<O>) -> Result<(), Stopped>
where
    O: for<'n> Fn(&'n str) -> Result<&'n str, String>,
{
    while let Some(page) = pages.next().await? {
        page.iter().try_for_each(|item| items::feed(verifier, item))?;
    }
    Ok(())
}

/// Hands a file to a verifier; whether it is a segment.
pub(super) fn feed_file<O>(
    path: &Path,
    key: &NoteVerifier,
    verifier: &mut Verifier<O>,
) -> Result<bool, Stopped>
where
    O: for<'n> Fn(&'n str) -> Result<&'n str, String>,
{
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let (export, header) = Export::open(BufReader::new(file))?;
    if header.origin != key.name() {
        let what = format!("the export is of {:?}, and the key of {:?}", header.origin, key.name());
        return Err(Failure::usage(what, "name the key of that trail").into());
    }
    export.feed(verifier)?;
    Ok(header.segment)
}

/// A note of a file.
fn note(path: &Path) -> Result<String, Failure> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let mut note = String::new();
    let most = u64::try_from(NOTE_BYTES_MAX).unwrap_or(u64::MAX);
    let read = file.take(most).read_to_string(&mut note);
    read.map_err(|error| unreadable(path, &error))?;
    Ok(note)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("{} cannot be read: {error}", path.display()), "correct the path")
}

/// A future's answer, or that it panicked.
async fn caught<F: Future>(future: F) -> Result<F::Output, Fell> {
    let mut future = pin!(future);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        polled.map_or(Poll::Ready(Err(Fell)), |answer| answer.map(Ok))
    })
    .await
}

/// Says what came of it. Only a trail that was verified to its end is a success, whether or not
/// anybody reads that it was.
fn conclude(read: Result<Result<Verified, Stopped>, Fell>, out: Printer) -> Result<Exit, Failure> {
    let failure = match read {
        Ok(Ok(verified)) => {
            well(&verified, out)?;
            return Ok(Exit::Done);
        }
        Ok(Err(Stopped::Finding(finding))) => wrong(&finding, out),
        Ok(Err(Stopped::Failed(failure))) => failure,
        Err(Fell) => {
            let fix = "verify it with another version of secretref, and report this";
            Failure::new(Exit::Unverified, "the verifier itself failed", fix)
        }
    };
    match failure.exit {
        Exit::Done => Err(Failure::told(Exit::Unverified)),
        _ => Err(failure),
    }
}

fn well(verified: &Verified, out: Printer) -> Result<(), Failure> {
    let newest = verified.newest().map(ToString::to_string);
    let (entries, lanes) = (verified.entries(), verified.lanes());
    let (checkpoints, unsigned) = (verified.checkpoints(), verified.unsigned());
    if out.json {
        let (verdict, newest) = ("ok", newest.as_deref());
        let begins_after = Some(verified.begins()).filter(|begins| *begins > 0);
        return out.json(&Well {
            verdict,
            begins_after,
            entries,
            lanes,
            checkpoints,
            unsigned,
            newest,
        });
    }
    out.line(&format!(
        "the audit trail is what was written: entries {entries}, lanes {lanes}, checkpoints \
         {checkpoints}"
    ))?;
    if verified.begins() > 0 {
        let begins = verified.begins();
        out.note(&format!("it begins after entry {begins}; what is before is in an archive"));
    }
    if unsigned > 0 {
        out.note(&format!("entries that no checkpoint signs yet: {unsigned}"));
    }
    Ok(())
}

fn wrong(finding: &Finding, out: Printer) -> Failure {
    let failure = found(finding);
    let spot = finding.spot;
    let document = Wrong {
        verdict: finding.verdict.as_str(),
        lane: spot.map(|Spot { lane, .. }| lane.to_string()),
        first: spot.map(|Spot { first, .. }| first),
        last: spot.map(|Spot { last, .. }| last),
        what: &finding.what,
    };
    // Whoever does not read it any more has the exit code.
    if out.json && out.json(&document).is_err() {
        return Failure::told(failure.exit);
    }
    failure
}

/// What a finding is to whoever asked.
pub(super) fn found(finding: &Finding) -> Failure {
    let exit = match finding.verdict {
        Verdict::Altered => Exit::Altered,
        Verdict::Misplaced => Exit::Misplaced,
        Verdict::Truncated => Exit::Truncated,
        Verdict::Forked => Exit::Forked,
    };
    let fix = "keep what there is, compare it with an export or a backup that you trust, and see \
               docs/audit.md";
    Failure::new(exit, format!("the audit trail is not what was written: {finding}"), fix)
}

#[cfg(test)]
mod tests;
