//! Literals in files that look like credentials.
//!
//! Three ways to find one, the surest first: its shape says what it is, wherever it stands; its
//! shape and the name that it stands under say it together; its name says that it is a secret, and
//! its characters look drawn by lot. A finding never has the value, only its mask.

mod candidates;
mod entropy;
mod excuse;
pub mod literals;

use crate::{
    hash::{hex, sha256},
    service::{self, Kind, spelled},
};
pub use candidates::{CANDIDATE_BYTES_MIN, Candidate, candidates};
pub use literals::{Format, Literal};
use std::{collections::HashMap, ops::Range};

/// A literal that looks like a credential.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What was found, such as `github-token`, or [`GENERIC_ID`].
    pub id: &'static str,
    /// The service, or `generic`.
    pub service: &'static str,
    /// What the service calls it.
    pub title: &'static str,
    /// The name that it stands under, where it has one. 128 bytes at most.
    pub name: Option<String>,
    /// What may be shown of it.
    pub mask: String,
    /// How it was known.
    pub why: Why,
    /// Its bytes in the file; where it was written with escapes or encoded, those of the literal.
    pub range: Range<usize>,
    /// Where the table has one: the variable that its tools read.
    pub variable: Option<&'static str>,
}

/// How a credential was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// By its shape.
    Shape,
    /// By its shape, inside base64.
    Encoded,
    /// By its shape together with the name that it stands under.
    Name,
    /// By the name alone, and because it looks drawn by lot.
    Entropy,
    /// The broker holds it, as this secret and version.
    Held(String, i64),
}

impl Finding {
    /// A literal that is a value of the broker. Nothing of it is shown: what it is says its name.
    #[must_use]
    pub fn held(range: Range<usize>, secret: String, version: i64) -> Self {
        Self {
            id: HELD_ID,
            service: "secretref",
            title: "value that the broker holds",
            name: None,
            mask: service::mask(b""),
            why: Why::Held(secret, version),
            range,
            variable: None,
        }
    }

    /// Whether it is about a part of these bytes.
    #[must_use]
    pub fn touches(&self, range: &Range<usize>) -> bool {
        overlaps(&self.range, range)
    }
}

/// All that looks like a credential in a file's text, in order; [`FINDINGS_MAX`] at most. A line
/// with [`ALLOWED`] in it is passed over.
#[must_use]
pub fn scan(text: &str, format: Format) -> Vec<Finding> {
    let literals = literals::read(text, format);
    let mut findings: Vec<Finding> = Vec::new();
    for place in service::find(text.as_bytes()) {
        let after = literals.partition_point(|it| it.range.start <= place.range.start);
        let around = literals[..after].last().filter(|it| it.holds(place.range.start));
        let name = around.and_then(name_of);
        let value = &text.as_bytes()[place.range.clone()];
        if !excuse::shaped(value) {
            findings.push(known(place.kind, value, Why::Shape, place.range, name));
        }
    }
    for literal in &literals {
        if !findings.iter().any(|it| overlaps(&it.range, &literal.range)) {
            findings.extend(inside(literal));
        }
    }
    findings.retain(|finding| !allowed(text, finding.range.start));
    findings.sort_by_key(|finding| finding.range.start);
    findings.truncate(FINDINGS_MAX);
    findings
}

/// What a literal has in it that its raw text did not show.
fn inside(literal: &Literal) -> Option<Finding> {
    let value = literal.value.as_bytes();
    let found = |value: &[u8], why| {
        let place = service::find(value).into_iter().next()?;
        let value = &value[place.range];
        let known = known(place.kind, value, why, literal.range.clone(), name_of(literal));
        (!excuse::shaped(value)).then_some(known)
    };
    if literal.decoded
        && let Some(finding) = found(value, Why::Shape)
    {
        return Some(finding);
    }
    if let Some(decoded) = literals::unbase64(&literal.value)
        && let Some(finding) = found(&decoded, Why::Encoded)
    {
        return Some(finding);
    }
    let name = literal.name.as_deref()?;
    if excuse::named(name) || excuse::shaped(value) {
        return None;
    }
    if let Some(kind) = service::kind_under(name, value) {
        return Some(known(kind, value, Why::Name, literal.range.clone(), name_of(literal)));
    }
    let drawn = names_secret(name) && entropy::drawn(&literal.value, passes_as_word(name));
    (drawn && literal.text && !excuse::value(&literal.value)).then(|| Finding {
        id: GENERIC_ID,
        service: "generic",
        title: "secret by its name",
        name: name_of(literal),
        mask: service::mask(value),
        why: Why::Entropy,
        range: literal.range.clone(),
        variable: None,
    })
}

