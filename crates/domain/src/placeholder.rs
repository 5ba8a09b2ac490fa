//! Values that look like examples: somebody pasted what the documentation shows.

use aho_corasick::AhoCorasick;
use std::sync::LazyLock;

/// Whether a value looks like an example rather than a credential: it has one of the words that
/// examples have, or a run of one character over a third of it. A guess for a warning; never a
/// reason to refuse a value. The value is read where it is, and never copied.
#[must_use]
pub fn looks_like_example(value: &[u8]) -> bool {
    static SEARCH: LazyLock<AhoCorasick> = LazyLock::new(|| {
        let built = AhoCorasick::builder().ascii_case_insensitive(true).build(WORDS);
        built.expect("a few short words")
    });
    if SEARCH.is_match(value) {
        return true;
    }
    let run = longest_run(value);
    run >= RUN_BYTES_MIN && run * 3 >= value.len()
}

fn longest_run(bytes: &[u8]) -> usize {
    let runs = bytes.chunk_by(u8::eq_ignore_ascii_case);
    runs.filter(|run| !run[0].is_ascii_whitespace()).map(<[u8]>::len).max().unwrap_or(0)
}

const WORDS: [&str; 14] = [
    "example",
    "placeholder",
    "changeme",
    "change-me",
    "change_me",
    "your-",
    "your_",
    "replace-me",
    "replace_me",
    "replaceme",
    "dummy",
    "insert-",
    "__openclaw_redacted__",
    "<secret>",
];
const RUN_BYTES_MIN: usize = 6;

#[cfg(test)]
mod tests;
