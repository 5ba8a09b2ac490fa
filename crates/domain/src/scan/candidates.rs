//! What a broker is asked about: each literal of a text, as it reads and as it decodes, under a key
//! that is drawn for the question. Nobody learns a literal from its digest who does not have it,
//! and the broker tells of its values only which digests are theirs.

use super::{Format, literals};
use crate::hash::keyed;
use std::{collections::BTreeSet, ops::Range};
use zeroize::Zeroizing;

/// A literal that may be a value of the broker.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its bytes in the file.
    pub range: Range<usize>,
    /// Its digest, and those of what it decodes to: HMAC-SHA256 under the key of the question.
    pub digests: BTreeSet<[u8; 32]>,
}

/// The candidates of a file's text, in order. What is shorter than [`CANDIDATE_BYTES_MIN`] is none:
/// it would be found everywhere. A line with [`super::ALLOWED`] in it is passed over.
#[must_use]
pub fn candidates(text: &str, format: Format, key: &[u8; 32]) -> Vec<Candidate> {
    let literals = literals::read(text, format);
    let literals = literals.iter().filter(|it| !super::allowed(text, it.range.start));
    let of = |range: Range<usize>, value: &str| {
        let digests: BTreeSet<[u8; 32]> =
            readings(value).iter().map(|reading| keyed(key, reading)).collect();
        (!digests.is_empty()).then_some(Candidate { range, digests })
    };
    let mut found: Vec<Candidate> =
        literals.filter_map(|it| of(it.range.clone(), &it.value)).collect();
    // A file that is nothing but a value.
    let whole = text.trim();
    if whole.len() <= VALUE_BYTES_MAX && found.iter().all(|it| it.range.len() < whole.len()) {
        let begins = text.len() - text.trim_start().len();
        found.extend(of(begins..begins + whole.len(), whole));
    }
    found
}

/// A literal as it is, without the space around it, and as it decodes.
fn readings(value: &str) -> Vec<Zeroizing<Vec<u8>>> {
    let plain = |text: &str| Zeroizing::new(text.as_bytes().to_vec());
    let trimmed = value.trim();
    let mut readings = vec![plain(value), plain(trimmed)];
    readings.extend(literals::decode64(trimmed));
    readings.extend(unhex(trimmed));
    readings.extend(unpercent(trimmed));
    readings.retain(|reading| (CANDIDATE_BYTES_MIN..=VALUE_BYTES_MAX).contains(&reading.len()));
    readings
}

fn unhex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let text = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let byte = |pair: &[u8]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
    let pairs = text.chunks_exact(2);
    if text.is_empty() || !pairs.remainder().is_empty() {
        return None;
    }
    pairs.map(byte).collect::<Option<Vec<u8>>>().map(Zeroizing::new)
}

/// As in a URL; none where nothing is escaped.
fn unpercent(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut pieces = text.split('%');
    let mut bytes = Zeroizing::new(pieces.next()?.as_bytes().to_vec());
    let mut is_escaped = false;
    for piece in pieces {
        let (code, rest) = piece.split_at_checked(2)?;
        bytes.extend_from_slice(&unhex(code)?);
        bytes.extend_from_slice(rest.as_bytes());
        is_escaped = true;
    }
    is_escaped.then_some(bytes)
}

/// The shortest literal that a broker is asked about, in bytes.
pub const CANDIDATE_BYTES_MIN: usize = 8;
/// Length of a value, in bytes.
const VALUE_BYTES_MAX: usize = crate::limit::VALUE_BYTES_MAX;

#[cfg(test)]
mod tests;
