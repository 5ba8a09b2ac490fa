//! What the credentials of well-known services look like: one table for everything that asks, from
//! a manifest's literals and `put` to the scanner.
//!
//! A credential is first known by its *shape* (see [`shape`]), else by the name it stands under.

pub(crate) mod check;
pub mod kinds;
mod paste;
pub mod shape;

use crate::name::SecretName;
use aho_corasick::{AhoCorasick, MatchKind};
pub use check::Check;
use kinds::KINDS;
pub use paste::{Complaint, complaint};
use shape::Shape;
use std::{ops::Range, sync::LazyLock};

/// One kind of credential of one service.
#[derive(Debug)]
pub struct Kind {
    /// Unique, such as `github-token`; what a finding is called by.
    pub id: &'static str,
    /// The service, such as `github`.
    pub service: &'static str,
    /// What the service calls it.
    pub title: &'static str,
    /// Environment variables that its tools read, the usual one first.
    pub variables: &'static [&'static str],
    /// How it is written; the notation is that of [`shape`].
    pub shapes: &'static [&'static str],
    /// Words of which one must be in the name that it stands under: the shape says too little.
    pub near: &'static [&'static str],
    /// What holds besides the shape.
    pub check: Check,
    /// From how many bytes on a value that only begins so is taken for one that was cut off or
    /// pasted wrong; 0 for never.
    pub begins_bytes_min: usize,
    /// Whose word the shape is.
    pub source: &'static str,
}

/// Where a credential of known shape stands.
#[derive(Debug, Clone)]
pub struct Place {
    /// What it is.
    pub kind: &'static Kind,
    /// Its bytes.
    pub range: Range<usize>,
}

/// Every shape of the table, ready to be looked for.
struct Search {
    shapes: Vec<(&'static Kind, Shape)>,
    /// Finds the literal part that each anchored shape has; the pattern's number is in `anchored`.
    anchors: AhoCorasick,
    anchored: Vec<Vec<usize>>,
    /// For each byte the numbers of those that may begin with it and say enough by themselves.
    alone: Vec<Vec<usize>>,
    /// For each byte the numbers of those that may begin with it and need a name too.
    named: Vec<Vec<usize>>,
}

/// All places where a text has a credential that its shape gives away, in order, none inside
/// another.
#[must_use]
pub fn find(text: &[u8]) -> Vec<Place> {
    let search = &*SEARCH;
    let mut places: Vec<Place> = Vec::new();
    for found in search.anchors.find_overlapping_iter(text) {
        for &number in &search.anchored[found.pattern().as_usize()] {
            let (kind, shape) = &search.shapes[number];
            let Some(range) = shape.around(text, found.start()) else { continue };
            if kind.check.passes(&text[range.clone()]) {
                places.push(Place { kind, range });
            }
        }
    }
    places.sort_by_key(|place| (place.range.start, std::cmp::Reverse(place.range.end)));
    let mut end = 0;
    places.retain(|place| {
        let apart = place.range.start >= end;
        end = end.max(place.range.end);
        apart
    });
    places
}

/// The kind of a whole value, where its shape says so by itself.
#[must_use]
pub fn kind_of(value: &[u8]) -> Option<&'static Kind> {
    let value = value.trim_ascii_end();
    let fits = |kind: &Kind, shape: &Shape| shape.is(value) && kind.check.passes(value);
    SEARCH.first(&SEARCH.alone, value, fits).map(|(kind, _)| *kind)
}

/// The kind of a whole value that stands under a name, such as `TWILIO_AUTH_TOKEN`.
#[must_use]
pub fn kind_under(name: &str, value: &[u8]) -> Option<&'static Kind> {
    if let Some(kind) = kind_of(value) {
        return Some(kind);
    }
    let name = spelled(name);
    let fits = |kind: &Kind, shape: &Shape| {
        let near = kind.near.iter().any(|word| name.contains(word));
        near && shape.is(value) && kind.check.passes(value)
    };
    SEARCH.first(&SEARCH.named, value, fits).map(|(kind, _)| *kind)
}

/// The kind of a value that begins as one, and may have been cut off or pasted with something else.
#[must_use]
pub fn begins_as(value: &[u8]) -> Option<&'static Kind> {
    let begins = |kind: &Kind, shape: &Shape| {
        let least = kind.begins_bytes_min;
        // A URL without a password begins as one with it.
        let guess = kind.check != Check::Url && least > 0;
        guess && value.len() >= least && shape.begins(value)
    };
    SEARCH.first(&SEARCH.alone, value, begins).map(|(kind, _)| *kind)
}

