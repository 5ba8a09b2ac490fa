//! The items of a whole audit trail: page by page from a broker, line by line from a file.

use crate::{
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
};
use secretref_domain::{
    id::BrokerId,
    trail::{
        Finding, Row, Verifier,
        export::{Header, LINE_BYTES_MAX, Line, Reader},
    },
    tree::Hash,
};
use secretref_proto::v1::{self, audit_service_client::AuditServiceClient, trail_item::Item};
use std::io::{self, BufRead, Read, Write};
use tonic::transport::Channel;

/// Pages of a broker's trail.
pub(super) struct Pages {
    client: AuditServiceClient<Channel>,
    /// Where the next one begins; absent after the last.
    token: Option<String>,
}

/// Reads an export.
pub(super) struct Export<R> {
    from: R,
    reader: Reader,
    line: Vec<u8>,
}

/// Why a trail was not read to its end.
#[derive(Debug)]
pub(super) enum Stopped {
    /// Something is wrong with it.
    Finding(Finding),
    /// It could not be read.
    Failed(Failure),
}

impl From<Finding> for Stopped {
    fn from(finding: Finding) -> Self {
        Self::Finding(finding)
    }
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Pages {
    /// From the beginning.
    pub(super) async fn of(session: &Session<'_>) -> Result<Self, Failure> {
        Ok(Self::by(session.audit().await?))
    }

    /// The same by a client.
    pub(super) fn by(client: AuditServiceClient<Channel>) -> Self {
        Self { client, token: Some(String::new()) }
    }

    /// The next page; none after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Item>>, Failure> {
        let Some(page_token) = self.token.take() else { return Ok(None) };
        let request = v1::ReadTrailRequest { page_size: PAGE_SIZE, page_token };
        let client = &self.client;
        let answer = ask_twice(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.read_trail(request).await }
        });
        let answer = answer.await?;
        let next = answer.next_page_token;
        self.token = (!next.is_empty()).then_some(next);
        let item = |item: v1::TrailItem| {
            let empty = "the broker sent an item of a kind that this program does not know";
            let fix = "use the secretref of the broker's version";
            item.item.ok_or_else(|| Failure::new(Exit::Unverified, empty, fix))
        };
        answer.items.into_iter().map(item).collect::<Result<_, _>>().map(Some)
    }
}

impl<R: BufRead> Export<R> {
    /// An export with its header.
    pub(super) fn open(from: R) -> Result<(Self, Header), Failure> {
        let mut export = Self { from, reader: Reader::default(), line: Vec::new() };
        export.next()?;
        match export.reader.header(&export.line) {
            Some(header) => Ok((export, header)),
            None => {
                let what = "the file does not begin as an export of an audit trail does";
                Err(Failure::usage(what, "name a file that `secretref audit export` wrote"))
            }
        }
    }

    /// Hands all of it to a verifier.
    pub(super) fn feed<O>(mut self, verifier: &mut Verifier<O>) -> Result<(), Stopped>
    where
        O: for<'n> Fn(&'n str) -> Result<&'n str, String>,
    {
        while self.next()? {
            self.reader.line(&self.line, verifier)?;
        }
        Ok(self.reader.finish()?)
    }

    fn next(&mut self) -> Result<bool, Failure> {
        self.line.clear();
        let read = self.from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut self.line);
        let read = read.map_err(|error| {
            let what = format!("the file cannot be read: {error}");
            Failure::new(Exit::Unverified, what, "read it from another disk")
        })?;
        Ok(read > 0)
    }
}

/// The line of an item.
pub(super) fn line_of(item: &Item) -> Result<Line, Failure> {
    Ok(match item {
        Item::Beginning(beginning) => {
            Line::beginning(beginning.checkpoint.clone(), &edge_of(beginning)?)
        }
        Item::Checkpoint(note) => Line::Checkpoint(note.clone()),
        Item::Entry(entry) => Line::entry(row_of(entry)?),
    })
}

/// Writes a line.
pub(super) fn write(line: &Line, to: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *to, line).map_err(io::Error::other)?;
    to.write_all(b"\n")
}

/// Hands an item of a broker to a verifier.
pub(super) fn feed<O>(verifier: &mut Verifier<O>, item: &Item) -> Result<(), Stopped>
where
    O: for<'n> Fn(&'n str) -> Result<&'n str, String>,
{
    match item {
        Item::Beginning(beginning) => {
            verifier.begin(&beginning.checkpoint, edge_of(beginning)?)?;
        }
        Item::Checkpoint(note) => verifier.checkpoint(note)?,
        Item::Entry(entry) => verifier.entry(row_of(entry)?)?,
    }
    Ok(())
}

/// An entry as it is kept.
pub(super) fn row_of(entry: &v1::TrailEntry) -> Result<Row<'_>, Failure> {
    let lane: BrokerId = entry.lane.parse().map_err(|_| strange())?;
    let hash = Hash::try_from(&entry.hash[..]).map_err(|_| strange())?;
    Ok(Row { lane, seq: entry.seq, canonical: &entry.canonical, hash })
}

fn edge_of(beginning: &v1::TrailBeginning) -> Result<Vec<Hash>, Failure> {
    let hash = |hash: &Vec<u8>| Hash::try_from(&hash[..]).map_err(|_| strange());
    beginning.edge.iter().map(hash).collect()
}

fn strange() -> Failure {
    let what = "the broker sent an item that is none";
    Failure::new(Exit::Unverified, what, "verify the database itself: secretref-broker verify")
}

/// Items that a page has at most.
const PAGE_SIZE: i32 = 1_000;

#[cfg(test)]
mod tests;
