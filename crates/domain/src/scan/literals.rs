//! Literals of a file with the names that they stand under.
//!
//! One reader takes JSON, JSON5, YAML, TOML, `.env`, shell, and what only resembles them: a parser
//! that gives up at the first error would miss what stands after it. It knows quotes, escapes,
//! concatenation, and the signs between a name and its value; it never fails.

mod quoted;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use std::ops::Range;
use zeroize::Zeroizing;

/// How a file quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON, JSON5, TOML, source code: `\` escapes in quotes.
    Json,
    /// As JSON, but text needs no quotes, and in single quotes `''` stands for `'` and `\` for
    /// itself.
    Yaml,
    /// `.env` and shell: pieces beside each other are one word; nothing is escaped in `'…'`.
    Shell,
}

/// A literal. It cannot be printed: what it has may be a credential.
pub struct Literal {
    /// The name that it stands under: a key, a variable, an option.
    pub name: Option<String>,
    /// What it means, without quotes and escapes.
    pub value: Zeroizing<String>,
    /// Its bytes in the text, without the outer quotes.
    pub range: Range<usize>,
    /// Whether it is written otherwise than it reads.
    pub decoded: bool,
    /// Whether the format says that it is text: in source code, what has no quotes is none.
    pub text: bool,
}

impl Format {
    /// The format by the ending of a file's name, else by its first bytes.
    #[must_use]
    pub fn of(path: &str, text: &str) -> Self {
        let name = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        match ending {
            "yaml" | "yml" | "ini" | "cfg" | "conf" | "properties" => Self::Yaml,
            "sh" | "bash" | "zsh" | "ksh" | "env" | "envrc" => Self::Shell,
            _ if name.starts_with(".env") || name.starts_with("env.") => Self::Shell,
            "json" | "json5" | "jsonc" | "toml" => Self::Json,
            _ if text.starts_with("---\n") => Self::Yaml,
            _ if text.starts_with("#!") && text.lines().next().is_some_and(names_shell) => {
                Self::Shell
            }
            _ => Self::Json,
        }
    }
}

impl Literal {
    /// Whether a byte of the text is its.
    #[must_use]
    pub fn holds(&self, at: usize) -> bool {
        self.range.contains(&at)
    }
}

/// All literals of a text, in order; [`LITERALS_MAX`] at most. Longer ones than
/// [`LITERAL_BYTES_MAX`] are passed over.
#[must_use]
pub fn read(text: &str, format: Format) -> Vec<Literal> {
    let mut reader = Reader { text, format, at: 0, pending: None, list: 0, literals: Vec::new() };
    while reader.at < text.len() && reader.literals.len() < LITERALS_MAX {
        reader.step();
    }
    reader.literals
}

/// What a whole base64 text has in it, where that is text.
#[must_use]
pub fn unbase64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = decode64(text).filter(|_| text.trim_end_matches('=').len() >= ENCODED_BYTES_MIN)?;
    let shown = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    bytes.iter().all(shown).then_some(bytes)
}

/// What a whole text in base64 has in it, with either alphabet, padded or not.
pub(super) fn decode64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let text = text.trim().trim_end_matches('=');
    if text.len() > LITERAL_BYTES_MAX {
        return None;
    }
    let bytes = STANDARD_NO_PAD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()?;
    Some(Zeroizing::new(bytes))
}

fn names_shell(line: &str) -> bool {
    line.ends_with("sh") || line.contains("sh ")
}

struct Reader<'t> {
    text: &'t str,
    format: Format,
    at: usize,
    /// The name that the next literal stands under.
    pending: Option<Pending>,
    /// How many lists are open since the name.
    list: usize,
    literals: Vec<Literal>,
}

struct Pending {
    name: String,
    /// Whether a literal had it.
    used: bool,
    /// Whether its value comes next: then a `=` belongs to it.
    tight: bool,
    /// Whether its value comes next whatever is between: a block of lines, that of an option.
    block: bool,
}

