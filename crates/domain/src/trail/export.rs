//! The lines of an export of the trail, and of a segment of it, which an archive is.
//!
//! ```text
//! {"export":{"format":1,"origin":"example.org/audit"}}      a segment has "segment":true besides
//! {"beginning":{"checkpoint":"NOTE","edge":["BASE64",…]}}   where older entries were archived
//! {"checkpoint":"NOTE"}
//! {"entry":{"lane":"UUID","seq":1,"canonical":"BASE64","hash":"BASE64"}}
//! …
//! {"end":{"items":1234}}
//! ```

use super::{Finding, Row, Verdict, Verifier};
use crate::{id::BrokerId, tree::Hash};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// The first.
    Export(Header),
    /// Where it begins, where that is not with the first entry.
    Beginning(Beginning),
    /// A signed checkpoint.
    Checkpoint(String),
    /// An entry.
    Entry(Kept),
    /// The last.
    End(End),
}

/// What the first line says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    format: u32,
    /// Whose trail it is.
    pub origin: String,
    /// Whether it is a part, which ends with what a checkpoint signs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub segment: bool,
}

/// The checkpoint that signs all that comes before, and the edge of its tree.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beginning {
    checkpoint: String,
    edge: Vec<String>,
}

/// An entry as it is kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    lane: BrokerId,
    seq: i64,
    canonical: String,
    hash: String,
}

/// What the last line says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    items: u64,
}

/// What was read of an export so far.
#[derive(Debug, Default)]
pub struct Reader {
    lines: u64,
    items: u64,
    ended: bool,
}

impl Line {
    /// The first line of an export, or of a segment.
    #[must_use]
    pub fn header(origin: &str, segment: bool) -> Self {
        Self::Export(Header { format: FORMAT, origin: origin.to_owned(), segment })
    }

    /// Where it begins.
    #[must_use]
    pub fn beginning(checkpoint: String, edge: &[Hash]) -> Self {
        let edge = edge.iter().map(|hash| BASE64_STANDARD.encode(hash)).collect();
        Self::Beginning(Beginning { checkpoint, edge })
    }

    /// An entry.
    #[must_use]
    pub fn entry(row: Row<'_>) -> Self {
        Self::Entry(Kept {
            lane: row.lane,
            seq: row.seq,
            canonical: BASE64_STANDARD.encode(row.canonical),
            hash: BASE64_STANDARD.encode(row.hash),
        })
    }

    /// The last line, after so many others that are not the first.
    #[must_use]
    pub fn end(items: u64) -> Self {
        Self::End(End { items })
    }
}

impl Reader {
    /// Takes the first line; nothing where it is not one of this format.
    pub fn header(&mut self, line: &[u8]) -> Option<Header> {
        self.lines += 1;
        match serde_json::from_slice(line) {
            Ok(Line::Export(header)) if header.format == FORMAT => Some(header),
            _ => None,
        }
    }

    /// Takes the next line, with its newline, and hands what it has to a verifier.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn line<O>(&mut self, line: &[u8], verifier: &mut Verifier<O>) -> Result<(), Finding>
    where
        O: for<'n> Fn(&'n str) -> Result<&'n str, String>,
    {
        if !line.ends_with(b"\n") {
            return Err(self.cut("a line does not end"));
        }
        self.lines += 1;
        if self.ended {
            return Err(self.altered("something follows its end"));
        }
        match serde_json::from_slice(line).map_err(|error| self.altered(&error.to_string()))? {
            Line::Beginning(Beginning { checkpoint, edge }) => {
                let edge = edge.iter().map(|hash| hash_of(hash)).collect::<Option<_>>();
                let edge = edge.ok_or_else(|| self.altered("a hash of the edge is none"))?;
                verifier.begin(&checkpoint, edge)?;
            }
            Line::Checkpoint(note) => verifier.checkpoint(&note)?,
            Line::Entry(Kept { lane, seq, canonical, hash }) => {
                let canonical = BASE64_STANDARD.decode(&canonical);
                let (Ok(canonical), Some(hash)) = (canonical, hash_of(&hash)) else {
                    return Err(self.altered("a field is not what the format says"));
                };
                verifier.entry(Row { lane, seq, canonical: &canonical, hash })?;
            }
            Line::End(end) if end.items == self.items => self.ended = true,
            Line::End(_) => return Err(self.cut("its last line counts others")),
            Line::Export(_) => return Err(self.altered("it begins anew")),
        }
        self.items += 1;
        Ok(())
    }

    /// Says that no line follows.
    ///
    /// # Errors
    /// Where the last line did not come.
    pub fn finish(self) -> Result<(), Finding> {
        if self.ended { Ok(()) } else { Err(self.cut("its last line is not there")) }
    }

    fn altered(&self, why: &str) -> Finding {
        let what = format!("line {} of the file: {why}", self.lines);
        Finding { verdict: Verdict::Altered, spot: None, what }
    }

    fn cut(&self, why: &str) -> Finding {
        let what = format!("the file is cut off after line {}: {why}", self.lines);
        Finding { verdict: Verdict::Truncated, spot: None, what }
    }
}

fn hash_of(text: &str) -> Option<Hash> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}

/// Length of a line, in bytes: that of an entry of 4 MiB in base64, and more.
pub const LINE_BYTES_MAX: u64 = 8 << 20;
/// Version of the format.
const FORMAT: u32 = 1;
