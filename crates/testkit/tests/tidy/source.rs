//! The work tree as the rules see it.

use std::{fmt, fs, path::Path};

/// A text file of the work tree.
pub(crate) struct Source {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
    /// Rust: the same with comments, strings and characters blanked, byte for byte, so that rules
    /// about code do not see text. Else the text.
    pub(crate) code: String,
}

/// An offence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// File.
    pub(crate) path: String,
    /// Line, from 1; 0 for the whole file.
    pub(crate) line: usize,
    /// What is wrong and what would be right.
    pub(crate) problem: String,
}

impl Source {
    /// A file with a content.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = if path.ends_with(".rs") { code_of(text) } else { text.to_owned() };
        Self { path: path.to_owned(), text: text.to_owned(), code }
    }

    /// Whether it is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether it exists for tests only.
    pub(crate) fn is_test(&self) -> bool {
        self.path.starts_with("crates/testkit/")
            || self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
            || self.path.contains("/conformance")
            || self.path.contains("/benches/")
    }

    /// The number of the line in which a byte lies.
    pub(crate) fn line_at(&self, byte: usize) -> usize {
        self.text.as_bytes()[..byte].iter().filter(|found| **found == b'\n').count() + 1
    }

    /// Where a text occurs in the code, not as the end or start of a longer word.
    pub(crate) fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.code.match_indices(word).map(|(at, _)| at).filter(move |at| {
            let before = self.code[..*at].chars().next_back();
            let after = self.code[*at + word.len()..].chars().next();
            let cut_before = before.is_some_and(is_word) && word.starts_with(is_word);
            let cut_after = after.is_some_and(is_word) && word.ends_with(is_word);
            !(cut_before || cut_after)
        })
    }

    /// An offence in the line of a byte.
    pub(crate) fn finding(&self, byte: usize, problem: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line: self.line_at(byte), problem: problem.into() }
    }

    /// One offence for each occurrence of a word.
    pub(crate) fn findings(&self, word: &str, problem: &str) -> Vec<Finding> {
        self.words(word).map(|at| self.finding(at, format!("`{word}`: {problem}"))).collect()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.problem)
    }
}

/// Every text file of the work tree that is the project's own.
pub(crate) fn tree() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut sources = Vec::new();
    walk(&root, "", &mut sources);
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    sources
}

fn walk(folder: &Path, prefix: &str, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder of the work tree") {
        let entry = entry.expect("an entry of the work tree");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().expect("an entry of the work tree");
        if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
            walk(&entry.path(), &format!("{path}/"), sources);
        } else if kind.is_file() && is_text(&name) {
            let text = fs::read_to_string(entry.path()).expect("UTF-8 in the work tree");
            sources.push(Source::new(&path, &text));
        }
    }
}

fn is_text(name: &str) -> bool {
    let (_, end) = name.rsplit_once('.').unwrap_or(("", name));
    TEXT.contains(&end)
}

/// Blanks comments, strings and characters; what is left is code. Lengths stay, so that places and
/// lines do.
///
/// ```text
/// // … end of line     /* … /* nested */ … */     "…\"…"     r#"…"#     'c'     but not 'lifetime
/// ```
fn code_of(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    while code.len() < bytes.len() {
        let rest = &bytes[code.len()..];
        let in_word = code.last().is_some_and(|last| is_word(char::from(*last)));
        let length = text_at(rest, in_word);
        match length {
            0 => code.push(rest[0]),
            _ => code.extend(rest[..length].iter().map(|byte| match byte {
                b'\n' => b'\n',
                _ => b' ',
            })),
        }
    }
    String::from_utf8(code).expect("whole characters are blanked")
}

/// How many bytes of comment, string or character stand here; 0 for code.
fn text_at(rest: &[u8], in_word: bool) -> usize {
    match rest {
        [b'/', b'/', ..] => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => quoted(rest, b'"'),
        [b'\'', b'\\', ..] => quoted(rest, b'\''),
        [b'\'', character, ..] => {
            let end = 1 + utf8_length(*character);
            if rest.get(end) == Some(&b'\'') { end + 1 } else { 0 }
        }
        [b'r' | b'b' | b'c', ..] if !in_word => {
            let prefix = rest.iter().take(2).take_while(|byte| b"rbc".contains(byte)).count();
            raw_string(rest, prefix)
        }
        _ => 0,
    }
}

fn raw_string(rest: &[u8], prefix: usize) -> usize {
    if rest[prefix - 1] != b'r' {
        return 0;
    }
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(prefix + hashes) != Some(&b'"') {
        return 0;
    }
    let end = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let body = prefix + hashes + 1;
    let found = rest[body..].windows(end.len()).position(|window| window == end);
    found.map_or(rest.len(), |at| body + at + end.len())
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

fn utf8_length(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

/// Whether a character can be part of a name.
pub(crate) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

const SKIPPED: [&str; 4] = ["target", ".git", "node_modules", "proptest-regressions"];
const TEXT: [&str; 10] =
    ["rs", "proto", "sql", "toml", "md", "sh", "yaml", "yml", "Makefile", "Dockerfile"];

#[test]
fn text_is_blanked_and_code_stays_where_it_was() {
    let cases = [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"f("x\"y") g"#, "f(      ) g"),
        ("r#\"a\"b\"# c", "         c"),
        ("br\"x\" for_r\"x\"", "      for_r   "),
        (r"'a' '\'' 'é' &'life x", "              &'life x"),
        ("\"é\" é", "     é"),
        ("\"open", "     "),
        ("/* open", "       "),
    ];
    for (text, wanted) in cases {
        let code = code_of(text);
        assert_eq!(code.len(), text.len(), "{text}");
        assert_eq!(code.trim_end(), wanted.trim_end(), "{text}");
    }
}

#[test]
fn words_are_whole() {
    let source = Source::new("x.rs", "sqlx::a; my_sqlx::b; sqlxy::c;\nsqlx::d // sqlx::e");
    let places: Vec<usize> = source.words("sqlx").collect();
    assert_eq!(places, [0, 31]);
    assert_eq!(source.line_at(31), 2);
}