/// One word: pieces in and out of quotes without a blank between them.
struct Word {
    value: Zeroizing<String>,
    range: Range<usize>,
    /// Where what follows begins.
    end: usize,
    quoted: bool,
}

impl Reader<'_> {
    fn step(&mut self) {
        let byte = self.text.as_bytes()[self.at];
        match byte {
            b'\n' => {
                self.forget();
                self.loosen();
            }
            b'|' | b'>' if self.format == Format::Yaml => self.block(),
            b'}' | b';' if self.list == 0 => self.pending = None,
            b',' => self.forget(),
            b'[' if self.pending.is_some() => self.list += 1,
            b']' if self.list > 0 => {
                self.list -= 1;
                self.forget();
            }
            _ if is_blank(byte) && self.format == Format::Shell => self.loosen(),
            _ if is_blank(byte) || is_sign(byte) => {}
            _ => return self.word(),
        }
        self.at += 1;
    }

    fn block(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.block = !pending.used;
        }
    }

    /// A name stays for all of a list, and until it has a value.
    fn forget(&mut self) {
        if self.list == 0 && self.pending.as_ref().is_some_and(|pending| pending.used) {
            self.pending = None;
        }
    }

    fn loosen(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.tight = pending.block && !pending.used;
        }
    }

    fn word(&mut self) {
        let tight = self.pending.as_ref().is_some_and(|pending| pending.tight);
        let word = self.read_word(tight);
        self.at = word.end.max(self.at + 1);
        while !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
        if word.value.is_empty() || word.range.len() > LITERAL_BYTES_MAX {
            return self.loosen();
        }
        if let Some(after) = self.separator(&word) {
            self.at = after;
            self.expect(&word.value, false);
            return;
        }
        if word.value.starts_with("--") && !word.value.contains('=') {
            // In a list of arguments the next one is its value.
            self.expect(&word.value, true);
            return;
        }
        self.push(word, tight);
        self.loosen();
    }

    fn expect(&mut self, name: &str, block: bool) {
        self.list = 0;
        let name = name.trim_start_matches('-').to_owned();
        self.pending = Some(Pending { name, used: false, tight: true, block });
    }

    fn push(&mut self, word: Word, tight: bool) {
        let Word { value, range, quoted, .. } = word;
        let decoded = self.text.get(range.clone()) != Some(value.as_str());
        let splits = quoted && (!tight || value.starts_with('-'));
        if let Some((name, start)) = splits.then(|| assignment(&value)).flatten() {
            let value = Zeroizing::new(value[start..].to_owned());
            let range = if decoded { range } else { range.start + start..range.end };
            self.literals.push(Literal { name: Some(name), value, range, decoded, text: true });
            return;
        }
        let name = self.pending.as_mut().map(|pending| {
            pending.used = true;
            pending.name.clone()
        });
        let text = quoted || self.format != Format::Json;
        self.literals.push(Literal { name, value, range, decoded, text });
    }

    /// Where the value begins, if the word is followed by what stands between a name and a value.
    fn separator(&self, word: &Word) -> Option<usize> {
        if word.value.len() > NAME_BYTES_MAX {
            return None;
        }
        let rest = &self.text[word.end..];
        let blank = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let signs = &rest[blank..];
        if self.format == Format::Shell && blank > 0 {
            // `NAME = value` is a command there.
            return None;
        }
        let length = ["=>", ":=", "?=", "+="].iter().find(|it| signs.starts_with(**it));
        if let Some(sign) = length {
            return Some(word.end + blank + sign.len());
        }
        let next = signs.as_bytes().get(1).copied();
        let apart = next.is_none_or(|next| is_blank(next) || b"\n\"'[{|>".contains(&next));
        match signs.as_bytes().first()? {
            b'=' if next != Some(b'=') => Some(word.end + blank + 1),
            b':' if word.quoted || apart => Some(word.end + blank + 1),
            _ => None,
        }
    }

    fn read_word(&self, tight: bool) -> Word {
        let bytes = self.text.as_bytes();
        let mut value = Zeroizing::new(String::new());
        let (mut at, mut start, mut end, mut pieces) = (self.at, self.at, self.at, 0);
        let mut quoted = false;
        while let Some(&byte) = bytes.get(at) {
            let opens = matches!(byte, b'"' | b'\'' | b'`');
            let within = pieces > 0 && self.format != Format::Shell;
            if opens && !within {
                let Some(piece) = quoted::read(self.text, at, self.format) else {
                    at += 1;
                    break;
                };
                value.push_str(&piece.value);
                (start, end) = if pieces == 0 {
                    (at + piece.quote, piece.inner_end)
                } else {
                    (start, piece.end)
                };
                (at, quoted, pieces) = (piece.end, true, pieces + 1);
                if self.format != Format::Shell {
                    match self.joined(at) {
                        Some(next) => {
                            (at, pieces) = (next, 0);
                            continue;
                        }
                        None => break,
                    }
                }
                continue;
            }
            let bare = self.bare(at, tight, quoted);
            if bare == at {
                break;
            }
            value.push_str(&self.text[at..bare]);
            (at, end, pieces) = (bare, bare, pieces + 1);
            if !bytes.get(at).is_some_and(|next| matches!(next, b'"' | b'\'')) {
                break;
            }
        }
        Word { value, range: start.min(end)..end, end: at, quoted }
    }

    /// Where the next piece begins after `"…" + `.
    fn joined(&self, at: usize) -> Option<usize> {
        let rest = &self.text[at..];
        let sign = rest.trim_start();
        let next = sign.strip_prefix('+')?.trim_start();
        next.starts_with(['"', '\'']).then(|| self.text.len() - next.len())
    }

    /// Where a piece without quotes ends.
    fn bare(&self, start: usize, tight: bool, quoted: bool) -> usize {
        let bytes = self.text.as_bytes();
        let mut at = start;
        let mut named = !quoted && (!tight || self.text[start..].starts_with('-'));
        while let Some(&byte) = bytes.get(at) {
            let next = bytes.get(at + 1).copied();
            let ends = match byte {
                b'"' | b'\'' | b'`' => self.format == Format::Shell || byte != b'\'',
                b':' => next.is_none_or(|next| is_blank(next) || b"\n\"'".contains(&next)),
                b'=' => {
                    named && at > start && next.is_some_and(|next| next != b'=' && next != b'\n')
                }
                b'\n' => true,
                _ => is_blank(byte) || b",;{}[]()".contains(&byte),
            };
            if ends {
                break;
            }
            named = named && (byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
            at += 1;
        }
        at
    }
}

/// `NAME=value` inside one pair of quotes, as in a list of arguments: the name, and where the value
/// begins.
fn assignment(text: &str) -> Option<(String, usize)> {
    let (name, value) = text.split_once('=')?;
    let bare = name.trim_start_matches('-');
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let named = !bare.is_empty() && bare.len() <= NAME_BYTES_MAX && bare.chars().all(plain);
    // A name has a letter first, and padding is no value.
    let letter = bare.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (named && letter && !value.trim_matches('=').is_empty())
        .then(|| (bare.to_owned(), text.len() - value.len()))
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0c)
}

/// Signs that are no part of a word where they begin one.
fn is_sign(byte: u8) -> bool {
    b"{}()[];|>:=!?".contains(&byte)
}

/// Literals of one text.
pub const LITERALS_MAX: usize = 200_000;
/// Longest literal that is looked into, in bytes.
pub const LITERAL_BYTES_MAX: usize = 64 * 1024;
/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 256;
/// Shortest base64 that is looked into, in characters.
const ENCODED_BYTES_MIN: usize = 24;

#[cfg(test)]
mod tests;
