//! JSON5 with places: where each value of a text stands, so that a few of them can be replaced and
//! every other byte stays as it is. JSON is part of it.
//!
//! The `json5` crate, which reads manifests, keeps neither places nor comments. Strings are laid
//! open one at a time, when they are asked for, into memory that is overwritten.

mod string;

use std::ops::Range;
use zeroize::Zeroizing;

/// Longest text, in bytes.
pub const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How deep it may be nested.
pub const DEPTH_MAX: usize = 64;

/// Where something stands, in bytes.
pub type Span = Range<usize>;

/// A text that was read. It may hold secrets: it cannot be printed, and is overwritten when
/// dropped.
pub struct Document {
    text: Zeroizing<String>,
    root: Node,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// From its first to its last character; of a string, with its quotes.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Its members, in the order of the text.
    Object(Vec<Member>),
    /// Its items.
    Array(Vec<Node>),
    /// A string.
    Text,
    /// A number, `true`, `false` or `null`.
    Other,
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its key, without quotes and escapes.
    pub key: String,
    /// Where the key stands, with its quotes where it has any.
    pub key_span: Span,
    /// Its value.
    pub value: Node,
}

/// Why a text is not JSON5. It repeats nothing of it, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct TextError {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl Document {
    /// Reads a text.
    ///
    /// # Errors
    /// [`TextError`] where it is not JSON5, has a key twice in one object, or is beyond
    /// [`TEXT_BYTES_MAX`] or [`DEPTH_MAX`].
    pub fn parse(text: Zeroizing<String>) -> Result<Self, TextError> {
        let read = match text.len() {
            0..=TEXT_BYTES_MAX => Reader { text: &text, at: 0 }.document(),
            _ => Err((0, "the file has more than 4 MiB")),
        };
        match read {
            Ok(root) => Ok(Self { text, root }),
            Err((at, what)) => {
                let (line, column) = place(&text, at);
                Err(TextError { line, column, what })
            }
        }
    }

    /// The outermost value.
    #[must_use]
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The text. It may hold secrets.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A string without its quotes and escapes; none where the value is none, or has half of a
    /// surrogate pair.
    #[must_use]
    pub fn string(&self, node: &Node) -> Option<Zeroizing<String>> {
        let inner = self.text.get(node.span.start + 1..node.span.end - 1)?;
        matches!(node.kind, Kind::Text).then(|| string::decoded(inner).ok())?
    }

    /// Where the comma is that follows a place, over blanks and comments.
    #[must_use]
    pub fn comma_after(&self, at: usize) -> Option<usize> {
        let mut reader = Reader { text: &self.text, at };
        reader.skip().ok()?;
        (reader.peek() == Some(',')).then_some(reader.at)
    }

    /// Line and column of a place, from 1, the column in characters.
    #[must_use]
    pub fn place(&self, at: usize) -> (usize, usize) {
        place(&self.text, at)
    }
}

impl Node {
    /// The member of an object with this key.
    #[must_use]
    pub fn member(&self, key: &str) -> Option<&Member> {
        self.members().iter().find(|member| member.key == key)
    }

    /// The members of an object; none of anything else.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        match &self.kind {
            Kind::Object(members) => members,
            _ => &[],
        }
    }
}

fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at)];
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