/// The service that a value of this shape is for; where none fits, the one whose credentials begin
/// so.
#[must_use]
pub fn of_shape(value: &[u8]) -> Option<&'static str> {
    let begins = |kind: &Kind, shape: &Shape| kind.begins_bytes_min > 0 && shape.begins(value);
    let begun = || SEARCH.first(&SEARCH.alone, value, begins).map(|(kind, _)| *kind);
    kind_of(value).or_else(begun).map(|kind| kind.service)
}

/// The service that a name speaks of: its first word.
#[must_use]
pub fn of_name(name: &SecretName) -> &str {
    name.as_str().split(['-', '_', '.', '/', '@']).next().unwrap_or_default()
}

/// The kinds of a service.
pub fn of_service(service: &str) -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().copied().flatten().filter(move |kind| kind.service.eq_ignore_ascii_case(service))
}

/// A value as it may be shown: what all of its kind begin with, and the last characters where
/// enough of it stays unknown. Of an unknown kind nothing is shown but that there is something.
#[must_use]
pub fn mask(value: &[u8]) -> String {
    let value = value.trim_ascii_end();
    let fits = |_: &Kind, shape: &Shape| shape.is(value);
    let Some((kind, shape)) = SEARCH.first(&SEARCH.alone, value, fits) else {
        return HIDDEN.to_owned();
    };
    let begins = String::from_utf8_lossy(shape.prefix()).into_owned();
    let unknown = value.len().saturating_sub(begins.len());
    let tail = value.len().saturating_sub(MASK_TAIL_BYTES);
    match kind.check {
        // What ends these is no random part.
        Check::Url | Check::PrivateKey => format!("{begins}{HIDDEN}"),
        _ if unknown < MASK_UNKNOWN_BYTES_MIN || !value.is_ascii() => format!("{begins}{HIDDEN}"),
        _ => format!("{begins}{HIDDEN}{}", String::from_utf8_lossy(&value[tail..])),
    }
}

/// A name without what separates its words, in lower case: `Twilio-Auth_Token`, `twilioauthtoken`.
pub(crate) fn spelled(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

impl Search {
    fn new() -> Self {
        let kinds = KINDS.iter().copied().flatten();
        let shapes: Vec<(&'static Kind, Shape)> = kinds
            .flat_map(|kind| kind.shapes.iter().map(move |text| (kind, Shape::parse(text))))
            .collect();
        let mut texts: Vec<Vec<u8>> = Vec::new();
        let mut anchored: Vec<Vec<usize>> = Vec::new();
        for (number, (kind, shape)) in shapes.iter().enumerate() {
            let anchor = shape.anchor();
            if !kind.near.is_empty() || anchor.is_empty() {
                continue;
            }
            match texts.iter().position(|text| text == anchor) {
                Some(at) => anchored[at].push(number),
                None => {
                    texts.push(anchor.to_vec());
                    anchored.push(vec![number]);
                }
            }
        }
        let anchors = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&texts);
        let shapes_of = &shapes;
        let starting = |alone: bool| {
            let of = move |byte: u8| {
                let numbers = shapes_of.iter().enumerate().filter(move |(_, (kind, shape))| {
                    kind.near.is_empty() == alone && shape.may_begin(byte)
                });
                numbers.map(|(number, _)| number).collect()
            };
            (0..=u8::MAX).map(of).collect()
        };
        let (alone, named) = (starting(true), starting(false));
        let anchors = anchors.expect("a few hundred short words");
        Self { shapes, anchors, anchored, alone, named }
    }

    /// The first shape that fits a whole value.
    fn first(
        &self,
        numbers: &[Vec<usize>],
        value: &[u8],
        fits: impl Fn(&Kind, &Shape) -> bool,
    ) -> Option<&(&'static Kind, Shape)> {
        let numbers = &numbers[usize::from(*value.first()?)];
        let shapes = numbers.iter().map(|number| &self.shapes[*number]);
        shapes.into_iter().find(|(kind, shape)| fits(kind, shape))
    }
}

static SEARCH: LazyLock<Search> = LazyLock::new(Search::new);

/// What stands for what is not shown.
const HIDDEN: &str = "…";
/// Characters of the end of a value that a mask shows.
const MASK_TAIL_BYTES: usize = 4;
/// Unknown characters from which on a mask shows some of them.
const MASK_UNKNOWN_BYTES_MIN: usize = 24;

#[cfg(test)]
mod tests;
