//! The items of a whole audit trail: page by page from a broker, line by line in an export.
//!
//! ```text
//! {"export":{"format":1,"origin":"example.org/audit"}}
//! {"checkpoint":"NOTE"}
//! {"entry":{"lane":"UUID","seq":1,"canonical":"BASE64","hash":"BASE64"}}
//! …
//! {"end":{"items":1234}}
//! ```

use crate::{
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use secretref_domain::{
    id::BrokerId,
    trail::{Finding, Row, Verdict, Verifier},
};
use secretref_proto::v1::{self, audit_service_client::AuditServiceClient, trail_item::Item};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Read, Write};
use tonic::transport::Channel;

/// Pages of a broker's trail.
pub(super) struct Pages {
    client: AuditServiceClient<Channel>,
    /// Where the next one begins; absent after the last.
    token: Option<String>,
}

/// One line of an export.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Line {
    /// The first.
    Export(Header),
    /// A signed checkpoint.
    Checkpoint(String),
    /// An entry.
    Entry(Entry),
    /// The last.
    End(End),
}

/// What the first line says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    format: u32,
    /// Whose trail it is.
    pub(super) origin: String,
}

/// An entry as it is kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    lane: BrokerId,
    seq: i64,
    canonical: String,
    hash: String,
}

/// What the last line says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    items: u64,
}

/// Reads an export.
pub(super) struct Export<R> {
    from: R,
    line: Vec<u8>,
    number: u64,
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
        Ok(Self { client: session.audit().await?, token: Some(String::new()) })
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

impl Line {
    /// The first line of an export.
    pub(super) fn header(origin: &str) -> Self {
        Self::Export(Header { format: FORMAT, origin: origin.to_owned() })
    }

    /// The last line, after so many items.
    pub(super) fn end(items: u64) -> Self {
        Self::End(End { items })
    }

    /// The line of an item.
    pub(super) fn of(item: Item) -> Result<Self, Failure> {
        Ok(match item {
            Item::Checkpoint(note) => Self::Checkpoint(note),
            Item::Entry(entry) => Self::Entry(Entry {
                lane: lane_of(&entry)?,
                seq: entry.seq,
                canonical: BASE64_STANDARD.encode(entry.canonical),
                hash: BASE64_STANDARD.encode(entry.hash),
            }),
        })
    }

    /// Writes it.
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *to, self).map_err(io::Error::other)?;
        to.write_all(b"\n")
    }
}

impl<R: BufRead> Export<R> {
    /// An export with its header.
    pub(super) fn open(from: R) -> Result<(Self, Header), Failure> {
        let mut export = Self { from, line: Vec::new(), number: 0 };
        match export.next() {
            Ok(Some(Line::Export(header))) if header.format == FORMAT => Ok((export, header)),
            Err(Stopped::Failed(failure)) => Err(failure),
            _ => {
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
        let mut items = 0;
        loop {
            match self.next()? {
                Some(Line::Checkpoint(note)) => verifier.checkpoint(&note)?,
                Some(Line::Entry(entry)) => {
                    let canonical = BASE64_STANDARD.decode(&entry.canonical);
                    let hash = BASE64_STANDARD.decode(&entry.hash).ok();
                    let (Ok(canonical), Some(Ok(hash))) = (canonical, hash.map(TryInto::try_into))
                    else {
                        return Err(self.altered("a field is not what the format says").into());
                    };
                    let Entry { lane, seq, .. } = entry;
                    verifier.entry(Row { lane, seq, canonical: &canonical, hash })?;
                }
                Some(Line::End(end)) if end.items == items => return self.over(),
                Some(Line::End(_)) => return Err(self.cut("its last line counts others").into()),
                Some(Line::Export(_)) => return Err(self.altered("it begins anew").into()),
                None => return Err(self.cut("its last line is not there").into()),
            }
            items += 1;
        }
    }

    fn over(mut self) -> Result<(), Stopped> {
        match self.next()? {
            None => Ok(()),
            Some(_) => Err(self.altered("something follows its end").into()),
        }
    }

    fn next(&mut self) -> Result<Option<Line>, Stopped> {
        self.line.clear();
        let read = self.from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut self.line);
        let read = read.map_err(|error| {
            let what = format!("the file cannot be read: {error}");
            Failure::new(Exit::Unverified, what, "read it from another disk")
        })?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        if !self.line.ends_with(b"\n") {
            return Err(self.cut("a line does not end").into());
        }
        let line = serde_json::from_slice(&self.line);
        Ok(Some(line.map_err(|error| self.altered(&error.to_string()))?))
    }

    fn altered(&self, why: &str) -> Finding {
        let what = format!("line {} of the file: {why}", self.number);
        Finding { verdict: Verdict::Altered, spot: None, what }
    }

    fn cut(&self, why: &str) -> Finding {
        let what = format!("the file is cut off after line {}: {why}", self.number);
        Finding { verdict: Verdict::Truncated, spot: None, what }
    }
}

/// Hands an item of a broker to a verifier.
pub(super) fn feed<O>(verifier: &mut Verifier<O>, item: Item) -> Result<(), Stopped>
where
    O: for<'n> Fn(&'n str) -> Result<&'n str, String>,
{
    match item {
        Item::Checkpoint(note) => verifier.checkpoint(&note)?,
        Item::Entry(entry) => {
            let hash = <[u8; 32]>::try_from(&entry.hash[..]).map_err(|_| strange())?;
            let (lane, seq) = (lane_of(&entry)?, entry.seq);
            verifier.entry(Row { lane, seq, canonical: &entry.canonical, hash })?;
        }
    }
    Ok(())
}

fn lane_of(entry: &v1::TrailEntry) -> Result<BrokerId, Failure> {
    entry.lane.parse().map_err(|_| strange())
}

fn strange() -> Failure {
    let what = "the broker sent an entry that is none";
    Failure::new(Exit::Unverified, what, "verify the database itself: secretref-broker verify")
}

/// Version of the format.
const FORMAT: u32 = 1;
/// Items that a page has at most.
const PAGE_SIZE: i32 = 1_000;
/// Length of a line: that of an entry of 4 MiB in base64, and more.
const LINE_BYTES_MAX: u64 = 8 << 20;

#[cfg(test)]
mod tests;
