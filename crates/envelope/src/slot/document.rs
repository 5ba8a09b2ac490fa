//! The text of a slot: lines in one order, with a checksum at the end.

use super::SlotError;
use crate::{hash::sha256, root_key::KekId};
use base64::{Engine, engine::general_purpose::STANDARD};
use secretref_domain::id::Digest;
use zeroize::Zeroizing;

/// Longest slot, in bytes.
pub const SLOT_BYTES_MAX: usize = 4096;

const FIRST_LINE_START: &str = "secretref root key v";
const FIRST_LINE: &str = "secretref root key v1";
const SUM: &str = "sum: ";

/// A slot that is being read, line by line. Its checksum was right.
pub(super) struct Document<'a> {
    lines: std::str::Lines<'a>,
    /// Number of the line that was read last, from 1.
    line: usize,
}

impl<'a> Document<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, SlotError> {
        let malformed = |why| SlotError::Malformed { line: 1, why };
        if bytes.len() > SLOT_BYTES_MAX {
            return Err(malformed("the text is longer than 4,096 bytes"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not text"))?;
        if FIRST_LINE.starts_with(text) {
            return Err(SlotError::Torn);
        }
        let (first, _) = text.split_once('\n').ok_or(malformed(NOT_A_SLOT))?;
        match first.strip_prefix(FIRST_LINE_START) {
            Some("1") => {}
            Some(_) => return Err(SlotError::UnknownVersion),
            None => return Err(malformed(NOT_A_SLOT)),
        }
        let body = whole(text).ok_or(SlotError::Torn)?;
        let mut lines = body.lines();
        lines.next();
        Ok(Self { lines, line: 1 })
    }

    /// What stands behind `name` in the next line.
    pub(super) fn field(
        &mut self,
        name: &'static str,
        why: &'static str,
    ) -> Result<&'a str, SlotError> {
        self.line += 1;
        let content = self.lines.next().and_then(|line| line.strip_prefix(name));
        content.ok_or(self.malformed(why))
    }

    /// The bytes that stand behind `name` in the next line: as many as `output` has.
    pub(super) fn base64(
        &mut self,
        name: &'static str,
        why: &'static str,
        output: &mut [u8],
    ) -> Result<(), SlotError> {
        let content = self.field(name, why)?;
        // Exact padding and zero trailing bits, so that one key has one text.
        match STANDARD.decode_slice(content, output) {
            Ok(read) if read == output.len() => Ok(()),
            _ => Err(self.malformed(why)),
        }
    }

    pub(super) fn kek_id(&mut self) -> Result<KekId, SlotError> {
        let why = "`kek: ` and a UUID in lower case with hyphens belong here";
        let content = self.field("kek: ", why)?;
        let id: KekId = content.parse().map_err(|_| self.malformed(why))?;
        if id.0.is_nil() || id.to_string() != content {
            return Err(self.malformed(why));
        }
        Ok(id)
    }

    /// No line is left.
    pub(super) fn end(mut self) -> Result<(), SlotError> {
        self.line += 1;
        match self.lines.next() {
            None => Ok(()),
            Some(_) => Err(self.malformed("`sum: ` belongs here")),
        }
    }

    /// An error about the line that was read last.
    pub(super) fn malformed(&self, why: &'static str) -> SlotError {
        SlotError::Malformed { line: self.line, why }
    }
}

const NOT_A_SLOT: &str = "`secretref root key v1` belongs here; this is another file";

/// The text without its last line, where that is the checksum of the rest.
fn whole(text: &str) -> Option<&str> {
    let lines = text.strip_suffix('\n')?;
    let (body, last) = text.split_at_checked(lines.rfind('\n')? + 1)?;
    let sum = last.strip_prefix(SUM)?.strip_suffix('\n')?;
    (sum == sum_of(body)).then_some(body)
}

fn sum_of(body: &str) -> String {
    Digest(sha256(&[body.as_bytes()])).to_string()
}

/// A slot that is being written.
pub(super) struct Draft(Zeroizing<String>);

impl Draft {
    pub(super) fn new(kind: &str, kek_id: KekId) -> Self {
        // All of it at once: a text that grows leaves copies of the key behind.
        let mut draft = Self(Zeroizing::new(String::with_capacity(SLOT_BYTES_MAX)));
        draft.line(FIRST_LINE, "");
        draft.line("kind: ", kind);
        draft.line("kek: ", &kek_id.to_string());
        draft
    }

    pub(super) fn line(&mut self, name: &str, content: &str) {
        self.0.push_str(name);
        self.0.push_str(content);
        self.0.push('\n');
    }

    pub(super) fn base64(&mut self, name: &str, bytes: &[u8]) {
        self.0.push_str(name);
        // Into our own buffer: `encode_string` would leave a copy on the stack.
        let mut encoded = Zeroizing::new([0; ENCODED_BYTES_MAX]);
        let length = STANDARD
            .encode_slice(bytes, encoded.as_mut_slice())
            .expect("a slot encodes at most 48 bytes, which are 64 in base64");
        self.0.extend(encoded[..length].iter().map(|byte| char::from(*byte)));
        self.0.push('\n');
    }

    pub(super) fn finish(mut self) -> Zeroizing<String> {
        let sum = sum_of(&self.0);
        self.line(SUM, &sum);
        self.0
    }
}

const ENCODED_BYTES_MAX: usize = 64;
