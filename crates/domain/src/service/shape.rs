//! The notation of shapes. Text stands for itself, and `<class n>` or `<class n-m>` for n to m
//! characters of a class:
//!
//! | class | characters | class | characters |
//! | --- | --- | --- | --- |
//! | `d` | 0-9 | `x` | 0-9 a-f |
//! | `X` | 0-9 a-f A-F | `a` | 0-9 a-z |
//! | `A` | 0-9 A-Z | `b` | 0-9 a-z A-Z |
//! | `t` | a-z A-Z | `2` | A-Z 2-7 |
//! | `w` | `b` and `_` | `u` | `b` and `_ -` |
//! | `6` | `b` and `+ /` | `v` | `u` and `=` |
//! | `p` | `v` and `.` | `~` | `b` and `_ - . ~` |
//! | `c` | the 32 of bech32, upper case | `=` | `=` |
//! | `s` | all printable but quotes and `@ / ? # < > \` | `h` | `b` and `- . : [ ] ,` |
//! | `%` | `b` and `%` | `k` | all but `-` of what is printed, blanks, line ends |
//!
//! `<uuid>` stands for a UUID. A run of variable length is never followed by what it could hold
//! itself, so reading it to its end needs no second try.

use std::ops::Range;

/// A shape, read from its notation.
#[derive(Debug)]
pub struct Shape {
    parts: Vec<Part>,
    /// Which part is looked for in a text: the first literal.
    anchor: usize,
    /// Bytes before it: all of fixed length.
    lead_bytes: usize,
    /// The fewest bytes that have it.
    bytes_min: usize,
}

/// A piece of a shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// These bytes.
    Literal(Vec<u8>),
    /// So many of a class.
    Run {
        /// The class.
        class: u8,
        /// At least so many.
        least: usize,
        /// At most so many.
        most: usize,
    },
}

impl Shape {
    /// Reads the notation. The table is ours and its notation is tested, so what is no notation
    /// stands for itself.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.replace("<uuid>", UUID);
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let run = rest.strip_prefix('<').and_then(|inner| inner.split_once('>'));
            if let Some((run, after)) = run
                && let Some(run) = parse_run(run)
            {
                parts.push(run);
                rest = after;
                continue;
            }
            let end = rest[1..].find('<').map_or(rest.len(), |at| at + 1);
            parts.push(Part::Literal(rest.as_bytes()[..end].to_vec()));
            rest = &rest[end..];
        }
        let literal = parts.iter().position(|part| matches!(part, Part::Literal(_)));
        let anchor = literal.unwrap_or(parts.len());
        let lead_bytes = parts[..anchor].iter().map(Part::bytes_min).sum();
        let bytes_min = parts.iter().map(Part::bytes_min).sum();
        Self { parts, anchor, lead_bytes, bytes_min }
    }

    /// Its parts.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The literal that it is looked for by; empty where it has none.
    #[must_use]
    pub fn anchor(&self) -> &[u8] {
        match self.parts.get(self.anchor) {
            Some(Part::Literal(text)) => text,
            _ => &[],
        }
    }

    /// Whether one of this shape may begin with a byte.
    pub(super) fn may_begin(&self, byte: u8) -> bool {
        match self.parts.first() {
            Some(Part::Literal(text)) => text[0] == byte,
            Some(Part::Run { class, .. }) => holds(*class, byte),
            None => false,
        }
    }

    /// What every credential of the shape begins with; may be empty.
    #[must_use]
    pub fn prefix(&self) -> &[u8] {
        if self.anchor == 0 { self.anchor() } else { &[] }
    }

    /// Whether a value begins with what all of this shape begin with.
    #[must_use]
    pub fn begins(&self, value: &[u8]) -> bool {
        !self.prefix().is_empty() && value.starts_with(self.prefix())
    }

    /// Whether a whole value has the shape.
    #[must_use]
    pub fn is(&self, value: &[u8]) -> bool {
        value.len() >= self.bytes_min && self.end(value, 0) == Some(value.len())
    }

    /// The bytes of a text that have the shape, where its anchor stands at `anchor`; none where
    /// they are a piece of something longer.
    #[must_use]
    pub fn around(&self, text: &[u8], anchor: usize) -> Option<Range<usize>> {
        let start = anchor.checked_sub(self.lead_bytes)?;
        let end = self.end(text, start)?;
        (self.begins_word(text, start) && self.ends_word(text, end)).then_some(start..end)
    }

    fn end(&self, text: &[u8], start: usize) -> Option<usize> {
        let mut at = start;
        for part in &self.parts {
            at += part.bytes_in(text.get(at..)?)?;
        }
        Some(at)
    }

    /// An escape such as `\n` before it is no part of a word, though it ends in a letter.
    fn begins_word(&self, text: &[u8], start: usize) -> bool {
        let Some(before) = start.checked_sub(1).map(|at| text[at]) else { return true };
        let letter = matches!(before, b'n' | b'r' | b't');
        let escaped = start >= 2 && letter && text[start - 2] == b'\\';
        let percent = start >= 3
            && text[start - 3] == b'%'
            && text[start - 2..start].iter().all(u8::is_ascii_hexdigit);
        let inside = match self.parts.first() {
            Some(Part::Run { class, .. }) => {
                before.is_ascii_alphanumeric() || holds(*class, before)
            }
            Some(Part::Literal(text)) => {
                before.is_ascii_alphanumeric() && text[0].is_ascii_alphanumeric()
            }
            None => false,
        };
        !inside || escaped || percent
    }

    fn ends_word(&self, text: &[u8], end: usize) -> bool {
        let Some(&after) = text.get(end) else { return true };
        match self.parts.last() {
            // A full stop ends a sentence.
            Some(Part::Run { class, .. }) if after != b'.' => {
                !after.is_ascii_alphanumeric() && !holds(*class, after)
            }
            _ => !after.is_ascii_alphanumeric(),
        }
    }
}