type Read<T> = Result<T, (usize, &'static str)>;

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn document(&mut self) -> Read<Node> {
        self.skip()?;
        let root = self.value(0)?;
        self.skip()?;
        match self.peek() {
            None => Ok(root),
            Some(_) => self.wrong("something follows the end"),
        }
    }

    fn value(&mut self, depth: usize) -> Read<Node> {
        if depth > DEPTH_MAX {
            return self.wrong("it is nested too deep");
        }
        let start = self.at;
        let kind = match self.peek() {
            Some('{') => self.object(depth)?,
            Some('[') => self.array(depth)?,
            Some('"' | '\'') => {
                self.quoted()?;
                Kind::Text
            }
            Some(_) => {
                self.word()?;
                Kind::Other
            }
            None => return self.wrong("the file ends where a value should be"),
        };
        Ok(Node { span: start..self.at, kind })
    }

    fn object(&mut self, depth: usize) -> Read<Kind> {
        let mut members: Vec<Member> = Vec::new();
        let mut keys = std::collections::BTreeSet::new();
        self.at += 1;
        loop {
            self.skip()?;
            if self.take('}') {
                return Ok(Kind::Object(members));
            }
            let start = self.at;
            let key = match self.peek() {
                Some('"' | '\'') => self.quoted()?.to_string(),
                _ => self.identifier()?,
            };
            if !keys.insert(key.clone()) {
                return Err((start, "the key stands twice in this object: keep one of the two"));
            }
            let key_span = start..self.at;
            self.skip()?;
            if !self.take(':') {
                return self.wrong("a `:` should be here");
            }
            self.skip()?;
            let value = self.value(depth + 1)?;
            members.push(Member { key, key_span, value });
            self.skip()?;
            if !self.take(',') && self.peek() != Some('}') {
                return self.wrong("a `,` or `}` should be here");
            }
        }
    }

    fn array(&mut self, depth: usize) -> Read<Kind> {
        let mut items = Vec::new();
        self.at += 1;
        loop {
            self.skip()?;
            if self.take(']') {
                return Ok(Kind::Array(items));
            }
            items.push(self.value(depth + 1)?);
            self.skip()?;
            if !self.take(',') && self.peek() != Some(']') {
                return self.wrong("a `,` or `]` should be here");
            }
        }
    }

    /// A string; what it says without quotes and escapes.
    fn quoted(&mut self) -> Read<Zeroizing<String>> {
        let start = self.at;
        let quote = self.bump();
        loop {
            match self.bump() {
                Some('\\') => {
                    self.bump();
                }
                Some('\n' | '\r') => {
                    return Err((start, "the line ends before the string does"));
                }
                Some(character) if Some(character) == quote => break,
                Some(_) => {}
                None => return Err((start, "the string is not closed")),
            }
        }
        let inner = &self.text[start + 1..self.at - 1];
        string::decoded(inner).map_err(|what| (start, what))
    }

    /// A key without quotes (ECMAScript 5.1, 7.6).
    fn identifier(&mut self) -> Read<String> {
        let start = self.at;
        while let Some(character) = self.peek() {
            let first = self.at == start;
            let letter = character.is_alphabetic() || "$_".contains(character);
            let later = character.is_alphanumeric() || "\u{200c}\u{200d}".contains(character);
            match character {
                // Its escape is left to the decoder.
                '\\' => {
                    self.at += 1;
                    self.bump();
                }
                _ if letter || (!first && later) => {
                    self.bump();
                }
                _ => break,
            }
        }
        match &self.text[start..self.at] {
            "" => self.wrong("a key should be here"),
            raw => match string::decoded(raw) {
                Ok(key) => Ok(key.to_string()),
                Err(what) => Err((start, what)),
            },
        }
    }

    /// A number or a word. Numbers are looked at no closer: none of them is ever a secret.
    fn word(&mut self) -> Read<()> {
        let start = self.at;
        while let Some(character) = self.peek() {
            if !character.is_ascii_alphanumeric() && !"+-.".contains(character) {
                break;
            }
            self.at += 1;
        }
        let word = &self.text[start..self.at];
        let unsigned = word.trim_start_matches(['+', '-']);
        let known = ["true", "false", "null"].contains(&word)
            || ["Infinity", "NaN"].contains(&unsigned)
            || unsigned.starts_with(|it: char| it.is_ascii_digit() || it == '.');
        if known { Ok(()) } else { Err((start, "a value should be here")) }
    }

    /// Skips white space and comments.
    fn skip(&mut self) -> Read<()> {
        loop {
            let rest = &self.text[self.at..];
            if let Some(comment) = rest.strip_prefix("/*") {
                let Some(end) = comment.find("*/") else {
                    return self.wrong("the comment is not closed");
                };
                self.at += end + 4;
            } else if rest.starts_with("//") {
                let end = rest.find(['\n', '\r', '\u{2028}', '\u{2029}']);
                self.at += end.unwrap_or(rest.len());
            } else {
                match rest.chars().next() {
                    Some(it) if it.is_whitespace() || it == '\u{feff}' => self.at += it.len_utf8(),
                    _ => return Ok(()),
                }
            }
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        Some(character)
    }

    fn take(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        if there {
            self.at += wanted.len_utf8();
        }
        there
    }

    fn wrong<T>(&self, what: &'static str) -> Read<T> {
        Err((self.at, what))
    }
}

#[cfg(test)]
mod tests;