fn known(
    kind: &'static Kind,
    value: &[u8],
    why: Why,
    range: Range<usize>,
    name: Option<String>,
) -> Finding {
    let variable = kind.variables.first().copied();
    let (id, service, title) = (kind.id, kind.service, kind.title);
    let mask = service::mask(value);
    Finding { id, service, title, name, mask, why, range, variable }
}

/// A name that may itself be a value in the wrong place is not repeated.
fn name_of(literal: &Literal) -> Option<String> {
    let name = literal.name.as_deref()?;
    let plain = name.len() <= NAME_BYTES_MAX && service::find(name.as_bytes()).is_empty();
    (plain && !entropy::drawn(name, false)).then(|| name.to_owned())
}

/// Whether a name says that its value is a secret: `DB_PASSWORD`, `clientSecret`, not `maxTokens`.
#[must_use]
pub fn names_secret(name: &str) -> bool {
    let name = spelled(name);
    let ends = ["token", "secret", "apikey", "password", "passwd", "passphrase", "pwd"];
    ends.iter().any(|end| name.ends_with(end)) || WORDS.iter().any(|word| name.contains(word))
}

/// Whether what stands under a name is often chosen by a person, and so shorter.
fn passes_as_word(name: &str) -> bool {
    let name = spelled(name);
    ["password", "passwd", "passphrase", "pwd"].iter().any(|word| name.contains(word))
}

fn overlaps(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

/// Whether the line says that what stands in it is meant to.
fn allowed(text: &str, at: usize) -> bool {
    let begins = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let ends = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    text[begins..ends].contains(ALLOWED)
}

/// A name for each finding of a file that stays while the finding does, wherever its line moves:
/// of what is shown of it, and how many before are shown the same. It says nothing of the value
/// that the mask does not say, so that a list of them can be kept beside the code.
#[must_use]
pub fn fingerprints(path: &str, findings: &[Finding]) -> Vec<String> {
    let mut seen: HashMap<(&str, Option<&str>, &str), usize> = HashMap::new();
    let each = findings.iter().map(|finding| {
        let shown = (finding.id, finding.name.as_deref(), finding.mask.as_str());
        let before = seen.entry(shown).or_default();
        *before += 1;
        let (id, name, mask) = shown;
        let said = [path, id, name.unwrap_or_default(), mask, &before.to_string()].join("\0");
        let hash = sha256(&[said.as_bytes()]);
        hex(&hash[..FINGERPRINT_BYTES])
    });
    each.collect()
}

/// Rule of a literal that is a value of the broker.
pub const HELD_ID: &str = "held-value";
/// What is found by its name alone.
pub const GENERIC_ID: &str = "generic-secret";
/// In a line, it says that the literal there is no finding.
pub const ALLOWED: &str = "secretref:allow";
/// Findings of one file.
pub const FINDINGS_MAX: usize = 1_000;
/// How much of the hash a fingerprint has.
const FINGERPRINT_BYTES: usize = 16;
const NAME_BYTES_MAX: usize = 128;
/// Words of names whose values are secrets, as [`spelled`].
const WORDS: [&str; 12] = [
    "privatekey",
    "secretkey",
    "accesskey",
    "authtoken",
    "accesstoken",
    "refreshtoken",
    "bearertoken",
    "clientsecret",
    "encryptionkey",
    "signingkey",
    "webhooksecret",
    "authorization",
];

#[cfg(test)]
mod tests;