impl Part {
    /// The fewest bytes that it takes.
    #[must_use]
    pub fn bytes_min(&self) -> usize {
        match self {
            Self::Literal(text) => text.len(),
            Self::Run { least, .. } => *least,
        }
    }

    /// How many bytes of a text it takes from its start; none where it does not fit.
    fn bytes_in(&self, text: &[u8]) -> Option<usize> {
        match self {
            Self::Literal(literal) => text.starts_with(literal).then_some(literal.len()),
            Self::Run { class, least, most } => {
                let fits = text.iter().take(*most).take_while(|byte| holds(*class, **byte)).count();
                (fits >= *least).then_some(fits)
            }
        }
    }
}

/// Whether a class has a character.
#[must_use]
pub fn holds(class: u8, byte: u8) -> bool {
    let word = byte.is_ascii_alphanumeric();
    match class {
        b'd' => byte.is_ascii_digit(),
        b'x' => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        b'X' => byte.is_ascii_hexdigit(),
        b'a' => byte.is_ascii_digit() || byte.is_ascii_lowercase(),
        b'A' => byte.is_ascii_digit() || byte.is_ascii_uppercase(),
        b'b' => word,
        b't' => byte.is_ascii_alphabetic(),
        b'2' => byte.is_ascii_uppercase() || matches!(byte, b'2'..=b'7'),
        b'w' => word || byte == b'_',
        b'u' => word || matches!(byte, b'_' | b'-'),
        b'6' => word || matches!(byte, b'+' | b'/'),
        b'v' => word || matches!(byte, b'_' | b'-' | b'='),
        b'p' => word || matches!(byte, b'_' | b'-' | b'=' | b'.'),
        b'~' => word || matches!(byte, b'_' | b'-' | b'.' | b'~'),
        b'c' => b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L".contains(&byte),
        b'=' => byte == b'=',
        b's' => byte.is_ascii_graphic() && !b"\"'`@/<>\\?#".contains(&byte),
        b'h' => word || matches!(byte, b'-' | b'.' | b':' | b'[' | b']' | b',' | b'_'),
        b'%' => word || byte == b'%',
        b'k' => byte != b'-' && (byte.is_ascii_graphic() || b" \r\n\t".contains(&byte)),
        _ => false,
    }
}

/// `x 32` or `x 32-64`.
fn parse_run(text: &str) -> Option<Part> {
    let (class, count) = text.split_once(' ')?;
    let [class] = class.as_bytes() else { return None };
    let (least, most) = count.split_once('-').unwrap_or((count, count));
    Some(Part::Run { class: *class, least: least.parse().ok()?, most: most.parse().ok()? })
}

const UUID: &str = "<X 8>-<X 4>-<X 4>-<X 4>-<X 12>";

#[cfg(test)]
mod tests;
